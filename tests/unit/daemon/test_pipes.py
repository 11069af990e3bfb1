from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

import psutil
import pytest

from clipcrop_daemon.pipes import (
    MessageReader,
    SharedPixels,
    has_room,
    read_message,
    write_message,
)
from clipcrop_wire.messages import MAX_PIXEL_BYTES

HEADER = bytes(range(256))
PIXELS = bytes(range(250)) * 3
LENGTHS_BYTES = 8

Pipe = tuple[BinaryIO, BinaryIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """The end to read from, and the one to write to."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb") as sink:
        yield source, sink


@pytest.fixture
def shared() -> Iterator[SharedPixels | None]:
    """Where there are memory files; elsewhere pixels go through the pipe in these tests, too."""
    pixels = SharedPixels.create()
    assert (pixels is None) == (sys.platform != "linux")
    yield pixels
    if pixels is not None:
        pixels.close()


@pytest.mark.parametrize("header", [b"", b"\0", HEADER], ids=["empty", "a zero", "all bytes"])
def test_a_header_arrives_as_it_was(pipe: Pipe, header: bytes):
    write_message(pipe[1], header)

    assert read_message(pipe[0]) == (header, b"")


def test_messages_keep_their_order_and_their_borders(pipe: Pipe):
    for number in range(20):
        write_message(pipe[1], bytes(number), [b"x" * (number % 3)])

    for number in range(20):
        assert read_message(pipe[0]) == (bytes(number), b"x" * (number % 3))


def test_pixels_of_two_images_follow_one_another(pipe: Pipe):
    write_message(pipe[1], HEADER, [memoryview(PIXELS)[:100], PIXELS[100:]])

    assert read_message(pipe[0]) == (HEADER, PIXELS)


def test_parts_that_are_not_of_bytes_are_counted_in_bytes(pipe: Pipe, shared: SharedPixels | None):
    wide = memoryview(bytes(range(16))).cast("I")

    write_message(pipe[1], HEADER, [wide])
    assert read_message(pipe[0]) == (HEADER, bytes(range(16)))

    write_message(pipe[1], HEADER, [wide.cast("B")], shared)
    assert read_message(pipe[0], shared) == (HEADER, bytes(range(16)))


def test_a_message_that_comes_byte_by_byte_is_put_together(pipe: Pipe):
    whole = encoded(lambda sink: write_message(sink, HEADER, [PIXELS]))

    def dribble() -> None:
        for byte in whole:
            os.write(pipe[1].fileno(), bytes([byte]))

    thread = threading.Thread(target=dribble)
    thread.start()
    assert read_message(pipe[0]) == (HEADER, PIXELS)
    thread.join()


def test_an_end_at_any_place_is_an_end_and_no_message():
    whole = encoded(lambda sink: write_message(sink, HEADER, [PIXELS]))

    for length in range(len(whole)):
        reader, writer = os.pipe()
        os.write(writer, whole[:length])
        os.close(writer)
        with os.fdopen(reader, "rb") as source:
            assert read_message(source) is None


@pytest.mark.parametrize("size", [1, 7, 8, 9, 300, 10_000])
def test_pieces_of_any_size_are_put_together(size: int):
    headers = [b"", HEADER, b"x", HEADER * 3]
    whole = b"".join(encoded(partial(write_message, header=header)) for header in headers)
    reader = MessageReader()

    got = [reader.feed(whole[at : at + size]) for at in range(0, len(whole), size)]

    assert [header for some in got for header in some] == headers


def test_pixels_are_no_part_of_what_is_put_together():
    whole = encoded(lambda sink: write_message(sink, HEADER, [PIXELS]))

    with pytest.raises(ValueError, match="750 bytes of pixels"):
        MessageReader().feed(whole)


def test_writing_to_a_closed_pipe_is_an_error(pipe: Pipe):
    pipe[0].close()

    with pytest.raises(BrokenPipeError):
        write_message(pipe[1], HEADER)
    with pytest.raises(BrokenPipeError):  # what it holds back cannot be written at the end either
        pipe[1].close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory files are Linux's")
class TestSharedPixels:
    def test_pixels_do_not_go_through_the_pipe(self, shared: SharedPixels):
        whole = encoded(lambda sink: write_message(sink, HEADER, [PIXELS], shared))

        assert len(whole) == LENGTHS_BYTES + len(HEADER) + 1

    def test_an_end_before_they_are_there_is_an_end_and_no_message(self, shared: SharedPixels):
        whole = encoded(lambda sink: write_message(sink, HEADER, [PIXELS], shared))
        reader, writer = os.pipe()
        os.write(writer, whole[:-1])
        os.close(writer)

        with os.fdopen(reader, "rb") as source:
            assert read_message(source, shared) is None

    def test_they_arrive(self, pipe: Pipe, shared: SharedPixels):
        write_message(pipe[1], HEADER, [PIXELS[:100], PIXELS[100:]], shared)

        assert read_message(pipe[0], shared) == (HEADER, PIXELS)

    def test_the_largest_ones_arrive(self, pipe: Pipe, shared: SharedPixels):
        pixels = os.urandom(1024) * (MAX_PIXEL_BYTES // 1024)

        write_message(pipe[1], HEADER, [pixels], shared)

        assert read_message(pipe[0], shared) == (HEADER, pixels)

    def test_a_smaller_image_shows_nothing_of_the_one_before(
        self, pipe: Pipe, shared: SharedPixels
    ):
        write_message(pipe[1], HEADER, [b"secret" * 100], shared)
        read_message(pipe[0], shared)

        write_message(pipe[1], HEADER, [b"small"], shared)

        assert read_message(pipe[0], shared) == (HEADER, b"small")

    def test_a_message_without_pixels_has_none(self, pipe: Pipe, shared: SharedPixels):
        write_message(pipe[1], HEADER, [PIXELS], shared)
        read_message(pipe[0], shared)

        write_message(pipe[1], HEADER, (), shared)

        assert read_message(pipe[0], shared) == (HEADER, b"")

    def test_nothing_is_taken_before_it_is_used_and_all_is_given_back(self):
        before = psutil.Process().num_fds()
        shared = SharedPixels.create()
        assert shared is not None

        assert os.fstat(shared.descriptor).st_blocks == 0
        shared.close()
        assert psutil.Process().num_fds() == before

    def test_writing_after_the_end_is_an_error_and_reaches_no_other_file(self, tmp_path):
        shared = SharedPixels.create()
        assert shared is not None
        shared.close()
        with (tmp_path / "other").open("wb") as other:  # has its descriptor's number by now
            with pytest.raises(ValueError, match="closed"):
                shared.write([PIXELS])
            assert os.fstat(other.fileno()).st_size == 0

    def test_elsewhere_there_are_none(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "platform", "darwin")

        assert SharedPixels.create() is None


def encoded(write: Callable[[BinaryIO], None]) -> bytes:
    """The bytes that go through a pipe; there must not be too many for it."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source:
        with os.fdopen(writer, "wb") as sink:
            write(sink)
        return source.read()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a pipe holds")
def test_a_pipe_has_room_for_what_it_holds_and_no_more():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb") as pipe:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        assert has_room(pipe, 4096)
        assert not has_room(pipe, 4097)
