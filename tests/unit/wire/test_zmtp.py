from __future__ import annotations

import socket
import threading
import time

import pytest

from clipcrop_wire.errors import DaemonNotRunning, MalformedMessage, ProtocolError
from clipcrop_wire.zmtp import Dealer, Decoder, Limits

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"


@pytest.fixture
def decoder():
    """One whose handshake is over."""
    ready = Decoder(Limits(max_message_bytes=1000, max_frames=3))
    ready.feed(GREETING + READY)
    ready.take_answers()
    return ready


def test_the_handshake_is_greeting_and_ready():
    decoder = Decoder()
    first = decoder.take_answers()
    decoder.feed(GREETING)
    second = decoder.take_answers()
    decoder.feed(READY)

    assert first == [GREETING]
    assert second == [b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER"]
    assert decoder.is_ready


def test_messages_come_out_whole_however_they_came_in():
    stream = GREETING + READY + b"\x01\x01a\x00\x02bc" + b"\x02" + (300).to_bytes(8, "big")
    stream += b"x" * 300

    for size in (1, 2, 7, 63, 64, 65, len(stream)):
        decoder = Decoder()
        got = []
        for start in range(0, len(stream), size):
            got += decoder.feed(stream[start : start + size])
        assert got == [[b"a", b"bc"], [b"x" * 300]]


def test_a_ping_is_answered_with_its_context(decoder):
    decoder.feed(b"\x04\x0b\x04PING\x00\x0acafe")

    assert decoder.take_answers() == [b"\x04\x09\x04PONGcafe"]


def test_unknown_commands_are_ignored(decoder):
    assert decoder.feed(b"\x04\x06\x05DANCE\x00\x01a") == [[b"a"]]


def test_an_error_command_is_told_with_its_reason():
    decoder = Decoder()

    with pytest.raises(ProtocolError, match="go away"):
        decoder.feed(GREETING + b"\x04\x0e\x05ERROR\x07go away")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request", id="a web server"),
        pytest.param(b"\xff" + bytes(8) + b"\x7f\x01", id="ZMTP 2"),
        pytest.param(b"\x01\x00", id="ZMTP 1"),
        pytest.param(b"\xff" + bytes(9), id="the end of the signature"),
        pytest.param(GREETING.replace(b"NULL\0", b"CURVE"), id="another mechanism"),
        pytest.param(GREETING + b"\x00\x01a", id="a message before READY"),
        pytest.param(GREETING + b"\x04\x06\x05DANCE", id="another command before READY"),
        pytest.param(GREETING + READY.replace(b"ROUTER", b"PUBLIC"), id="a socket of another type"),
        pytest.param(GREETING + b"\x04\x06\x05READY", id="no socket type"),
        pytest.param(GREETING + READY.replace(b"\x1c", b"\x1b"), id="READY cut short"),
        pytest.param(GREETING + b"\x04\x00", id="empty command"),
        pytest.param(GREETING + b"\x04\x08\x05READY\x01x", id="property cut short"),
        pytest.param(GREETING + b"\x04\x0b\x05READY\x00\0\0\0\0", id="property without a name"),
        pytest.param(GREETING + b"\x06\x00\x00\x00\x00\xff\xff\xff\xff", id="endless command"),
    ],
)
def test_a_handshake_that_is_not_one_is_refused(data):
    decoder = Decoder()

    with pytest.raises(MalformedMessage):
        decoder.feed(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x08\x00", id="reserved flag"),
        pytest.param(b"\x05\x00", id="command with more to come"),
        pytest.param(b"\x02" + (1001).to_bytes(8, "big"), id="large frame"),
        pytest.param(b"\x02" + b"\xff" * 8, id="size beyond everything"),
        pytest.param((b"\x03" + (400).to_bytes(8, "big") + bytes(400)) * 3, id="large in sum"),
        pytest.param(b"\x01\x00" * 4, id="many frames"),
        pytest.param(b"\x04\x03\x05PI", id="command cut short"),
    ],
)
def test_what_breaks_the_framing_or_a_limit_is_refused_at_once(decoder, data):
    with pytest.raises(MalformedMessage):
        decoder.feed(data)


def test_the_limit_is_for_each_message_not_for_all_of_them(decoder):
    frame = b"\x00\xc8" + b"x" * 200

    assert decoder.feed(frame * 10) == [[b"x" * 200]] * 10


class Peer:
    """The far end of a `Dealer`, byte by byte."""

    def __init__(self, folder):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "s"))
        self._listener.listen(1)
        self.dealer = Dealer("ipc://" + str(folder / "s"))
        self.socket, _ = self._listener.accept()
        self.socket.settimeout(5)

    def close(self):
        for one in (self.dealer, self.socket, self._listener):
            one.close()


