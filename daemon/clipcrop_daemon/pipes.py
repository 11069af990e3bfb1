"""What the front and the model process share: options, and messages over the pipes of a child.

They are those of the wire without seals: no other process can reach these pipes. Each is two
lengths, the header and the pixels. On Linux the pixels lie in memory that both share, and a byte
after the header says that they are there; elsewhere they follow the header.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO

from clipcrop_wire.messages import MAX_PIXEL_BYTES
from clipcrop_wire.sealing import Buffer

_LENGTHS = struct.Struct(">II")
_PIXELS_ARE_THERE = b"\1"


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The part of the settings that concerns the model, on the model process's command line."""

    model: str = "auto"
    """See `settings.Settings`, here and for the next two."""

    device: str = "auto"
    threads: int = 0
    cache_bytes: int = 48 * 2**20
    """Memory for images already looked at."""

    log_level: str = "INFO"
    pixels_descriptor: int = -1
    """Of the shared memory for pixels; -1: they come through the pipe."""

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerOptions:
        """From the command line."""
        return cls(**json.loads(text))


class SharedPixels:
    """Memory of both processes for the pixels of one request at a time.

    It stays mapped: finding pages for two megabytes anew costs more than copying them.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, MAX_PIXEL_BYTES)

    @classmethod
    def create(cls) -> SharedPixels | None:
        """New memory, which takes what is written to it; None on systems without memory files."""
        if sys.platform != "linux":
            return None
        descriptor = os.memfd_create("clipcrop-pixels")
        os.ftruncate(descriptor, MAX_PIXEL_BYTES)
        return cls(descriptor)

    def write(self, parts: Sequence[Buffer]) -> None:
        """Put the pixels there, one part after the other."""
        at = 0
        for part in parts:
            end = at + memoryview(part).nbytes
            self._map[at:end] = part
            at = end

    def read(self, num_bytes: int) -> memoryview:
        """What lies there; good until the answer to its request has been sent."""
        return memoryview(self._map)[:num_bytes]

    def close(self) -> None:
        """Give the memory back."""
        self._map.close()
        os.close(self.descriptor)


def has_room(pipe: BinaryIO, num_bytes: int) -> bool:
    """Whether an empty pipe takes so much without a reader; False where that is not known."""
    if sys.platform != "linux":
        return False
    import fcntl  # not on all systems

    return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) >= num_bytes


def write_message(
    file: BinaryIO, header: bytes, parts: Sequence[Buffer] = (), shared: SharedPixels | None = None
) -> None:
    """Send a message; waits until the other side has taken it.

    Raises:
        OSError: the other side is gone.
    """
    num_bytes = sum(memoryview(part).nbytes for part in parts)
    file.write(_LENGTHS.pack(len(header), num_bytes) + header)
    if shared is not None and num_bytes:
        file.flush()  # the other side wakes up while we copy
        shared.write(parts)
        parts = (_PIXELS_ARE_THERE,)
    for part in parts:
        file.write(part)
    file.flush()


class MessageReader:
    """Puts messages without pixels together from pieces of any size."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read -> the headers that are complete now.

        Raises:
            ValueError: a message has pixels, so it is not one of those.
        """
        self._unread += data
        headers = []
        while len(self._unread) >= _LENGTHS.size:
            header_bytes, num_bytes = _LENGTHS.unpack_from(self._unread)
            if num_bytes:
                raise ValueError(f"a message with {num_bytes} bytes of pixels")
            end = _LENGTHS.size + header_bytes
            if len(self._unread) < end:
                break
            headers.append(bytes(self._unread[_LENGTHS.size : end]))
            del self._unread[:end]
        return headers


def read_message(file: BinaryIO, shared: SharedPixels | None = None) -> tuple[bytes, Buffer] | None:
    """Wait for a message -> its header and its pixels; None when the other side is gone."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_bytes, num_bytes = _LENGTHS.unpack(lengths)
    header = file.read(header_bytes)
    if len(header) < header_bytes:
        return None
    if not num_bytes:
        return header, b""
    if shared is not None:
        is_there = file.read(len(_PIXELS_ARE_THERE)) == _PIXELS_ARE_THERE
        return (header, shared.read(num_bytes)) if is_there else None
    pixels = file.read(num_bytes)
    return (header, pixels) if len(pixels) == num_bytes else None
