from __future__ import annotations

import pytest

from clipcrop_wire import protocol, sealing
from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import ConnectionFile, write_connection_file
from clipcrop_wire.errors import NotAuthentic, ProtocolError, RequestTimeout
from clipcrop_wire.messages import HelloReply, Image

WELCOME = protocol.encode_reply("hello", "hello", HelloReply(bytes(32), 0))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda frames: frames, id="sends the hello back"),
        pytest.param(
            lambda frames: sealing.seal_welcome(bytes(32), bytes(32), WELCOME), id="another key"
        ),
        pytest.param(lambda frames: [bytes(44), WELCOME], id="no seal"),
        pytest.param(lambda frames: [frames[0][:12] + bytes(32), WELCOME], id="an empty seal"),
        pytest.param(lambda frames: [WELCOME], id="one frame"),
        pytest.param(lambda frames: [b""], id="nothing"),
        pytest.param(lambda frames: [bytes(2_000_000)], id="too much"),
        pytest.param(lambda frames: [b""] * 100, id="too many"),
        pytest.param(lambda frames: [b"CCW\0"], id="an older version"),
    ],
)
def test_a_squatter_gets_neither_pixel_nor_prompt(daemon, answer):
    pixels = b"P" * 300_000
    daemon.answer_to_hello = answer

    with Client(daemon.path) as client, pytest.raises(ProtocolError):
        client.suggest(Image.of(pixels, 1000, 100, "rgb8"), pixels, "secret", timeout_s=5)

    assert daemon.received_bytes < 600
    assert b"secret" not in daemon.received
    assert b"PPP" not in daemon.received


def test_a_recorded_welcome_gets_no_pixel(daemon, tiny_image):
    old = [sealing.seal_welcome(daemon.key, b"n" * 32, WELCOME)]
    daemon.answer_to_hello = lambda frames: old[0]

    with Client(daemon.path) as client, pytest.raises(NotAuthentic):
        client.suggest(*tiny_image, timeout_s=5)

    assert daemon.received_bytes < 600


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="a web server"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="a login server"),
        pytest.param(b"\0" * 1000, id="zeros"),
        pytest.param(b"\xff" * 1_000_000, id="a flood"),
    ],
)
def test_another_program_at_the_socket_is_told_apart(daemon, said, tiny_image):
    daemon.says_first = said

    with Client(daemon.path) as client, pytest.raises(ProtocolError):
        client.suggest(*tiny_image, timeout_s=5)

    assert daemon.received_bytes < 600


def test_a_daemon_that_says_nothing_gets_no_pixel(client, daemon, tiny_image):
    daemon.is_mute = True

    with pytest.raises(RequestTimeout):
        client.suggest(*tiny_image, "x", timeout_s=0.3)

    assert 0 < daemon.received_bytes < 600


def test_who_lacks_the_key_gets_no_pixel(daemon, tmp_path):
    info = daemon.info
    theirs = ConnectionFile(
        info.session, b"\1" * 32, info.pid, info.started_s, info.work, info.control
    )
    path = tmp_path / "other.json"
    write_connection_file(path, theirs)
    pixels = bytes(300_000)

    with Client(path) as client, pytest.raises(RequestTimeout):
        client.suggest(Image.of(pixels, 1000, 100, "rgb8"), pixels, timeout_s=0.3)

    assert 0 < daemon.received_bytes < 600
    assert daemon.requests == []
