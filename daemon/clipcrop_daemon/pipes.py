"""Messages between the front and the model process, over the pipes of a child.

They are those of the wire without seals: nobody else can reach these pipes. Each is two lengths,
the header and the pixels. On Linux the pixels lie in memory that both share, elsewhere they follow
the header.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence
from typing import BinaryIO

from clipcrop_wire.sealing import Buffer

_LENGTHS = struct.Struct(">II")


class SharedPixels:
    """Memory for the pixels of one request at a time."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def create(cls) -> SharedPixels | None:
        """New memory; None on systems without memory files."""
        if sys.platform != "linux":
            return None
        return cls(os.memfd_create("clipcrop-pixels"))

    def write(self, parts: Sequence[Buffer]) -> None:
        """Put the pixels there, one part after the other."""
        at = 0
        for part in parts:
            view = memoryview(part)
            while view:
                written = os.pwrite(self.descriptor, view, at)
                view, at = view[written:], at + written

    def read(self, num_bytes: int) -> bytes:
        """Take them out again."""
        return os.pread(self.descriptor, num_bytes, 0)

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.descriptor)


def write_message(
    file: BinaryIO, header: bytes, parts: Sequence[Buffer] = (), shared: SharedPixels | None = None
) -> None:
    """Send a message; waits until the other side has taken it.

    Raises:
        OSError: the other side is gone.
    """
    num_bytes = sum(memoryview(part).nbytes for part in parts)
    if shared is not None and num_bytes:
        shared.write(parts)
        parts = ()
    file.write(_LENGTHS.pack(len(header), num_bytes) + header)
    for part in parts:
        file.write(part)
    file.flush()


def read_message(file: BinaryIO, shared: SharedPixels | None = None) -> tuple[bytes, bytes] | None:
    """Wait for a message -> its header and its pixels; None when the other side is gone."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_bytes, num_bytes = _LENGTHS.unpack(lengths)
    header = file.read(header_bytes)
    if len(header) < header_bytes:
        return None
    if not num_bytes or shared is not None:
        return header, shared.read(num_bytes) if shared is not None and num_bytes else b""
    pixels = file.read(num_bytes)
    return (header, pixels) if len(pixels) == num_bytes else None
