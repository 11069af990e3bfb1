"""A listener without the key is sent the handshake and nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from clipcrop_wire import protocol, sealing
from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import ConnectionFile, write_connection_file
from clipcrop_wire.errors import DaemonNotRunning, NotAuthentic, ProtocolError, RequestTimeout
from clipcrop_wire.messages import HelloReply, Image, SuggestReply
from clipcrop_wire.zmtp import _encode

WELCOME = protocol.encode_reply("hello", "hello", HelloReply(bytes(32), 0))
KEY = b"k" * 32
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"
PING = b"\x04\x07\x04PING\x00\x00"
PONG = b"\x04\x05\x04PONG"


class Squatter:
    """Listens where the connection file says and behaves as it is told; keeps what it gets."""

    def __init__(self, folder, behave):
        self.received = b""
        self.path = folder / "connection.json"
        self._behave = behave
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "s"))
        self._listener.listen(1)
        endpoints = ("ipc://" + str(folder / "s"),)
        info = ConnectionFile("0" * 32, KEY, 1, 1.0, endpoints, endpoints)
        write_connection_file(self.path, info)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        peer, _ = self._listener.accept()
        with peer, contextlib.suppress(OSError):
            self._behave(self, peer)
            while self.receive(peer):
                pass

    def receive(self, peer):
        """What came in; nothing if the client is gone."""
        data = peer.recv(65536)
        self.received += data
        return data

    def wait_for_hello(self, peer):
        """Greet, and read up to the hello."""
        peer.sendall(GREETING + READY)
        while b"hello" not in self.received and self.receive(peer):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._thread.join(120)
        self._listener.close()
        assert not self._thread.is_alive(), "the client has not closed the connection"


def close_at_once(squatter, peer):
    peer.close()


def say_nothing(squatter, peer):
    pass


def greet_and_say_nothing(squatter, peer):
    peer.sendall(GREETING + READY)


def close_after_the_hello(squatter, peer):
    squatter.wait_for_hello(peer)
    peer.close()


def send_everything_back(squatter, peer):
    data = squatter.receive(peer)
    while data:
        peer.sendall(data)
        data = squatter.receive(peer)


def ping_without_end(squatter, peer):
    peer.sendall(GREETING + READY)
    while squatter.receive(peer):
        peer.sendall(PING)


def ping_without_end_and_never_read(squatter, peer):
    peer.sendall(GREETING + READY)
    while True:
        peer.sendall(PING * 1000)


def replay_a_conversation(squatter, peer):
    nonce = b"o" * 32
    reply = protocol.encode_reply("a", "suggest", SuggestReply("m", "cpu", "match", True, True))
    replies = sealing.Channel(KEY, bytes(32))
    squatter.wait_for_hello(peer)
    for frames in (sealing.seal_welcome(KEY, nonce, WELCOME), replies.seal(reply)):
        peer.sendall(b"".join(_encode(frames)))


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (close_at_once, DaemonNotRunning),
        (close_after_the_hello, DaemonNotRunning),
        (say_nothing, RequestTimeout),
        (greet_and_say_nothing, RequestTimeout),
        (ping_without_end, RequestTimeout),
        (ping_without_end_and_never_read, ProtocolError),
        (send_everything_back, NotAuthentic),
        (replay_a_conversation, NotAuthentic),
    ],
    ids=lambda value: value.__name__,
)
def test_whatever_a_squatter_does_it_gets_a_greeting_at_most(short_path, behave, error):
    pixels = b"P" * 300_000
    started = time.monotonic()

    with Squatter(short_path, behave) as squatter:
        with Client(squatter.path) as client, pytest.raises(error):
            client.suggest(Image.of(pixels, 1000, 100, "rgb8"), pixels, "secret", timeout_s=0.4)
        assert time.monotonic() - started < 20

    assert len(squatter.received.replace(PONG, b"")) < 600
    assert b"secret" not in squatter.received
    assert b"P" * 16 not in squatter.received


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda frames: frames, id="sends the hello back"),
        pytest.param(
            lambda frames: sealing.seal_welcome(bytes(32), bytes(32), WELCOME), id="another key"
        ),
        pytest.param(lambda frames: [bytes(44), WELCOME], id="no seal"),
        pytest.param(lambda frames: [frames[0][:5] + bytes(32), WELCOME], id="an empty seal"),
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
    assert b"P" * 16 not in daemon.received


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