@pytest.fixture
def peer(short_path):
    """A dealer that is connected, and its far end."""
    both = Peer(short_path)
    yield both
    both.close()


def pump_until(dealer, condition):
    deadline = time.monotonic() + 5
    messages = []
    while not condition(messages):
        assert time.monotonic() < deadline
        dealer.wait(1)
        messages += dealer.pump()
    return messages


def test_nothing_but_the_handshake_is_sent_before_it_is_over(peer):
    peer.dealer.queue([b"secret"])
    peer.dealer.pump()

    assert peer.socket.recv(4096) == GREETING
    peer.socket.sendall(GREETING)
    peer.dealer.wait(120)
    peer.dealer.pump()
    assert b"secret" not in peer.socket.recv(4096)
    peer.socket.sendall(READY)
    pump_until(peer.dealer, lambda _: peer.dealer.is_ready)
    assert b"secret" in peer.socket.recv(4096)


def test_a_slow_reader_delays_no_other_client_and_gets_everything(peer):
    pixels = bytes(range(256)) * 40_000
    peer.socket.sendall(GREETING + READY)
    pump_until(peer.dealer, lambda _: peer.dealer.is_ready)

    peer.dealer.queue([b"head", memoryview(pixels)])
    peer.dealer.pump()
    assert peer.dealer.wants_to_write

    received = bytearray()

    def read():
        while len(received) < len(pixels):
            received.extend(peer.socket.recv(65536))

    reader = threading.Thread(target=read)
    reader.start()
    pump_until(peer.dealer, lambda _: not peer.dealer.wants_to_write)
    reader.join(120)
    assert received.endswith(pixels)


def test_what_was_said_before_the_end_is_given_out_before_the_error(peer):
    peer.socket.sendall(GREETING + READY + b"\x00\x04last")
    peer.socket.close()

    assert pump_until(peer.dealer, bool) == [[b"last"]]
    with pytest.raises(DaemonNotRunning, match="lost"):
        pump_until(peer.dealer, lambda _: False)


def test_a_message_to_a_closed_pipe_is_an_error(peer):
    peer.socket.sendall(GREETING + READY)
    pump_until(peer.dealer, lambda _: peer.dealer.is_ready)
    peer.socket.close()

    peer.dealer.queue([b"anybody?"])
    with pytest.raises(DaemonNotRunning, match="lost"):
        peer.dealer.pump()


def test_a_closed_dealer_says_so(peer):
    peer.dealer.close()
    peer.dealer.wait(1)

    assert peer.dealer.is_closed
    assert peer.dealer.fileno() == -1
    with pytest.raises(DaemonNotRunning):
        peer.dealer.pump()


def test_a_wait_ends_when_time_is_up_or_another_socket_can_be_read(peer):
    peer.socket.sendall(GREETING + READY)
    pump_until(peer.dealer, lambda _: peer.dealer.is_ready)
    reader, writer = socket.socketpair()

    with reader, writer:
        started = time.monotonic()
        peer.dealer.wait(0.05, reader)
        assert time.monotonic() - started < 20
        writer.send(b"x")
        peer.dealer.wait(120, reader)
        assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "endpoint", ["ipc:///nowhere/at/all", "tcp://127.0.0.1:1", "ipc:///" + "x" * 200]
)
def test_a_missing_daemon_is_told_at_once(endpoint):
    with pytest.raises(DaemonNotRunning, match="no daemon listens"):
        Dealer(endpoint)


def test_more_connections_than_the_listener_takes_wait(short_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(short_path / "s"))
    listener.listen(0)
    crowd = []
    with listener:
        while True:  # until nobody fits in any more
            one = socket.socket(socket.AF_UNIX)
            one.setblocking(False)
            crowd.append(one)
            if one.connect_ex(str(short_path / "s")) != 0:
                break
        letting_in = threading.Timer(0.05, lambda: crowd.append(listener.accept()[0]))
        letting_in.start()

        Dealer("ipc://" + str(short_path / "s")).close()

        letting_in.join()
        for one in crowd:
            one.close()


def test_a_listener_that_takes_no_more_connections_is_given_up(short_path, monkeypatch):
    monkeypatch.setattr("clipcrop_wire.zmtp.CONNECT_TIMEOUT_S", 0.05)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(short_path / "s"))
    listener.listen(0)
    dealers = []

    def knock():
        for _ in range(10):
            dealers.append(Dealer("ipc://" + str(short_path / "s")))

    with listener, pytest.raises(DaemonNotRunning, match="no daemon listens"):
        knock()

    for dealer in dealers:
        dealer.close()


def test_a_system_without_unix_sockets_says_so(monkeypatch):
    monkeypatch.delattr(socket, "AF_UNIX")

    with pytest.raises(DaemonNotRunning, match="this system"):
        Dealer("ipc:///tmp/s")
