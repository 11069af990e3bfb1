"""Proof of the key, and authentication of every message.

A message is two or three frames: the seal, the header, and pixels where there are some. The seal
is looked at first, and nothing else is looked at before it has verified. It binds the header and
the number of pixel bytes; the header binds the pixels by their hash.

Each conversation has a key of its own, made from a nonce that the daemon gives to one connection
only. So nothing that was recorded is good in another conversation; no clock is needed for that.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import Sequence, Union

from .errors import MalformedMessage, NotAuthentic, VersionMismatch

PROTOCOL_VERSION = 2
"""Major: the other side must speak the same."""

PROTOCOL_MINOR = 1
"""Counts additions: new fields, new messages."""

MAGIC = b"CCW"
KEY_BYTES = 32
NONCE_BYTES = 32
MAX_HEADER_BYTES = 512 * 1024

_PREAMBLE = MAGIC + bytes([PROTOCOL_VERSION])
_SEAL = struct.Struct(">4sB32s")
_FIRST, _LATER = 0, 1
_PIXEL_BYTES = struct.Struct(">Q")

Buffer = Union[bytes, bytearray, memoryview]


class Channel:
    """Seals what goes out in one conversation, opens what comes in; the same at both ends."""

    def __init__(self, key: bytes, daemon_nonce: bytes) -> None:
        self._key = _derive(key, "conversation", daemon_nonce)

    def seal(self, header: bytes, pixels: Sequence[Buffer] = ()) -> list[bytes]:
        """The frames of a message, but for the frame of pixels itself."""
        return [_seal(self._key, _LATER, header, sum(map(_size, pixels))), header]

    def open(self, frames: Sequence[Buffer]) -> tuple[bytes, Buffer]:
        """Check a message's seal -> its header and its pixels, not yet parsed.

        Raises:
            NotAuthentic: made without the key, changed on its way, or for another conversation; or
                the other side says that a message was so.
            VersionMismatch: of another major version.
            MalformedMessage: not two or three frames of the right sizes.
        """
        return _open(self._key, _LATER, frames)


def seal_hello(key: bytes, header: bytes) -> list[bytes]:
    """The frames of a client's first message."""
    return [_seal(_derive(key, "hello", b""), _FIRST, header, 0), header]


def open_hello(key: bytes, frames: Sequence[Buffer]) -> bytes:
    """Check the seal of a client's first message -> its header; raises as `Channel.open`."""
    return _open_first(_derive(key, "hello", b""), frames)


def seal_welcome(key: bytes, client_nonce: bytes, header: bytes) -> list[bytes]:
    """The frames of the daemon's answer to it: making them takes the key."""
    return [_seal(_derive(key, "welcome", client_nonce), _FIRST, header, 0), header]


def open_welcome(key: bytes, client_nonce: bytes, frames: Sequence[Buffer]) -> bytes:
    """Check the daemon's proof -> the header of its answer; raises as `Channel.open`."""
    return _open_first(_derive(key, "welcome", client_nonce), frames)


def refusal_frames() -> list[bytes]:
    """What the daemon answers to what does not verify: its major version, and no seal."""
    return [_PREAMBLE]


def is_hello(frames: Sequence[Buffer]) -> bool:
    """Whether a message says that it is a client's first one; nothing is verified."""
    return bool(frames) and len(frames[0]) == _SEAL.size and frames[0][4] == _FIRST


def _derive(key: bytes, purpose: str, nonce: bytes) -> bytes:
    label = f"clipcrop-{PROTOCOL_VERSION} {purpose}\n".encode("ascii")
    return hmac.new(key, label + nonce, hashlib.sha256).digest()


def _code(key: bytes, order: int, header: Buffer, pixel_bytes: int) -> bytes:
    code = hmac.new(key, _PREAMBLE + bytes([order]), hashlib.sha256)
    code.update(_PIXEL_BYTES.pack(pixel_bytes))
    code.update(header)
    return code.digest()


def _seal(key: bytes, order: int, header: bytes, pixel_bytes: int) -> bytes:
    return _SEAL.pack(_PREAMBLE, order, _code(key, order, header, pixel_bytes))


def _open(key: bytes, order: int, frames: Sequence[Buffer]) -> tuple[bytes, Buffer]:
    check_version(frames)
    if len(frames) == 1 and len(frames[0]) == len(_PREAMBLE):
        raise NotAuthentic("the other side does not know this conversation; begin another")
    if not 2 <= len(frames) <= 3 or len(frames[0]) != _SEAL.size:
        raise MalformedMessage(f"frames of sizes {[len(frame) for frame in frames][:4]}")
    if len(frames[1]) > MAX_HEADER_BYTES:
        raise MalformedMessage(f"header of {len(frames[1])} bytes; at most {MAX_HEADER_BYTES}")
    pixels: Buffer = frames[2] if len(frames) == 3 else b""
    _, found_order, code = _SEAL.unpack(bytes(frames[0]))
    expected = _code(key, order, frames[1], _size(pixels))
    if found_order != order or not hmac.compare_digest(code, expected):
        raise NotAuthentic("the seal of a message does not verify; its sender lacks the key")
    return bytes(frames[1]), pixels


def _open_first(key: bytes, frames: Sequence[Buffer]) -> bytes:
    header, pixels = _open(key, _FIRST, frames)
    if len(pixels):
        raise MalformedMessage("a first message has no pixels")
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
