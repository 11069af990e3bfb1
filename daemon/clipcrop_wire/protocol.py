"""Messages <-> bytes: a header in msgpack, and one frame of pixels beside it.

A header is a map: ``kind``, ``id`` of the request, ``status`` in replies ("ok" or "error"), and
``body``, the fields of the message. `encode_*` and `decode_*` are the only places with bytes; what
they take has been opened by `sealing`, and what they give is sealed by it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgpack

from . import messages
from .errors import ERROR_CODES, MalformedMessage, RequestError
from .messages import ErrorBody, Image, Progress, SuggestRequest
from .rules import Message, Text, shown
from .sealing import MAX_HEADER_BYTES, PROTOCOL_MINOR, PROTOCOL_VERSION, Buffer

MAX_STRING_BYTES = 8192
MAX_ARRAY_ITEMS = 256
MAX_MAP_FIELDS = 64

__all__ = [
    "MAX_HEADER_BYTES",
    "MESSAGES",
    "PROTOCOL_MINOR",
    "PROTOCOL_VERSION",
    "Reply",
    "Request",
    "check_hashes",
    "decode_reply",
    "decode_request",
    "encode_error",
    "encode_progress",
    "encode_reply",
    "encode_request",
    "kind_of",
]


@dataclass(frozen=True)
class Kind:
    """One sort of message."""

    request: type[Message] | None
    """None: only the daemon sends it."""

    reply: type[Message]

    sockets: tuple[str, ...]
    """Where it is understood."""


MESSAGES: dict[str, Kind] = {
    "hello": Kind(messages.HelloRequest, messages.HelloReply, ("work", "control")),
    "suggest": Kind(messages.SuggestRequest, messages.SuggestReply, ("work",)),
    "progress": Kind(None, messages.Progress, ("work",)),
    "warm": Kind(messages.WarmRequest, messages.WarmReply, ("work",)),
    "cancel": Kind(messages.CancelRequest, messages.CancelReply, ("work", "control")),
    "ping": Kind(messages.PingRequest, messages.PingReply, ("work", "control")),
    "models": Kind(messages.ModelsRequest, messages.ModelsReply, ("control",)),
    "status": Kind(messages.StatusRequest, messages.StatusReply, ("control",)),
    "unload": Kind(messages.UnloadRequest, messages.UnloadReply, ("control",)),
    "shutdown": Kind(messages.ShutdownRequest, messages.ShutdownReply, ("control",)),
}

_ID = Text(64, "[A-Za-z0-9_-]+", min_chars=1)
_KIND = Text(64, "[a-z_]+", min_chars=1)


@dataclass(frozen=True)
class Request:
    """What the daemon reads."""

    kind: str
    id: str
    body: Message
    pixels: tuple[memoryview, ...] = ()
    """One view for each image in ``SuggestRequest.inline_images``."""


@dataclass(frozen=True)
class Reply:
    """What the client reads."""

    kind: str
    id: str
    body: Message | RequestError
    """The reply, a `Progress`, or why there is no reply."""


def kind_of(request: Message) -> str:
    """The name on the wire of a request."""
    for name, kind in MESSAGES.items():
        if kind.request is type(request):
            return name
    raise TypeError(f"not a request: {type(request).__name__}")


def encode_request(request_id: str, request: Message) -> bytes:
    """A client's header."""
    return _pack({"kind": kind_of(request), "id": request_id, "body": request.to_map()})


def encode_reply(request_id: str, kind: str, reply: Message) -> bytes:
    """The daemon's header: it is done."""
    if type(reply) is not MESSAGES[kind].reply:
        raise TypeError(f"{type(reply).__name__} is no reply to {kind!r}")
    return _pack({"kind": kind, "id": request_id, "status": "ok", "body": reply.to_map()})


def encode_error(request_id: str, kind: str, error: RequestError) -> bytes:
    """The daemon's header: it declines."""
    body = ErrorBody(error.code, _carried(str(error))[: messages.MAX_ERROR_CHARS])
    return _pack({"kind": kind, "id": request_id, "status": "error", "body": body.to_map()})


def encode_progress(request_id: str, progress: Progress) -> bytes:
    """The daemon's header: it is on it."""
    return _pack({"kind": "progress", "id": request_id, "body": progress.to_map()})


