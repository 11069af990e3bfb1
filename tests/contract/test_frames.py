"""Golden bytes: what PROTOCOL.md says, written down once. They change only with the version.

The seals here are computed a second time from the document's words alone, so that the code cannot
agree with itself and be wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import struct

import msgpack
import pytest

from clipcrop_wire import messages, protocol, sealing
from clipcrop_wire.errors import UnknownImage
from clipcrop_wire.sealing import Channel

KEY = bytes(range(32))
CLIENT_NONCE = b"\xc0" * 32
DAEMON_NONCE = b"\xd0" * 32
PIXELS = bytes(range(24))

HELLO = messages.HelloRequest("0123456789abcdef" * 2, "work", CLIENT_NONCE, 0, "golden")
WELCOME = messages.HelloReply(DAEMON_NONCE, 0, "0.1.0", ("cagic",))
SUGGEST = messages.SuggestRequest(
    messages.Image.of(PIXELS, 4, 2, "rgb8"), "the dog", ("the car",), aspect=1.5, count=3
)
SUGGESTED = messages.SuggestReply(
    "lite",
    "cpu",
    "match",
    False,
    True,
    matched=(messages.Detection("the dog", 0.5, (0.25, 0.0, 0.75, 1.0)),),
    suggestions=(messages.Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, 2, 2), 0.75),),
    seconds={"search": 0.5},
)

HEADERS = {
    "hello": protocol.encode_request("hello", HELLO),
    "welcome": protocol.encode_reply("hello", "hello", WELCOME),
    "suggest": protocol.encode_request("r1", SUGGEST),
    "suggested": protocol.encode_reply("r1", "suggest", SUGGESTED),
    "declined": protocol.encode_error("r1", "suggest", UnknownImage("send the pixels")),
    "progress": protocol.encode_progress("r1", messages.Progress("loading", 0.5, "half")),
    "cancel": protocol.encode_request("r2", messages.CancelRequest("r1")),
}


def seal(label: bytes, nonce: bytes, order: int, header: bytes, pixel_bytes: int) -> bytes:
    """Section 4 of the document, word by word."""
    sealing_key = hmac.new(KEY, label + nonce, hashlib.sha256).digest()
    start = b"CCW\x02" + bytes([order])
    sealed = start + struct.pack(">Q", pixel_bytes) + header
    return start + hmac.new(sealing_key, sealed, hashlib.sha256).digest()


GOLDEN = {
    "hello": (
        "83a46b696e64a568656c6c6fa26964a568656c6c6fa4626f647985a773657373696f6ed920303132"
        "3334353637383961626364656630313233343536373839616263646566a6736f636b6574a4776f72"
        "6ba56e6f6e6365c420c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"
        "c0a56d696e6f7200a6636c69656e74a6676f6c64656e"
    ),
    "welcome": (
        "84a46b696e64a568656c6c6fa26964a568656c6c6fa6737461747573a26f6ba4626f647984a56e6f"
        "6e6365c420d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0a56d69"
        "6e6f7200a66461656d6f6ea5302e312e30a8666561747572657391a56361676963"
    ),
    "suggest": (
        "83a46b696e64a773756767657374a26964a27231a4626f64798ca5696d61676586a877696474685f"
        "707804a96865696768745f707802a6666f726d6174a472676238a67374726964650ca67368613235"
        "36c4201d64add2a6388367c9bc2d1f1b384b069a6ef382cdaaa89771dd103e28613a25a969735f69"
        "6e6c696e65c3a670726f6d7074a774686520646f67a76578636c75646591a774686520636172ab69"
        "6d6167655f7175657279c0a6617370656374cb3ff8000000000000b16f726967696e616c5f776964"
        "74685f707800b26f726967696e616c5f6865696768745f707800ac6d696e5f77696474685f707801"
        "ad6d696e5f6865696768745f707801a5636f756e7403a56d6f64656ca46175746fa974696d656f75"
        "745f73cb404e000000000000"
    ),
    "suggested": (
        "84a46b696e64a773756767657374a26964a27231a6737461747573a26f6ba4626f64798ca56d6f64"
        "656ca46c697465a6646576696365a3637075a46b696e64a56d61746368ae69735f77656c6c5f6672"
        "616d6564c2af69735f696d6167655f636163686564c3a76d6174636865649184a474657874a77468"
        "6520646f67a573636f7265cb3fe0000000000000a8626f785f7879787994cb3fd0000000000000cb"
        "0000000000000000cb3fe8000000000000cb3ff0000000000000a769735f73757265c3a764726f70"
        "70656490a86578636c7564656490ab73756767657374696f6e739184a963726f705f7879787994cb"
        "0000000000000000cb0000000000000000cb3fe0000000000000cb3ff0000000000000a763726f70"
        "5f70789400000202a77175616c697479cb3fe8000000000000a57769647468a0a77365636f6e6473"
        "81a6736561726368cb3fe0000000000000a56e6f74657390aa756e64657273746f6f64c0"
    ),
    "declined": (
        "84a46b696e64a773756767657374a26964a27231a6737461747573a56572726f72a4626f647982a4"
        "636f6465ad756e6b6e6f776e5f696d616765a76d657373616765af73656e64207468652070697865"
        "6c73"
    ),
    "progress": (
        "83a46b696e64a870726f6772657373a26964a27231a4626f647983a57374616765a76c6f6164696e"
        "67a86672616374696f6ecb3fe0000000000000a474657874a468616c66"
    ),
    "cancel": ("83a46b696e64a663616e63656ca26964a27232a4626f647981aa726571756573745f6964a27231"),
    "seal": ("4343570201f2b0be6f3c4f40c64790113e729f21bb868a01c51eb43ee76b183f5b44b6df27"),
}


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_header_is_written_as_it_always_was(name: str):
    assert HEADERS[name].hex() == GOLDEN[name]


@pytest.mark.parametrize(
    ("name", "expected"), [("hello", HELLO), ("suggest", SUGGEST)], ids=["hello", "suggest"]
)
def test_a_request_is_read_as_it_always_was(name: str, expected: object):
    pixels = PIXELS if name == "suggest" else b""

    assert protocol.decode_request(bytes.fromhex(GOLDEN[name]), pixels).body == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("welcome", WELCOME), ("suggested", SUGGESTED)], ids=["hello", "suggest"]
)
def test_a_reply_is_read_as_it_always_was(name: str, expected: object):
    assert protocol.decode_reply(bytes.fromhex(GOLDEN[name])).body == expected


def test_a_header_is_a_map_as_the_document_says():
    assert msgpack.unpackb(HEADERS["cancel"]) == {
        "kind": "cancel",
        "id": "r2",
        "body": {"request_id": "r1"},
    }
    assert msgpack.unpackb(HEADERS["declined"]) == {
        "kind": "suggest",
        "id": "r1",
        "status": "error",
        "body": {"code": "unknown_image", "message": "send the pixels"},
    }


def test_the_first_exchange_is_sealed_as_the_document_says():
    hello, welcome = HEADERS["hello"], HEADERS["welcome"]

    assert sealing.seal_hello(KEY, hello) == [
        seal(b"clipcrop-2 hello\n", b"", 0, hello, 0),
        hello,
    ]
    assert sealing.seal_welcome(KEY, CLIENT_NONCE, welcome) == [
        seal(b"clipcrop-2 welcome\n", CLIENT_NONCE, 0, welcome, 0),
        welcome,
    ]


def test_what_follows_is_sealed_as_the_document_says():
    channel = Channel(KEY, DAEMON_NONCE)
    header = HEADERS["suggest"]
    label = b"clipcrop-2 conversation\n"

    assert channel.seal(header, [PIXELS])[0] == seal(label, DAEMON_NONCE, 1, header, len(PIXELS))
    assert channel.seal(header)[0] == seal(label, DAEMON_NONCE, 1, header, 0)


def test_a_seal_is_written_as_it_always_was():
    frames = Channel(KEY, DAEMON_NONCE).seal(HEADERS["suggest"], [PIXELS])

    assert frames[0].hex() == GOLDEN["seal"]


def test_a_refusal_is_written_as_it_always_was():
    assert sealing.refusal_frames() == [b"CCW\x02"]
