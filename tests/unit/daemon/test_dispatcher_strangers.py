from __future__ import annotations

import pytest
from dispatcher_with_fakes import (
    CROPS,
    PIXELS,
    Front,
    suggest,
)

from clipcrop_daemon.sessions import Peer
from clipcrop_wire import protocol, sealing
from clipcrop_wire.errors import (
    InvalidRequest,
)

STRANGER = Peer("work", b"\0four")


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"CCW\x09" + bytes(33), b""], id="another version"),
        pytest.param([b"CCW\x02\1" + bytes(32), b"header"], id="a message before any hello"),
        pytest.param([b"CCW\x02\0" + bytes(32), b"header"], id="a hello without the key"),
    ],
)
def test_what_does_not_verify_is_answered_with_our_version_and_nothing_else(
    front: Front, frames: list[bytes]
):
    front.tell(STRANGER, frames)

    assert front.raw == [sealing.refusal_frames()]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"GET / HTTP/1.1"], id="another protocol"),
        pytest.param([], id="nothing"),
        pytest.param([b"CCW\x02" + bytes(33), b"h", b"p", b"q"], id="too many frames"),
    ],
)
def test_what_is_not_our_protocol_gets_no_answer(front: Front, frames: list[bytes]):
    front.tell(STRANGER, frames)

    assert front.raw == []


def test_a_bad_request_of_a_good_client_is_told_why(front: Front):
    client = front.client()
    header = protocol.encode_request("1", suggest())
    assert client._channel is not None

    frames = [*client._channel.seal(header, [b"short"]), b"short"]
    front.tell(client.peer, frames)

    assert isinstance(client.last("1"), InvalidRequest)
    assert "5 bytes of pixels" in str(client.last("1"))
    assert front.models == []


def test_strangers_do_not_fill_the_log(front: Front, caplog: pytest.LogCaptureFixture):
    for _ in range(100):
        front.tell(STRANGER, [b"GET / HTTP/1.1"])

    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1


def test_the_log_has_ids_and_no_prompts(front: Front, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    client = front.client()
    client.ask("1", suggest(prompt="a secret"), PIXELS)
    front.say("1", CROPS)

    assert "request.done id=1 kind=suggest client=a" in caplog.text
    assert "secret" not in caplog.text