def decode_request(header: bytes, pixels: Buffer = b"", *, checks_hashes: bool = True) -> Request:
    """What a client sent, its seal opened.

    Args:
        header: In msgpack.
        pixels: The frame of pixels, empty if there was none.
        checks_hashes: Compare the pixels with their hashes here, not later by `check_hashes`.

    Raises:
        MalformedMessage: it is not as PROTOCOL.md says; with the request's id and kind, if it
            could be read that far.
    """
    values = _unpack(header)
    request_id, kind, body = _envelope(values)
    try:
        found = MESSAGES.get(kind)
        if found is None or found.request is None:
            raise MalformedMessage(f"no such request: {kind!r}")
        body_of_kind = found.request.from_map(body)
        request = Request(kind, request_id, body_of_kind, _split_pixels(body_of_kind, pixels))
        if checks_hashes:
            check_hashes(request)
        return request
    except MalformedMessage as exc:
        exc.request_id, exc.kind = request_id, kind
        raise


def check_hashes(request: Request) -> None:
    """Compare the pixels with the hashes that stand for them; half a millisecond a megabyte.

    Raises:
        MalformedMessage: they are other pixels.
    """
    if isinstance(request.body, SuggestRequest):
        for image, part in zip(request.body.inline_images, request.pixels):
            if hashlib.sha256(part).digest() != image.sha256:
                raise MalformedMessage("pixels are not those of the declared hash")


def decode_reply(header: bytes) -> Reply:
    """What the daemon sent, its seal opened.

    Raises:
        MalformedMessage: it is not as PROTOCOL.md says.
    """
    values = _unpack(header)
    request_id, kind, body = _envelope(values)
    if kind not in MESSAGES:
        raise MalformedMessage(f"no such reply: {kind!r}")
    if kind == "progress":
        return Reply(kind, request_id, Progress.from_map(body))
    status = values.get("status")
    if status == "ok":
        return Reply(kind, request_id, MESSAGES[kind].reply.from_map(body))
    if status == "error":
        error = ErrorBody.from_map(body)
        return Reply(kind, request_id, ERROR_CODES.get(error.code, RequestError)(error.message))
    raise MalformedMessage(f'status is {shown(status)}; it must be "ok" or "error"')


def _envelope(values: dict[str, Any]) -> tuple[str, str, Any]:
    request_id, kind = values.get("id"), values.get("kind")
    if not _ID.check(request_id):
        raise MalformedMessage(f"id is {shown(request_id)}; it must be {_ID.words}")
    if not _KIND.check(kind):
        raise MalformedMessage(f"kind is {shown(kind)}; it must be {_KIND.words}")
    return str(request_id), str(kind), values.get("body")


def _split_pixels(request: Message, pixels: Buffer) -> tuple[memoryview, ...]:
    images: tuple[Image, ...] = ()
    if isinstance(request, SuggestRequest):
        images = request.inline_images
    view = memoryview(pixels).cast("B")
    needed = sum(image.num_bytes for image in images)
    if len(view) != needed:
        raise MalformedMessage(f"{len(view)} bytes of pixels where {needed} are declared")
    parts = []
    for image in images:
        part, view = view[: image.num_bytes], view[image.num_bytes :]
        parts.append(part)
    return tuple(parts)


def _pack(header: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(header, use_bin_type=True)
    if len(packed) > MAX_HEADER_BYTES:
        raise MalformedMessage(f"header of {len(packed)} bytes; at most {MAX_HEADER_BYTES}")
    return packed


def _unpack(header: bytes) -> dict[str, Any]:
    if len(header) > MAX_HEADER_BYTES:
        raise MalformedMessage(f"header of {len(header)} bytes; at most {MAX_HEADER_BYTES}")
    try:
        values = msgpack.unpackb(
            header,
            raw=False,
            strict_map_key=True,
            max_str_len=MAX_STRING_BYTES,
            max_bin_len=MAX_STRING_BYTES,
            max_array_len=MAX_ARRAY_ITEMS,
            max_map_len=MAX_MAP_FIELDS,
            max_ext_len=0,
        )
    # Whatever msgpack's two halves raise: ValueError and its own, TypeError for a key that cannot
    # be one, RecursionError for nesting; UnicodeDecodeError is a ValueError.
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as exc:
        raise MalformedMessage(f"header is not msgpack: {type(exc).__name__}") from exc
    if type(values) is not dict:
        raise MalformedMessage(f"header is {shown(values)}; it must be a map")
    return values


def _carried(text: str) -> str:
    """What UTF-8 can carry of a text."""
    return text.encode("utf-8", "replace").decode("utf-8")
