from __future__ import annotations

import pytest

from clipcrop_daemon.conversations import Conversations, Peer
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


def greet(conversations: Conversations, who: Peer) -> sealing.Channel:
    """Say hello -> the client's end of the conversation."""
    welcome = conversations.greet(who, hello(socket=who.socket))
    reply = protocol.decode_reply(sealing.open_welcome(KEY, NONCE, welcome)).body
    assert isinstance(reply, HelloReply)
    return sealing.Channel.of_client(KEY, who.socket, NONCE + reply.nonce)


def ping(channel: sealing.Channel) -> list[bytes]:
    return channel.seal(protocol.encode_request("a", PingRequest()))


@pytest.fixture
def conversations() -> Conversations:
    """An empty table for three."""
    return Conversations(KEY, SESSION, "0.1", capacity=3)


def test_after_the_hello_both_sides_understand_each_other(conversations: Conversations):
    channel = greet(conversations, peer())

    header, pixels = conversations.open(peer(), ping(channel))
    answer = conversations.seal(peer(), header)

    assert protocol.decode_request(header, pixels).kind == "ping"
    assert answer is not None
    assert channel.open(answer)[0] == header
    assert conversations.client_name(peer()) == "a test"


def test_a_hello_without_the_key_begins_nothing(conversations: Conversations):
    with pytest.raises(NotAuthentic):
        conversations.greet(peer(), hello(key=bytes(32)))

    assert len(conversations) == 0


def test_another_request_sealed_as_a_hello_begins_nothing(conversations: Conversations):
    frames = sealing.seal_hello(KEY, protocol.encode_request("a", PingRequest()))

    with pytest.raises(NotAuthentic, match="ping"):
        conversations.greet(peer(), frames)

    assert len(conversations) == 0


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        pytest.param(hello(session="0" * 32), "another run", id="another session"),
        pytest.param(hello(socket="control"), "work socket", id="the other socket"),
    ],
)
def test_a_misdirected_hello_is_told_so(
    conversations: Conversations, frames: list[bytes], words: str
):
    welcome = conversations.greet(peer(), frames)

    body = protocol.decode_reply(sealing.open_welcome(KEY, NONCE, welcome)).body
    assert isinstance(body, InvalidRequest)
    assert words in str(body)
    assert len(conversations) == 0


def test_a_message_of_a_stranger_is_not_authentic(conversations: Conversations):
    channel = greet(conversations, peer(1))

    with pytest.raises(NotAuthentic):
        conversations.open(peer(2), ping(channel))


def test_a_stranger_of_another_version_is_told_apart(conversations: Conversations):
    with pytest.raises(VersionMismatch):
        conversations.open(peer(), [b"CCW\x07" + bytes(40), b""])
    with pytest.raises(MalformedMessage):
        conversations.open(peer(), [b"GET / HTTP/1.1"])


def test_nothing_recorded_is_good_in_another_conversation(conversations: Conversations):
    recorded = ping(greet(conversations, peer()))
    greet(conversations, peer())

    with pytest.raises(NotAuthentic):
        conversations.open(peer(), recorded)


def test_nothing_works_twice(conversations: Conversations):
    message = ping(greet(conversations, peer()))
    conversations.open(peer(), message)

    with pytest.raises(NotAuthentic):
        conversations.open(peer(), message)


def test_in_a_full_table_those_who_only_said_hello_give_way_first(conversations: Conversations):
    proven = [greet(conversations, peer(number)) for number in range(2)]
    for number, channel in enumerate(proven):
        conversations.open(peer(number), ping(channel))
    fresh = greet(conversations, peer(2))

    greet(conversations, peer(3))

    assert len(conversations) == 3
    conversations.open(peer(0), ping(proven[0]))
    conversations.open(peer(1), ping(proven[1]))
    with pytest.raises(NotAuthentic):
        conversations.open(peer(2), ping(fresh))


def test_then_those_who_have_been_silent_longest(conversations: Conversations):
    channels = [greet(conversations, peer(number)) for number in range(3)]
    for number in (0, 1, 2, 0):
        conversations.open(peer(number), ping(channels[number]))

    greet(conversations, peer(3))

    with pytest.raises(NotAuthentic):
        conversations.open(peer(1), ping(channels[1]))
    conversations.open(peer(0), ping(channels[0]))


def test_who_is_forgotten_gets_no_frames(conversations: Conversations):
    greet(conversations, peer())

    conversations.forget(peer())
    conversations.forget(peer())

    assert conversations.seal(peer(), b"header") is None
    assert conversations.client_name(peer()) == ""


def test_the_same_identity_on_the_two_sockets_is_two_clients(conversations: Conversations):
    work, control = greet(conversations, peer()), greet(conversations, peer(0, "control"))

    conversations.open(peer(), ping(work))
    conversations.open(peer(0, "control"), ping(control))

    assert len(conversations) == 2


def test_with_another_key_no_conversation_goes_on(conversations: Conversations):
    channel = greet(conversations, peer())

    conversations.begin_anew(bytes(32))

    assert len(conversations) == 0
    with pytest.raises(NotAuthentic):
        conversations.open(peer(), ping(channel))
    with pytest.raises(NotAuthentic):
        greet(conversations, peer())
