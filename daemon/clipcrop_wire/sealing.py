"""Proof of the key, authentication of every message, and no message twice.

A message is two or three frames: the seal, the header, and pixels where there are some. The seal
is looked at first, and nothing else is looked at before it has verified. It binds the header and
the number of pixel bytes; the header binds the pixels by their hash.

Both sides draw a nonce when they meet, and each direction of each conversation has a key of its
own made from both. So nothing that was recorded is good in another conversation, in the other
direction or a second time; no clock is needed for that.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Sequence, Union

from .errors import MalformedMessage, NotAuthentic, VersionMismatch

PROTOCOL_VERSION = 1
"""Major: the other side must speak the same."""

PROTOCOL_MINOR = 0
"""Counts additions: new fields, new messages."""

MAGIC = b"CCW"
KEY_BYTES = 32
NONCE_BYTES = 32
MAX_HEADER_BYTES = 512 * 1024

_PREAMBLE = MAGIC + bytes([PROTOCOL_VERSION])
_SEAL = struct.Struct(">4sQ32s")
_SEALED_NUMBERS = struct.Struct(">QQ")

Buffer = Union[bytes, bytearray, memoryview]


class Channel:
    """One end of a conversation: seals what goes out, opens what comes in."""

    def __init__(self, send_key: bytes, receive_key: bytes) -> None:
        self._send_key, self._receive_key = send_key, receive_key
        self._sent = self._received = 0

    @classmethod
    def of_client(cls, key: bytes, socket: str, nonces: bytes) -> Channel:
        """The client's end; ``nonces`` are the client's and then the daemon's."""
        return cls(_derive(key, "client", socket, nonces), _derive(key, "daemon", socket, nonces))

    @classmethod
    def of_daemon(cls, key: bytes, socket: str, nonces: bytes) -> Channel:
        """The daemon's end."""
        return cls(_derive(key, "daemon", socket, nonces), _derive(key, "client", socket, nonces))

    def seal(self, header: bytes, pixels: Sequence[Buffer] = ()) -> list[bytes]:
        """The frames of the next message, but for the frame of pixels itself."""
        self._sent += 1
        return [_seal(self._send_key, self._sent, header, sum(map(_size, pixels))), header]

    def open(self, frames: Sequence[Buffer]) -> tuple[bytes, Buffer]:
        """Check a message's seal -> its header and its pixels, not yet parsed.

        Raises:
            NotAuthentic: made without the key, changed on its way, for another conversation, or
                here before.
            VersionMismatch: of another major version.
            MalformedMessage: not two or three frames of the right sizes.
        """
        number, header, pixels = _open(self._receive_key, frames)
        if number <= self._received:
            raise NotAuthentic(f"message {number} came after message {self._received}")
        self._received = number
        return header, pixels


def seal_hello(key: bytes, header: bytes) -> list[bytes]:
    """The frames of a client's first message."""
    return [_seal(_derive(key, "hello", "", b""), 0, header, 0), header]


def open_hello(key: bytes, frames: Sequence[Buffer]) -> bytes:
    """Check the seal of a client's first message -> its header; raises as `Channel.open`."""
    return _open_bare(_derive(key, "hello", "", b""), frames)


def seal_welcome(key: bytes, client_nonce: bytes, header: bytes) -> list[bytes]:
    """The frames of the daemon's answer to it: only who holds the key can make them."""
    return [_seal(_derive(key, "welcome", "", client_nonce), 0, header, 0), header]


def open_welcome(key: bytes, client_nonce: bytes, frames: Sequence[Buffer]) -> bytes:
    """Check the daemon's proof -> the header of its answer; raises as `Channel.open`."""
    return _open_bare(_derive(key, "welcome", "", client_nonce), frames)


def version_frames() -> list[bytes]:
    """What the daemon answers to another major version: only its own, and no seal."""
    return [_PREAMBLE]


def is_hello(frames: Sequence[Buffer]) -> bool:
    """Whether a message says that it is a client's first one; nothing is verified."""
    return bool(frames) and len(frames[0]) == _SEAL.size and bytes(frames[0][4:12]) == bytes(8)


def _derive(key: bytes, purpose: str, socket: str, nonces: bytes) -> bytes:
    label = f"clipcrop-{PROTOCOL_VERSION} {purpose} {socket}\n".encode("ascii")
    return hmac.new(key, label + nonces, hashlib.sha256).digest()


def _code(key: bytes, number: int, header: Buffer, pixel_bytes: int) -> bytes:
    code = hmac.new(key, _PREAMBLE, hashlib.sha256)
    code.update(_SEALED_NUMBERS.pack(number, pixel_bytes))
    code.update(header)
    return code.digest()


def _seal(key: bytes, number: int, header: bytes, pixel_bytes: int) -> bytes:
    return _SEAL.pack(_PREAMBLE, number, _code(key, number, header, pixel_bytes))


def _open(key: bytes, frames: Sequence[Buffer]) -> tuple[int, bytes, Buffer]:
    check_version(frames)
    if not 2 <= len(frames) <= 3 or len(frames[0]) != _SEAL.size:
        raise MalformedMessage(f"frames of sizes {[len(frame) for frame in frames][:4]}")
    if len(frames[1]) > MAX_HEADER_BYTES:
        raise MalformedMessage(f"header of {len(frames[1])} bytes; at most {MAX_HEADER_BYTES}")
    pixels: Buffer = frames[2] if len(frames) == 3 else b""
    _, number, code = _SEAL.unpack(bytes(frames[0]))
    if not hmac.compare_digest(code, _code(key, number, frames[1], _size(pixels))):
        raise NotAuthentic("the seal of a message does not verify; who sent it lacks the key")
    return number, bytes(frames[1]), pixels


def _open_bare(key: bytes, frames: Sequence[Buffer]) -> bytes:
    number, header, pixels = _open(key, frames)
    if number or len(pixels):
        raise MalformedMessage("a hello is message 0 and has no pixels")
    return header


def check_version(frames: Sequence[Buffer]) -> None:
    """Refuse what is of another major version, or not this protocol at all; nothing is verified.

    Raises:
        VersionMismatch: of another major version.
        MalformedMessage: not ClipCrop's protocol.
    """
    first = bytes(frames[0][:4]) if frames else b""
    if len(first) < 4 or first[:3] != MAGIC:
        raise MalformedMessage("this is not ClipCrop's protocol")
    if first[3] != PROTOCOL_VERSION:
        raise VersionMismatch(
            f"the other side speaks version {first[3]} of the protocol, this one version "
            f"{PROTOCOL_VERSION}; update the older one"
        )


def _size(buffer: Buffer) -> int:
    return buffer.nbytes if isinstance(buffer, memoryview) else len(buffer)
