from __future__ import annotations

import pytest

from clipcrop_daemon.sessions import Peer, Sessions
from clipcrop_wire import protocol, sealing
from clipcrop_wire.errors import (
    InvalidRequest,
    MalformedMessage,
    NotAuthentic,
    VersionMismatch,
)
from clipcrop_wire.messages import HelloReply, HelloRequest, PingRequest

KEY = bytes(range(32))
SESSION = "ab" * 16
NONCE = b"n" * 32


def peer(number: int = 0, socket: str = "work") -> Peer:
    return Peer(socket, number.to_bytes(5, "big"))


def hello(*, key: bytes = KEY, session: str = SESSION, socket: str = "work") -> list[bytes]:
    request = HelloRequest(session, socket, NONCE, 0, "a test")
    return sealing.seal_hello(key, protocol.encode_request("hello", request))


def greet(sessions: Sessions, who: Peer) -> sealing.Channel:
    """Say hello -> the client's end of the conversation."""
    welcome = sessions.handshake(who, hello(socket=who.socket))
    reply = protocol.decode_reply(sealing.open_welcome(KEY, NONCE, welcome)).body
    assert isinstance(reply, HelloReply)
    return sealing.Channel(KEY, reply.nonce)


def ping(channel: sealing.Channel) -> list[bytes]:
    return channel.seal(protocol.encode_request("a", PingRequest()))


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(KEY, SESSION, "0.1")


def test_after_the_hello_both_sides_understand_each_other(sessions: Sessions):
    channel = greet(sessions, peer())

    header, pixels = sessions.open(peer(), ping(channel))
    answer = sessions.seal(peer(), header)

    assert protocol.decode_request(header, pixels).kind == "ping"
    assert channel.open(answer)[0] == header
    assert sessions.client_name(peer()) == "a test"


def test_a_hello_without_the_key_begins_nothing(sessions: Sessions):
    with pytest.raises(NotAuthentic):
        sessions.handshake(peer(), hello(key=bytes(32)))


def test_another_request_sealed_as_a_hello_begins_nothing(sessions: Sessions):
    frames = sealing.seal_hello(KEY, protocol.encode_request("a", PingRequest()))

    with pytest.raises(NotAuthentic, match="ping"):
        sessions.handshake(peer(), frames)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        pytest.param(hello(session="0" * 32), "another run", id="another session"),
        pytest.param(hello(socket="control"), "work socket", id="the other socket"),
    ],
)
def test_a_misdirected_hello_is_told_so(sessions: Sessions, frames: list[bytes], words: str):
    welcome = sessions.handshake(peer(), frames)

    body = protocol.decode_reply(sealing.open_welcome(KEY, NONCE, welcome)).body
    assert isinstance(body, InvalidRequest)
    assert words in str(body)


def test_a_message_of_a_stranger_is_not_authentic(sessions: Sessions):
    channel = greet(sessions, peer(1))

    with pytest.raises(NotAuthentic):
        sessions.open(peer(2), ping(channel))


def test_a_stranger_of_another_version_is_told_apart(sessions: Sessions):
    with pytest.raises(VersionMismatch):
        sessions.open(peer(), [b"CCW\x07" + bytes(40), b""])
    with pytest.raises(MalformedMessage):
        sessions.open(peer(), [b"GET / HTTP/1.1"])


def test_the_same_identity_on_the_two_sockets_is_two_clients(sessions: Sessions):
    work, control = greet(sessions, peer()), greet(sessions, peer(0, "control"))

    sessions.open(peer(), ping(work))
    sessions.open(peer(0, "control"), ping(control))


def test_the_first_connection_is_known_after_thousands(sessions: Sessions):
    first = greet(sessions, peer())
    for number in range(1, 3000):
        greet(sessions, peer(number))

    sessions.open(peer(), ping(first))
    frames = sessions.seal(peer(), b"header")
    assert first.open(frames)[0] == b"header"


def test_another_hello_on_a_connection_changes_nothing(sessions: Sessions):
    first, second = greet(sessions, peer()), greet(sessions, peer())

    sessions.open(peer(), ping(first))
    sessions.open(peer(), ping(second))


def test_nothing_recorded_is_good_in_another_run():
    first, second = Sessions(KEY, SESSION, "0.1"), Sessions(KEY, SESSION, "0.1")
    recorded = ping(greet(first, peer()))
    greet(second, peer())

    with pytest.raises(NotAuthentic):
        second.open(peer(), recorded)


@pytest.mark.parametrize("identity", [b"editor", b"a", b"\0abc", b"\0abcde", b"x" * 5])
def test_a_routing_id_of_the_clients_own_is_declined(sessions: Sessions, identity: bytes):
    welcome = sessions.handshake(Peer("work", identity), hello())

    body = protocol.decode_reply(sealing.open_welcome(KEY, NONCE, welcome)).body
    assert isinstance(body, InvalidRequest)
    assert "routing id" in str(body)
