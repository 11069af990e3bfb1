"""Requests and replies, field by field.

Boxes are left, top, right, bottom: ``xyxy`` in 0..1 of the image, ``px`` in whole pixels of the
original. Pixels travel beside a message, never in it; `Image` says what they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from .errors import MalformedMessage
from .rules import (
    Choice,
    Either,
    Flag,
    Maybe,
    Message,
    Nested,
    Octets,
    Real,
    Several,
    Table,
    Text,
    Whole,
    rule,
)

MAX_SIDE_PX = 4096
"""Of an image that is sent; clients reduce to 1024 or so, more adds time and no knowledge."""

MAX_PIXEL_BYTES = 64 * 1024 * 1024
"""Of all the pixels of one message."""

MAX_STRIDE_PADDING = 256
"""Bytes that may follow the pixels of a row."""

MAX_ORIGINAL_SIDE_PX = 1_000_000
"""Of the image that the user edits."""

MAX_PROMPT_CHARS = 512
MAX_EXCLUSIONS = 8
MAX_COUNT = 32
MAX_DETECTIONS = 64
MAX_WAIT_S = 3600.0
MAX_ERROR_CHARS = 2000

BYTES_PER_PIXEL = {"gray8": 1, "rgb8": 3, "rgba8": 4, "bgra8": 4}
"""8 bits a channel, sRGB, rows from top to bottom; alpha is straight, not premultiplied."""

_NAME = Text(64, "[A-Za-z0-9][A-Za-z0-9._-]*", min_chars=1)
_SENTENCE = Text(MAX_ERROR_CHARS)
_BOX_XYXY = Several(Real(0, 1), 4, 4)
_BOX_PX = Several(Whole(0, MAX_ORIGINAL_SIDE_PX), 4, 4)
_WAIT = Real(0.001, MAX_WAIT_S)
_BYTES = Whole(0, 2**53)
_TEXTS = Several(Text(MAX_PROMPT_CHARS), 16)


@dataclass(frozen=True)
class Image(Message):
    """What the pixels of an image are; its content hash stands for them."""

    width_px: int = field(metadata=rule(Whole(1, MAX_SIDE_PX)))
    height_px: int = field(metadata=rule(Whole(1, MAX_SIDE_PX)))
    format: str = field(metadata=rule(Choice(*BYTES_PER_PIXEL)))
    stride: int = field(metadata=rule(Whole(1, 4 * MAX_SIDE_PX + MAX_STRIDE_PADDING)))
    """Bytes from the start of one row to the start of the next."""

    sha256: bytes = field(metadata=rule(Octets(32)))
    """Of all ``stride * height_px`` bytes."""

    is_inline: bool = field(metadata=rule(Flag()))
    """The pixels are in this message; otherwise the daemon holds them from an earlier one."""

    def __post_init__(self) -> None:
        """Refuse rows that are too short or much too long."""
        super().__post_init__()
        row = self.width_px * BYTES_PER_PIXEL[self.format]
        if not row <= self.stride <= row + MAX_STRIDE_PADDING:
            raise MalformedMessage(
                f"Image.stride is {self.stride}; {self.width_px} pixels of {self.format} need "
                f"{row} to {row + MAX_STRIDE_PADDING}"
            )
        if self.num_bytes > MAX_PIXEL_BYTES:
            raise MalformedMessage(f"Image has {self.num_bytes} bytes; at most {MAX_PIXEL_BYTES}")

    @property
    def num_bytes(self) -> int:
        """Of the pixels, padding included."""
        return self.stride * self.height_px

    @classmethod
    def of(
        cls, data: bytes | bytearray | memoryview, width_px: int, height_px: int, format: str
    ) -> Image:
        """Describe pixels that are at hand; the stride follows from their number.

        Raises:
            MalformedMessage: so many bytes cannot be such an image.
        """
        view = memoryview(data).cast("B")
        if type(height_px) is not int or height_px < 1 or len(view) % height_px:
            raise MalformedMessage(f"{len(view)} bytes cannot be {height_px!r} rows of pixels")
        return cls(
            width_px=width_px,
            height_px=height_px,
            format=format,
            stride=len(view) // height_px,
            sha256=hashlib.sha256(view).digest(),
            is_inline=True,
        )


@dataclass(frozen=True)
class HelloRequest(Message):
    """The client introduces itself and asks for proof of the key."""

    session: str = field(metadata=rule(Text(32, "[0-9a-f]{32}", min_chars=32)))
    socket: str = field(metadata=rule(Choice("work", "control")))
    nonce: bytes = field(metadata=rule(Octets(32)))
    minor: int = field(metadata=rule(Whole(0, 65535)))
    client: str = field(default="", metadata=rule(Text(64)))


@dataclass(frozen=True)
class HelloReply(Message):
    """The daemon introduces itself; that its seal verifies is the proof."""

    nonce: bytes = field(metadata=rule(Octets(32)))
    minor: int = field(metadata=rule(Whole(0, 65535)))
    daemon: str = field(default="", metadata=rule(Text(64)))
    features: tuple[str, ...] = field(default=(), metadata=rule(Several(_NAME, 64)))


@dataclass(frozen=True)
class SuggestRequest(Message):
    """Crops of an image that show what is asked for."""

    image: Image = field(metadata=rule(Nested(Image)))
    prompt: str = field(default="", metadata=rule(Text(MAX_PROMPT_CHARS)))
    exclude: tuple[str, ...] = field(
        default=(), metadata=rule(Several(Text(MAX_PROMPT_CHARS), MAX_EXCLUSIONS))
    )
    image_query: Image | None = field(default=None, metadata=rule(Maybe(Nested(Image))))
    aspect: str | float | None = field(
        default=None, metadata=rule(Maybe(Either(Choice("original"), Real(0.01, 100))))
    )
    """Width over height in pixels of the original, "original" for its own, None for any."""

    original_width_px: int = field(default=0, metadata=rule(Whole(0, MAX_ORIGINAL_SIDE_PX)))
    """Of the image that ``image`` is a reduced copy of; 0: it is not reduced."""

    original_height_px: int = field(default=0, metadata=rule(Whole(0, MAX_ORIGINAL_SIDE_PX)))
    min_width_px: int = field(default=1, metadata=rule(Whole(1, MAX_ORIGINAL_SIDE_PX)))
    min_height_px: int = field(default=1, metadata=rule(Whole(1, MAX_ORIGINAL_SIDE_PX)))
    count: int = field(default=8, metadata=rule(Whole(1, MAX_COUNT)))
    model: str = field(default="auto", metadata=rule(_NAME))
    timeout_s: float = field(default=60.0, metadata=rule(_WAIT))
    """Seconds from its arrival; after that the work is cancelled."""

    def __post_init__(self) -> None:
        """Refuse half an original size, and nothing to look for."""
        super().__post_init__()
        if bool(self.original_width_px) != bool(self.original_height_px):
            raise MalformedMessage("original_width_px and original_height_px go together")
        if sum(image.num_bytes for image in self.inline_images) > MAX_PIXEL_BYTES:
            raise MalformedMessage(f"more than {MAX_PIXEL_BYTES} bytes of pixels; reduce the image")

    @property
    def inline_images(self) -> tuple[Image, ...]:
        """Those whose pixels are in the pixel frame, in that order."""
        images = (self.image,) if self.image_query is None else (self.image, self.image_query)
        return tuple(image for image in images if image.is_inline)


@dataclass(frozen=True)
class Detection(Message):
    """A box that was found for a text."""

    text: str = field(metadata=rule(Text(MAX_PROMPT_CHARS)))
    score: float = field(metadata=rule(Real(0, 1)))
    box_xyxy: tuple[float, ...] = field(metadata=rule(_BOX_XYXY))
    is_sure: bool = field(default=True, metadata=rule(Flag()))
    """It counts as found; else it is perhaps what was asked for."""


@dataclass(frozen=True)
class Dropped(Message):
    """A text that was asked for and not found."""

    text: str = field(metadata=rule(Text(MAX_PROMPT_CHARS)))
    score: float = field(metadata=rule(Real(0, 1)))
    reason: str = field(metadata=rule(Text(200)))
    is_unknown: bool = field(default=False, metadata=rule(Flag()))
    """The model does not know the text; else nothing in the image is like it."""


@dataclass(frozen=True)
class Suggestion(Message):
    """One crop."""

    crop_xyxy: tuple[float, ...] = field(metadata=rule(_BOX_XYXY))
    crop_px: tuple[int, ...] = field(metadata=rule(_BOX_PX))
    quality: float = field(metadata=rule(Real(0, 1)))
    width: str = field(default="", metadata=rule(Choice("", "close", "medium", "wide")))
    """How much of its surroundings it shows; empty for general crops."""


@dataclass(frozen=True)
class Understood(Message):
    """What was understood of the prompt, and done; in the user's words."""

    kept: tuple[str, ...] = field(metadata=rule(_TEXTS))
    whole: tuple[str, ...] = field(default=(), metadata=rule(_TEXTS))
    left_out: tuple[str, ...] = field(default=(), metadata=rule(_TEXTS))
    aspect: str = field(default="", metadata=rule(Text(32)))
    width: str = field(default="", metadata=rule(Text(32)))
    space: tuple[str, ...] = field(default=(), metadata=rule(Several(Text(32), 4)))
    corrected: tuple[tuple[str, ...], ...] = field(
        default=(), metadata=rule(Several(Several(Text(MAX_PROMPT_CHARS), 2, 2), 16))
    )


