"""What asks a `Service` as the worker does, and a fake model and machine for it to work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from clipcrop import Constraints, EncodedImage, Suggestions
from clipcrop.encoders.base import ImageTokens
from clipcrop.errors import OutOfMemory
from clipcrop.imaging.images import LoadedImage
from clipcrop_daemon.image_cache import ImageCache
from clipcrop_daemon.model_pool import ModelPool
from clipcrop_daemon.service import Service
from clipcrop_wire.messages import (
    Image,
    SuggestReply,
    SuggestRequest,
    WarmReply,
    WarmRequest,
)
from clipcrop_wire.protocol import Request

NOTE = "not enough memory on cuda:0; the CPU was used"
RED = bytes([255, 0, 0]) * 64
RED_IMAGE = Image.of(RED, 8, 8, "rgb8")
RED_BY_HASH = replace(RED_IMAGE, is_inline=False)
BLUE = bytes([0, 0, 255]) * 64
BLUE_IMAGE = Image.of(BLUE, 8, 8, "rgb8")


class FakePredictor:
    """A model that finds nothing, on a device of any name, and writes down what it is asked."""

    def __init__(self, machine: FakeMachine, device: str) -> None:
        self._machine, self._device = machine, device
        self.decoder = machine.decoder

    def encode(self, image: LoadedImage) -> EncodedImage:
        self._machine.take("encode", self._device)
        self._machine.encoded.append((image.rgb.getpixel((0, 0)), self._device))
        tokens = ImageTokens(
            *(np.zeros((1, 2, 4), np.float32) for _ in range(3)), *np.zeros((2, 1, 2), np.float32)
        )
        return EncodedImage(
            tokens, np.zeros((0, 4), np.float32), image.width_px, image.height_px, 0.1
        )

    def suggest(
        self,
        encoded: EncodedImage,
        prompt: str = "",
        *,
        exclude: Sequence[str] = (),
        image_query: LoadedImage | None = None,
        constraints: Constraints | None = None,
        count: int = 8,
        on_closer_look: Callable[[], None] | None = None,
    ) -> Suggestions:
        self._machine.take("suggest", self._device)
        if self._machine.looks_closer and on_closer_look is not None:
            assert encoded.image is not None
            on_closer_look()
        size_px = (encoded.width_px, encoded.height_px)
        query_rgb = image_query.rgb.getpixel((0, 0)) if image_query else None
        self._machine.asked.append((prompt, exclude, query_rgb, constraints, count, size_px))
        return Suggestions("lite", "general", False, (), (), (), (), 0.1)


@dataclass
class FakeMachine:
    """Where fake models run, with too little memory for some things."""

    full: set[tuple[str, str]] = field(default_factory=set)
    """(what, device) for which there is no memory; what is "load", "encode" or "suggest"."""

    decoder: object | None = None
    looks_closer: bool = False

    loads: list[tuple[str, str]] = field(default_factory=list)
    encoded: list[tuple[tuple[int, int, int], str]] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def take(self, what: str, device: str) -> None:
        if (what, device) in self.full:
            raise OutOfMemory(f"out of memory on {device}; close other programs that use it")

    def load(self, model: str, device: str) -> FakePredictor:
        self.loads.append((model, device))
        self.take("load", device)
        return FakePredictor(self, device)

    def service(self, model: str = "auto", cache_bytes: int = 10**6) -> Service:
        cache = ImageCache(cache_bytes)
        model_pool = ModelPool(self.load, lambda setting, model: "cuda:0", "auto", cache.drop_model)
        return Service(model_pool, cache, model)


def suggest(
    service: Service,
    image: Image = RED_IMAGE,
    prompt: str = "the dog",
    *,
    pixels: Sequence[bytes] = (RED,),
    enter_stage: Callable[[str, str], None] = lambda stage, text: None,
    **options: object,
) -> SuggestReply:
    body = SuggestRequest(image, prompt, **options)
    views = tuple(map(memoryview, pixels[: len(body.inline_images)]))
    reply = service.answer(Request("suggest", "r1", body, views), enter_stage)
    assert isinstance(reply, SuggestReply)
    return reply


def warm(service: Service, model: str = "auto") -> WarmReply:
    request = Request("warm", "r1", WarmRequest(model))
    reply = service.answer(request, lambda stage, text: None)
    assert isinstance(reply, WarmReply)
    return reply
