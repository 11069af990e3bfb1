"""Our ZeroMQ peer against libzmq: what one says the other understands, over ipc and tcp."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import zmq

from clipcrop_wire.errors import DaemonNotRunning, MalformedMessage
from clipcrop_wire.zmtp import Dealer, Limits

DEADLINE_S = 120.0


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """A libzmq context that does not wait for unsent messages."""
    made = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture(params=["ipc", "tcp"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where to bind; short enough for a socket's path."""
    if request.param == "tcp":
        yield "tcp://127.0.0.1:*"
        return
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    yield f"ipc://{folder}/s"
    shutil.rmtree(folder)


Pair = tuple[Dealer, "zmq.Socket[bytes]"]


@pytest.fixture
def connect(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str
) -> Iterator[Callable[..., Pair]]:
    """Makes a socket of libzmq, bound, and a dealer of ours connected to it."""
    dealers: list[Dealer] = []
    sockets: list[zmq.Socket[bytes]] = []

    def make(
        kind: int = zmq.ROUTER,
        limits: Limits | None = None,
        options: Mapping[int, int] | None = None,
    ) -> Pair:
        socket = context.socket(kind)
        sockets.append(socket)
        socket.setsockopt(zmq.RCVTIMEO, int(1000 * DEADLINE_S))
        for option, value in (options or {}).items():
            socket.setsockopt(option, value)
        socket.bind(endpoint)
        dealers.append(Dealer(socket.getsockopt_string(zmq.LAST_ENDPOINT), limits))
        return dealers[-1], socket

    yield make
    for dealer in dealers:
        dealer.close()
    for socket in sockets:
        socket.close(linger=0)


def flush(dealer: Dealer) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not dealer.is_ready or dealer.wants_to_write:
        assert time.monotonic() < deadline
        dealer.wait(1)
        assert dealer.pump() == []


def receive(dealer: Dealer) -> list[bytes]:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        messages = dealer.pump()
        if messages:
            (message,) = messages
            return message
        assert time.monotonic() < deadline
        dealer.wait(1)


SIZES = [0, 1, 254, 255, 256, 257, 65535, 65536, 1_000_000]


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_of_any_size_goes_both_ways(connect: Callable[..., Pair], size: int):
    dealer, router = connect(limits=Limits(max_message_bytes=2_000_000))
    frame = random.Random(size).randbytes(size)

    dealer.queue([b"head", frame, b""])
    flush(dealer)
    identity, *got = router.recv_multipart()
    router.send_multipart([identity, frame, b"tail"])

    assert got == [b"head", frame, b""]
    assert receive(dealer) == [frame, b"tail"]


@pytest.mark.parametrize("kind", [zmq.ROUTER, zmq.DEALER], ids=["router", "dealer"])
def test_many_messages_keep_their_order(connect: Callable[..., Pair], kind: int):
    dealer, other = connect(kind)

    for number in range(500):
        dealer.queue([b"%d" % number])
    flush(dealer)
    got = [other.recv_multipart()[-1] for _ in range(500)]

    assert got == [b"%d" % number for number in range(500)]


def test_many_answers_keep_their_order(connect: Callable[..., Pair]):
    dealer, router = connect()
    dealer.queue([b"hello"])
    flush(dealer)
    identity, _ = router.recv_multipart()

    for number in range(500):
        router.send_multipart([identity, b"%d" % number])
    got: list[list[bytes]] = []
    while len(got) < 500:
        dealer.wait(1)
        got += dealer.pump()

    assert got == [[b"%d" % number] for number in range(500)]


def test_a_large_message_in_pieces_does_not_block_the_sender(connect: Callable[..., Pair]):
    dealer, router = connect()
    pixels = bytes(32 * 1024 * 1024)

    dealer.queue([b"head", memoryview(pixels)])
    flush(dealer)

    assert [len(frame) for frame in router.recv_multipart()[1:]] == [4, len(pixels)]


def test_who_breaks_libzmqs_limit_is_cut_off_and_told(connect: Callable[..., Pair]):
    dealer, _ = connect(options={zmq.MAXMSGSIZE: 1000})

    dealer.queue([bytes(4000)])

    with pytest.raises(DaemonNotRunning, match="lost"):
        receive(dealer)


def test_our_own_limit_holds_against_libzmq(connect: Callable[..., Pair]):
    dealer, router = connect(limits=Limits(max_message_bytes=1000))
    dealer.queue([b"hello"])
    flush(dealer)
    identity, _ = router.recv_multipart()

    router.send_multipart([identity, bytes(1001)])

    with pytest.raises(MalformedMessage):
        receive(dealer)


def test_a_peer_that_closes_is_noticed(connect: Callable[..., Pair]):
    dealer, router = connect()
    flush(dealer)

    router.close(linger=0)

    with pytest.raises(DaemonNotRunning):
        receive(dealer)


def test_a_peer_with_heartbeats_keeps_us(connect: Callable[..., Pair]):
    dealer, router = connect(options={zmq.HEARTBEAT_IVL: 20, zmq.HEARTBEAT_TIMEOUT: 200})
    flush(dealer)

    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        dealer.wait(0.05)
        dealer.pump()
    dealer.queue([b"still here"])
    flush(dealer)

    assert router.recv_multipart()[1:] == [b"still here"]


@pytest.mark.parametrize("kind", [zmq.PUB, zmq.PULL], ids=["pub", "pull"])
def test_a_socket_of_another_kind_is_refused(connect: Callable[..., Pair], kind: int):
    dealer, _ = connect(kind)

    with pytest.raises((MalformedMessage, DaemonNotRunning)):  # whoever is first
        receive(dealer)


def test_a_peer_that_wants_curve_is_refused(context: zmq.Context[zmq.Socket[bytes]], endpoint: str):
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.CURVE_SERVER, 1)
    router.setsockopt(zmq.CURVE_SECRETKEY, zmq.curve_keypair()[1])
    router.bind(endpoint)
    dealer = Dealer(router.getsockopt_string(zmq.LAST_ENDPOINT))

    with pytest.raises((MalformedMessage, DaemonNotRunning)):
        receive(dealer)

    dealer.close()
    router.close(linger=0)
