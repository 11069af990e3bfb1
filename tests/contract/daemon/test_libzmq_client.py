"""A client on a ZeroMQ library that keeps to PROTOCOL.md 1."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator

import pytest
import zmq
from hostile_peer import endpoint_of

from clipcrop_wire import protocol, sealing
from clipcrop_wire.endpoint import ConnectionFile
from clipcrop_wire.errors import Cancelled
from clipcrop_wire.messages import (
    HelloReply,
    HelloRequest,
    Image,
    PingReply,
    PingRequest,
    SuggestRequest,
)
from clipcrop_wire.sealing import Channel

PATIENCE_MS = 20_000
PIXELS = bytes(48)
SLOW = SuggestRequest(Image.of(PIXELS, 4, 4, "rgb8"), "sleep 60")


@pytest.fixture
def dealer() -> Iterator[zmq.Socket[bytes]]:
    """With the document's options."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.RECONNECT_IVL, 60_000)
        socket.setsockopt(zmq.SNDTIMEO, 1000)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
        yield socket


def begin(dealer: zmq.Socket[bytes], info: ConnectionFile) -> Channel:
    """Say hello."""
    nonce = secrets.token_bytes(32)
    hello = protocol.encode_request("hello", HelloRequest(info.session, "work", nonce, 0))
    dealer.send_multipart(sealing.seal_hello(info.key, hello))
    header = sealing.open_welcome(info.key, nonce, dealer.recv_multipart())
    welcome = protocol.decode_reply(header).body
    assert isinstance(welcome, HelloReply)
    return Channel(info.key, welcome.nonce)


def test_what_the_daemon_says_last_can_be_read_after_its_end(daemon, dealer):
    dealer.connect(endpoint_of(daemon))
    channel = begin(dealer, daemon.info())
    header = protocol.encode_request("slow", SLOW)
    dealer.send_multipart([*channel.seal(header, [PIXELS]), PIXELS])
    while protocol.decode_reply(channel.open(dealer.recv_multipart())[0]).kind != "progress":
        pass

    daemon.process.send_signal(signal.SIGTERM)
    daemon.process.wait(20)

    reply = protocol.decode_reply(channel.open(dealer.recv_multipart())[0])
    assert reply.id == "slow"
    assert isinstance(reply.body, Cancelled)


def test_a_conversation_that_was_begun_elsewhere_is_refused_and_a_new_one_works(daemon, dealer):
    """As after a reconnect: the daemon sees a new connection."""
    dealer.connect(endpoint_of(daemon))
    stale = Channel(daemon.info().key, bytes(32))

    dealer.send_multipart(stale.seal(protocol.encode_request("1", PingRequest())))
    assert dealer.recv_multipart() == sealing.refusal_frames()

    channel = begin(dealer, daemon.info())
    dealer.send_multipart(channel.seal(protocol.encode_request("2", PingRequest())))
    reply = protocol.decode_reply(channel.open(dealer.recv_multipart())[0])
    assert (reply.id, reply.body) == ("2", PingReply())


def test_without_a_listener_a_send_ends_in_time(dealer, short_path):
    dealer.setsockopt(zmq.IMMEDIATE, 1)
    dealer.connect(f"ipc://{short_path / 'nobody'}")

    with pytest.raises(zmq.Again):
        dealer.send(b"")
