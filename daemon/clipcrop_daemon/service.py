"""A request -> the model -> an answer; knows no socket and no process.

What is wrong with a request is told before anything slow begins: name, constraints, image, prompt,
in this order; then the model is loaded, looks at the image, and searches it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipcrop.errors import (
    CheckpointError,
    DaemonUnavailable,
    DeviceError,
    InputError,
    LanguageModelMissing,
    NotInstalled,
    WorkerDied,
)
from clipcrop_wire import messages
from clipcrop_wire.errors import (
    InternalError,
    InvalidRequest,
    RequestError,
    Unavailable,
    UnknownImage,
)
from clipcrop_wire.messages import (
    ModelsReply,
    SuggestReply,
    SuggestRequest,
    WarmReply,
    WarmRequest,
)
from clipcrop_wire.protocol import Request
from clipcrop_wire.rules import Message

from .convert import (
    constraints_of,
    decode_pixels,
    notes_of,
    original_size_px,
    suggest_reply,
)
from .image_cache import ImageCache
from .model_names import check_weights, find_model, list_models, wire_name
from .model_pool import NO_MEMORY, ModelPool, Resident
from .pipes import WorkerOptions

if TYPE_CHECKING:
    from clipcrop import EncodedImage, Predictor, Suggestions
    from clipcrop.imaging.images import LoadedImage

EnterStage = Callable[[str, str], None]
"""Told a stage ("loading", "encoding", "searching", "looking-closer") and words for it when it
begins; may raise `clipcrop_wire.errors.Cancelled` to stop the work there."""

ERRORS: dict[type[Exception], type[RequestError]] = {
    InputError: InvalidRequest,
    CheckpointError: Unavailable,
    LanguageModelMissing: Unavailable,
    NotInstalled: Unavailable,
    DeviceError: Unavailable,
    # Nothing in here uses `clipcrop.remote` and `clipcrop.workers`.
    DaemonUnavailable: Unavailable,
    WorkerDied: Unavailable,
}
"""The one table: the model's errors -> the client's, most special first."""


def error_for(exc: Exception, request_id: str) -> RequestError:
    """The error that the client is told; a bug is told by its id only."""
    if isinstance(exc, RequestError):
        return exc
    if isinstance(exc, MemoryError):  # Python's own has no words, or a system's
        return Unavailable(NO_MEMORY)
    for kind, error in ERRORS.items():
        if isinstance(exc, kind):
            return error(str(exc))
    return InternalError(f"internal error; the daemon's log has it under {request_id!r}")


@dataclass(frozen=True)
class ServiceState:
    """What is in memory."""

    loaded: tuple[str, ...]
    """Names of models."""

    device: str
    """Where they are; empty where nothing is loaded."""

    num_cached_images: int
    cache_bytes: int


class Service:
    """Answers requests one after the other; `models` and `state` at any time, from any thread.

    Args:
        model_pool: Its models.
        cache: Images already looked at; the model_pool's ``forget`` is its ``drop_model``.
        model: The setting, which "auto" in requests stands for.
    """

    def __init__(self, model_pool: ModelPool, cache: ImageCache, model: str = "auto") -> None:
        self._model_pool, self._cache, self._model = model_pool, cache, model
        self._has_language_model = False

    def answer(self, request: Request, enter_stage: EnterStage) -> Message:
        """Do what a ``suggest`` or ``warm`` asks for.

        Raises:
            RequestError: The request cannot be done, or ``enter_stage`` stopped it.
            Exception: Anything of the library's; see `error_for`.
        """
        if isinstance(request.body, SuggestRequest):
            return self._suggest(request.body, request.pixels, enter_stage)
        if isinstance(request.body, WarmRequest):
            return self._warm(request.body, enter_stage)
        raise InvalidRequest(f"{request.kind!r} is not for the model")

    def forget(self, request: Request) -> None:
        """Hold no image of a request any more: its pixels were not what they were said to be."""
        if isinstance(request.body, SuggestRequest):
            for image in request.body.inline_images:
                self._cache.drop(image)

    def models(self) -> ModelsReply:
        """Which models there are."""
        return list_models(self._model, self.state().loaded)

    def state(self) -> ServiceState:
        """What is in memory."""
        residents = self._model_pool.residents
        return ServiceState(
            loaded=tuple(resident.name for resident in residents),
            device=", ".join(dict.fromkeys(resident.device for resident in residents)),
            num_cached_images=self._cache.num_images,
            cache_bytes=self._cache.num_bytes,
        )

    def _warm(self, request: WarmRequest, enter_stage: EnterStage) -> WarmReply:
        started = time.perf_counter()
        model = self._find_model(request.model)
        self._need_language_model(enter_stage)
        resident = self._model_pool.get(model, lambda text: enter_stage("loading", text))
        seconds = time.perf_counter() - started
        return WarmReply(resident.name, resident.device, seconds, notes_of(resident))

    def _suggest(
        self, request: SuggestRequest, pixels: tuple[memoryview, ...], enter_stage: EnterStage
    ) -> SuggestReply:
        seconds: dict[str, float] = {}
        model = self._find_model(request.model)
        constraints = constraints_of(request)
        with _timed(seconds, "decode"):
            image, image_query = self._read_images(request, pixels)
        if not self._is_ready(model, request.image):
            with _timed(seconds, "prompt"):
                self._check_prompt(request, enter_stage)
        started = time.perf_counter()

        def work(resident: Resident) -> Suggestions:
            seconds["load"] = time.perf_counter() - started
            with _timed(seconds, "encode"):
                encoded = self._encode(request.image, image, resident, enter_stage)
            enter_stage("searching", "searching the image")
            with _timed(seconds, "search"):
                return resident.predictor.suggest(
                    replace(
                        encoded,
                        width_px=image.width_px,
                        height_px=image.height_px,
                        image=image.rgb,
                    ),
                    request.prompt,
                    exclude=request.exclude,
                    image_query=image_query,
                    constraints=constraints,
                    count=request.count,
                    on_closer_look=lambda: enter_stage("looking-closer", "looking closer"),
                )

        found, resident = self._model_pool.run(
            model, lambda text: enter_stage("loading", text), work
        )
        is_cached = request.image in self._cache
        return suggest_reply(found, resident, is_image_cached=is_cached, seconds=seconds)

    def _find_model(self, name: str) -> str:
        """The library's name; weights that are not in memory have been looked at."""
        model = find_model(name, self._model)
        if wire_name(model) not in self.state().loaded:
            check_weights(model)
        return model

    def _read_images(
        self, request: SuggestRequest, pixels: tuple[memoryview, ...]
    ) -> tuple[LoadedImage, LoadedImage | None]:
        """The image and the example, with the size of the original and its own."""
        data = dict(zip(request.inline_images, pixels, strict=True))
        image = self._read_image(request.image, data, original_size_px(request))
        if request.image_query is None:
            return image, None
        query = request.image_query
        return image, self._read_image(query, data, (query.width_px, query.height_px))

    def _read_image(
        self,
        image: messages.Image,
        data: dict[messages.Image, memoryview],
        size_px: tuple[int, int],
    ) -> LoadedImage:
        from clipcrop.imaging.images import LoadedImage  # loads Pillow

        rgb = self._cache.find(image)
        if rgb is None:
            if image not in data:
                raise UnknownImage("the daemon does not hold these pixels; send them")
            rgb = decode_pixels(image, data[image])
            self._cache.keep(image, rgb)
        return LoadedImage(rgb, *size_px)

    def _is_ready(self, model: str, image: messages.Image) -> bool:
        """The search is next, and it finds a mistake in the prompt soon enough by itself."""
        return any(
            resident.name == wire_name(model)
            and self._cache.find_encoded(image, resident.name, resident.device) is not None
            for resident in self._model_pool.residents
        )

    def _check_prompt(self, request: SuggestRequest, enter_stage: EnterStage) -> None:
        """Have it refused before the model is loaded, which takes longer."""
        from clipcrop.prompt.parser import parse_prompt

        if request.prompt.strip() or any(map(str.strip, request.exclude)):
            self._need_language_model(enter_stage)
        parse_prompt(request.prompt, request.exclude)

    def _need_language_model(self, enter_stage: EnterStage) -> None:
        """The first import takes seconds, so a stage is reported."""
        if not self._has_language_model:
            from clipcrop.prompt.language import english_pipeline

            enter_stage("loading", "loading the language model")
            english_pipeline()
            self._has_language_model = True

    def _encode(
        self,
        image: messages.Image,
        loaded: LoadedImage,
        resident: Resident,
        enter_stage: EnterStage,
    ) -> EncodedImage:
        held = self._cache.find_encoded(image, resident.name, resident.device)
        if held is not None:
            return held
        enter_stage("encoding", "looking at the image")
        encoded = replace(resident.predictor.encode(loaded), image=None)  # it is held as pixels
        if resident.predictor.decoder is None:  # only a decoder reads these
            encoded = replace(encoded, tokens=encoded.tokens._replace(tokens=None))
        self._cache.keep_encoded(image, resident.name, resident.device, encoded)
        return encoded


def make_service(options: WorkerOptions) -> Service:
    """The real one; loads nothing yet."""

    def load(model: str, device: str) -> Predictor:
        from clipcrop import Predictor

        # Half of them by default: the editor needs some too, and threads that wait for each other
        # on a busy machine are slower than one.
        threads = options.threads or max(1, (os.cpu_count() or 1) // 2)
        return Predictor.load(model, device, threads=threads)

    cache = ImageCache(options.cache_bytes)
    model_pool = ModelPool(load, device=options.device, forget=cache.drop_model)
    service = Service(model_pool, cache, options.model)
    # What looks for weights is imported now, by one thread: `models` may be asked for while
    # another is in the middle of importing the same.
    service.models()
    return service


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