@dataclass(frozen=True)
class SuggestReply(Message):
    """Crops, best first; none at all is a result too."""

    model: str = field(metadata=rule(_NAME))
    device: str = field(metadata=rule(Text(64)))
    kind: str = field(metadata=rule(Choice("match", "general")))
    """"general": nothing of the prompt was found, the crops are good ones of anything."""

    is_well_framed: bool = field(metadata=rule(Flag()))
    is_image_cached: bool = field(metadata=rule(Flag()))
    """The daemon holds the image now: the next request may refer to it by its hash."""

    matched: tuple[Detection, ...] = field(
        default=(), metadata=rule(Several(Nested(Detection), MAX_DETECTIONS))
    )
    dropped: tuple[Dropped, ...] = field(
        default=(), metadata=rule(Several(Nested(Dropped), MAX_DETECTIONS))
    )
    excluded: tuple[Detection, ...] = field(
        default=(), metadata=rule(Several(Nested(Detection), MAX_DETECTIONS))
    )
    suggestions: tuple[Suggestion, ...] = field(
        default=(), metadata=rule(Several(Nested(Suggestion), MAX_COUNT))
    )
    seconds: dict[str, float] = field(default_factory=dict, metadata=rule(Table(Real(0, 1e6), 16)))
    notes: tuple[str, ...] = field(default=(), metadata=rule(Several(Text(200), 8)))
    understood: Understood | None = field(default=None, metadata=rule(Maybe(Nested(Understood))))


