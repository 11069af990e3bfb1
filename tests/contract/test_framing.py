"""Seals and frames: what was changed is refused, and how the bytes arrive makes no difference."""

from __future__ import annotations

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from clipcrop_wire import messages, protocol, sealing
from clipcrop_wire.errors import MalformedMessage, NotAuthentic, ProtocolError
from clipcrop_wire.sealing import Channel
from clipcrop_wire.zmtp import Decoder, Limits, _encode

# The same examples in every run, and no folder of those that failed once.
framing_test = settings(derandomize=True, database=None, deadline=None, max_examples=200)

KEY = bytes(range(32))
NONCE = b"d" * 32
PIXELS = bytes(range(24))
HEADER = protocol.encode_request(
    "r1", messages.SuggestRequest(messages.Image.of(PIXELS, 4, 2, "rgb8"), "the dog")
)
FRAMES = [*Channel(KEY, NONCE).seal(HEADER, [PIXELS]), PIXELS]

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"
LIMITS = Limits(max_message_bytes=1200, max_frames=4)
PARTS = [GREETING, READY, b"\0\1a", b"\1\0", b"\4\0", b"\4\1\0", b"\4\2\5R", b"\4\6\5READY"]

frames_of_any_sort = st.lists(st.binary(max_size=60), max_size=4)
sendable = st.lists(st.binary(max_size=300), min_size=1, max_size=LIMITS.max_frames)


def read_as_the_daemon_does(frames: list[bytes]) -> protocol.Request:
    """Seal first."""
    return protocol.decode_request(*Channel(KEY, NONCE).open(frames))


@st.composite
def changed_frames(draw: st.DrawFn) -> list[bytes]:
    """The frames of a message after somebody who lacks the key has been at them."""
    frames = list(FRAMES)
    which = draw(st.integers(0, 2))
    at = draw(st.integers(0, len(frames[which]) - 1))
    start, rest = frames[which][:at], frames[which][at:]
    how = draw(st.sampled_from(["flip", "cut", "insert", "drop", "double", "swap", "move"]))
    if how == "flip":
        frames[which] = start + bytes([rest[0] ^ draw(st.integers(1, 255))]) + rest[1:]
    elif how == "cut":
        frames[which] = start
    elif how == "insert":
        frames[which] = start + draw(st.binary(min_size=1, max_size=4)) + rest
    elif how == "drop":
        del frames[which]
    elif how == "double":
        frames.insert(which, frames[which])
    elif how == "swap":
        frames[which], frames[which - 1] = frames[which - 1], frames[which]
    else:  # over the border between two frames
        frames[which] = start
        frames[(which + 1) % 3] = rest + frames[(which + 1) % 3]
    return frames


def test_an_unchanged_file_is_read():
    assert read_as_the_daemon_does(FRAMES).body.prompt == "the dog"


def test_no_byte_of_a_message_can_be_changed():
    for which, frame in enumerate(FRAMES):
        for at in range(len(frame)):
            frames = list(FRAMES)
            frames[which] = frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]
            with pytest.raises(ProtocolError):
                read_as_the_daemon_does(frames)


@framing_test
@given(changed_frames())
def test_whatever_is_changed_about_a_message_is_refused(frames: list[bytes]):
    with pytest.raises(ProtocolError):
        read_as_the_daemon_does(frames)


@framing_test
@given(frames_of_any_sort)
def test_what_was_never_sealed_is_refused(frames: list[bytes]):
    channel = Channel(KEY, NONCE)
    readers = (
        channel.open,
        lambda seen: sealing.open_hello(KEY, seen),
        lambda seen: sealing.open_welcome(KEY, NONCE, seen),
    )

    for start in (b"", b"CCW\2", b"CCW\2\0", b"CCW\2\1"):
        first = start + b"".join(frames[:1])
        for read in readers:
            with pytest.raises(ProtocolError):
                read([first, *frames[1:]])


@framing_test
@given(st.binary(min_size=32, max_size=32))
def test_a_message_is_good_in_one_conversation(nonce: bytes):
    other = Channel(KEY, nonce)

    with pytest.raises(NotAuthentic):
        other.open(FRAMES)


@framing_test
@given(st.lists(sendable, max_size=5), st.lists(st.integers(1, 400), max_size=40))
def test_messages_come_out_the_same_however_the_stream_is_cut(
    sent: list[list[bytes]], sizes: list[int]
):
    stream = GREETING + READY + b"".join(b"".join(_encode(frames)) for frames in sent)
    decoder = Decoder(LIMITS)

    got = []
    for size in sizes:
        got += decoder.feed(stream[:size])
        stream = stream[size:]
    got += decoder.feed(stream)

    assert got == sent
    assert decoder.is_ready


@framing_test
@given(
    st.sampled_from([b"", GREETING, GREETING + READY]),
    st.lists(st.binary(max_size=80) | st.sampled_from(PARTS)),
)
def test_other_bytes_are_refused_or_within_the_limits(start: bytes, pieces: list[bytes]):
    decoder = Decoder(LIMITS)
    got = []

    with contextlib.suppress(ProtocolError):
        for piece in [start, *pieces]:
            got += decoder.feed(piece)

    assert all(len(frames) <= LIMITS.max_frames for frames in got)
    assert all(sum(map(len, frames)) <= LIMITS.max_message_bytes for frames in got)


@framing_test
@given(st.integers(0, 9), st.binary(min_size=1, max_size=1))
def test_a_signature_with_a_byte_changed_is_refused(at: int, byte: bytes):
    greeting = GREETING[:at] + byte + GREETING[at + 1 :]
    decoder = Decoder()

    if 1 <= at <= 8 or byte == GREETING[at : at + 1]:
        decoder.feed(greeting)
    else:
        with pytest.raises(MalformedMessage):
            decoder.feed(greeting)
