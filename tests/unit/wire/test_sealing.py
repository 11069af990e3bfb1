from __future__ import annotations

import pytest

from clipcrop_wire import sealing
from clipcrop_wire.errors import MalformedMessage, NotAuthentic, VersionMismatch
from clipcrop_wire.sealing import Channel

KEY = bytes(range(32))
NONCE = b"d" * 32


@pytest.fixture
def client():
    """The client's end of a conversation."""
    return Channel(KEY, NONCE)


@pytest.fixture
def daemon():
    """The daemon's end of the same."""
    return Channel(KEY, NONCE)


def test_each_end_opens_what_the_other_seals(client, daemon):
    assert daemon.open([*client.seal(b"header", [b"pix", b"els"]), b"pixels"]) == (
        b"header",
        b"pixels",
    )
    assert client.open(daemon.seal(b"reply")) == (b"reply", b"")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Channel(b"x" * 32, NONCE), id="another key"),
        pytest.param(Channel(KEY, b"e" * 32), id="another conversation"),
    ],
)
def test_a_message_is_good_in_its_own_place_only(client, other):
    with pytest.raises(NotAuthentic):
        other.open(client.seal(b"header"))


def test_no_bit_of_a_message_can_be_changed(client, daemon):
    seal, header = client.seal(b"header")

    for position in range(8 * 4, 8 * len(seal)):
        changed = bytearray(seal)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(NotAuthentic):
            daemon.open([bytes(changed), header])
    for changed_header in (b"headeR", b"heade", b"header\0", b""):
        with pytest.raises(NotAuthentic):
            daemon.open([seal, changed_header])
    assert daemon.open([seal, header]) == (b"header", b"")


def test_pixels_cannot_be_added_or_taken_away(client, daemon):
    bare, with_pixels = client.seal(b"header"), client.seal(b"header", [b"1234"])

    for frames in ([*bare, b"1234"], with_pixels, [*with_pixels, b"123"]):
        with pytest.raises(NotAuthentic):
            daemon.open(frames)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([], id="none"),
        pytest.param([b""], id="empty"),
        pytest.param([b"CCW"], id="short"),
        pytest.param([b"CCW\2" + bytes(33)], id="no header"),
        pytest.param([b"CCW\2" + bytes(33), b"", b"", b""], id="four"),
        pytest.param([b"CCW\2" + bytes(34), b""], id="long seal"),
        pytest.param([b"GET / HTTP/1.1", b""], id="another protocol"),
        pytest.param([b"CCW\2" + bytes(33), bytes(sealing.MAX_HEADER_BYTES + 1)], id="long header"),
    ],
)
def test_what_is_not_built_as_a_message_is_malformed(daemon, frames):
    with pytest.raises(MalformedMessage):
        daemon.open(frames)


def test_another_major_version_is_named(client):
    with pytest.raises(VersionMismatch, match=r"version 3 .* version 2"):
        client.open([b"CCW\3"])


def test_a_refusal_says_that_another_conversation_must_begin(client):
    assert sealing.refusal_frames() == [b"CCW\2"]
    with pytest.raises(NotAuthentic, match="begin another"):
        client.open(sealing.refusal_frames())
    with pytest.raises(NotAuthentic, match="begin another"):
        sealing.open_welcome(KEY, b"c" * 32, sealing.refusal_frames())


def test_the_first_exchange_proves_the_key():
    hello = sealing.seal_hello(KEY, b"hello")
    welcome = sealing.seal_welcome(KEY, b"c" * 32, b"welcome")

    assert sealing.is_hello(hello)
    assert sealing.open_hello(KEY, hello) == b"hello"
    assert sealing.open_welcome(KEY, b"c" * 32, welcome) == b"welcome"


def test_a_recorded_welcome_proves_nothing():
    recorded = sealing.seal_welcome(KEY, b"c" * 32, b"welcome")

    with pytest.raises(NotAuthentic):
        sealing.open_welcome(KEY, b"d" * 32, recorded)


def test_a_hello_sent_back_proves_nothing():
    hello = sealing.seal_hello(KEY, b"hello")

    with pytest.raises(NotAuthentic):
        sealing.open_welcome(KEY, b"c" * 32, hello)


def test_a_hello_has_no_pixels():
    with pytest.raises(NotAuthentic):
        sealing.open_hello(KEY, [*sealing.seal_hello(KEY, b"hello"), b"pixels"])


def test_a_later_message_is_no_hello(client):
    assert not sealing.is_hello(client.seal(b"header"))
    assert not sealing.is_hello([])


def test_a_later_message_is_no_hello_even_under_its_key():
    hello_key = sealing._derive(KEY, "hello", b"")

    with pytest.raises(NotAuthentic):
        sealing.open_hello(KEY, [sealing._seal(hello_key, 1, b"hello", 0), b"hello"])