@dataclass(frozen=True)
class Progress(Message):
    """How far a request is; any number of them come before its reply."""

    stage: str = field(metadata=rule(_NAME))
    fraction: float | None = field(default=None, metadata=rule(Maybe(Real(0, 1))))
    text: str = field(default="", metadata=rule(Text(200)))


@dataclass(frozen=True)
class ModelsRequest(Message):
    """Which models are there."""


@dataclass(frozen=True)
class Model(Message):
    """One model."""

    name: str = field(metadata=rule(_NAME))
    description: str = field(metadata=rule(Text(200)))
    is_available: bool = field(metadata=rule(Flag()))
    """Its weights are on this machine."""

    is_loaded: bool = field(metadata=rule(Flag()))
    num_bytes: int = field(default=0, metadata=rule(_BYTES))
    """Of the weights on disk, 0 if unknown."""


@dataclass(frozen=True)
class ModelsReply(Message):
    """All models, those that are not on this machine too."""

    models: tuple[Model, ...] = field(metadata=rule(Several(Nested(Model), 64)))
    default: str = field(metadata=rule(_NAME))
    """What "auto" stands for now."""


@dataclass(frozen=True)
class StatusRequest(Message):
    """What the daemon is doing."""


@dataclass(frozen=True)
class StatusReply(Message):
    """For people and for a doctor."""

    version: str = field(metadata=rule(Text(64)))
    pid: int = field(metadata=rule(Whole(0, 2**32)))
    uptime_s: float = field(metadata=rule(Real(0, 1e10)))
    state: str = field(metadata=rule(Choice("idle", "loading", "working", "stopping")))
    loaded: tuple[str, ...] = field(default=(), metadata=rule(Several(_NAME, 64)))
    device: str = field(default="", metadata=rule(Text(64)))
    """Empty while nothing is loaded."""

    num_queued: int = field(default=0, metadata=rule(Whole(0, 10_000)))
    num_clients: int = field(default=0, metadata=rule(Whole(0, 100_000)))
    num_done: int = field(default=0, metadata=rule(Whole(0, 2**53)))
    num_cached_images: int = field(default=0, metadata=rule(Whole(0, 1_000_000)))
    cache_bytes: int = field(default=0, metadata=rule(_BYTES))
    resident_bytes: int = field(default=0, metadata=rule(_BYTES))


@dataclass(frozen=True)
class PingRequest(Message):
    """Is anybody there."""


@dataclass(frozen=True)
class PingReply(Message):
    """Yes."""


@dataclass(frozen=True)
class WarmRequest(Message):
    """Load a model before it is needed."""

    model: str = field(default="auto", metadata=rule(_NAME))
    timeout_s: float = field(default=300.0, metadata=rule(_WAIT))


@dataclass(frozen=True)
class WarmReply(Message):
    """It is loaded."""

    model: str = field(metadata=rule(_NAME))
    device: str = field(metadata=rule(Text(64)))
    seconds: float = field(metadata=rule(Real(0, 1e6)))
    notes: tuple[str, ...] = field(default=(), metadata=rule(Several(Text(200), 8)))


@dataclass(frozen=True)
class UnloadRequest(Message):
    """Give back the memory of the models and of the cached images."""


@dataclass(frozen=True)
class UnloadReply(Message):
    """What was given back; running work keeps its model until it is done."""

    unloaded: tuple[str, ...] = field(default=(), metadata=rule(Several(_NAME, 64)))


@dataclass(frozen=True)
class CancelRequest(Message):
    """Stop a request."""

    request_id: str = field(metadata=rule(Text(64, "[A-Za-z0-9_-]+", min_chars=1)))


@dataclass(frozen=True)
class CancelReply(Message):
    """Where the request was found; its own answer is still to come, once."""

    found: str = field(metadata=rule(Choice("queued", "running", "nowhere")))


@dataclass(frozen=True)
class ShutdownRequest(Message):
    """End the daemon."""


@dataclass(frozen=True)
class ShutdownReply(Message):
    """It ends after this; what is queued or running is answered as cancelled."""


@dataclass(frozen=True)
class ErrorBody(Message):
    """Why a request was declined."""

    code: str = field(metadata=rule(Text(64, "[a-z_]+", min_chars=1)))
    message: str = field(metadata=rule(_SENTENCE))
