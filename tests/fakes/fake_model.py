"""A model process with a fake model: ``python fake_model.py OPTIONS``, as the front starts it.

The process, its pipes, threads and stages are the real ones; only what a model would do is made
up. The prompt says how it is to behave, so that a test decides it with each request:

    "sleep 1.5"   works so long within one stage
    "work 0.02"   computes so long, and says in its reply how long it was
    "steps 20"    goes through so many stages of 50 ms, and can be cancelled between them
    "die"         the process kills itself
    "error"       a bug
    "memory"      memory runs out in the middle of an import: nothing works any more
    "hold 50"     keeps so many megabytes until it ends
    "load 2"      so many seconds of loading weights, if they are not there yet
"""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from clipcrop_daemon.pipes import WorkerOptions
from clipcrop_daemon.worker import main
from clipcrop_wire.errors import UnknownImage
from clipcrop_wire.messages import (
    Model,
    ModelsReply,
    Suggestion,
    SuggestReply,
    SuggestRequest,
    WarmReply,
)
from clipcrop_wire.protocol import Request
from clipcrop_wire.rules import Message

STEP_S = 0.05
_BALLAST = bytes(2**20)


@dataclass(frozen=True)
class FakeState:
    """As `clipcrop_daemon.service.ServiceState`."""

    loaded: tuple[str, ...]
    device: str
    num_cached_images: int
    cache_bytes: int


class FakeService:
    """As `clipcrop_daemon.service.Service`."""

    def __init__(self, options: WorkerOptions) -> None:
        self._held: dict[bytes, int] = {}
        self._is_loaded = False
        self._is_poisoned = False
        self._ballast: list[bytes] = []

    def answer(self, request: Request, enter_stage: Callable[[str, str], None]) -> Message:
        """Behave as the prompt says."""
        body = request.body
        if not isinstance(body, SuggestRequest):
            self._load(0.0, enter_stage)
            return WarmReply("lite", "cpu", 0.0)
        if self._is_poisoned:
            raise AttributeError("partially initialized module has no attribute")
        word, _, number = body.prompt.partition(" ")
        amount = float(number) if number.replace(".", "").isdigit() else 0.0
        image = body.image
        if image.is_inline:
            assert request.pixels[0].nbytes == image.num_bytes
            self._held[image.sha256] = image.num_bytes
        elif image.sha256 not in self._held:
            raise UnknownImage("send the pixels")
        self._load(amount if word == "load" else 0.0, enter_stage)
        enter_stage("encoding", "")
        started = time.perf_counter()
        if word == "sleep":
            time.sleep(amount)
        elif word == "work":
            while time.perf_counter() < started + amount:
                zlib.crc32(_BALLAST)  # without Python's lock, as a network's layers
        elif word == "steps":
            for _ in range(int(amount)):
                time.sleep(STEP_S)
                enter_stage("searching", "")
        elif word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "error":
            raise ZeroDivisionError(body.prompt)
        elif word == "memory":
            self._is_poisoned = True
            raise MemoryError
        elif word == "hold":
            self._ballast.append(os.urandom(int(amount * 2**20)))
        crop = Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, image.width_px // 2, image.height_px), 0.75)
        seconds = {"search": time.perf_counter() - started}
        return SuggestReply(
            "lite", "cpu", "match", False, True, suggestions=(crop,), seconds=seconds
        )

    def forget(self, request: Request) -> None:
        """As the real one."""
        assert isinstance(request.body, SuggestRequest)
        for image in request.body.inline_images:
            self._held.pop(image.sha256, None)

    def models(self) -> ModelsReply:
        """One."""
        return ModelsReply((Model("lite", "a fake", True, self._is_loaded),), "lite")

    def state(self) -> FakeState:
        """What it would hold."""
        loaded = ("lite",) if self._is_loaded else ()
        return FakeState(loaded, "cpu", len(self._held), sum(self._held.values()))

    def _load(self, seconds: float, enter_stage: Callable[[str, str], None]) -> None:
        if not self._is_loaded:
            enter_stage("loading", "loading lite")
            time.sleep(seconds)
            self._is_loaded = True


if __name__ == "__main__":
    main(sys.argv[1:], FakeService)
