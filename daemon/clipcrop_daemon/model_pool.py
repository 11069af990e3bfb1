"""Which models are in memory, and where.

A model is loaded when it is first needed. When memory runs out, in loading or in work:

    on an accelerator   the other models go, and again; then this one moves to the CPU
    on the CPU          the other models go, and again; then the caller is told
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from clipcrop.errors import OutOfMemory

from .model_names import wire_name

if TYPE_CHECKING:
    from clipcrop import Predictor

NO_MEMORY = "out of memory; close other programs, or choose a smaller model"
"""For the user, where what ran out of memory found no words itself."""

MAX_MODELS = 2
"""Kept in memory at once."""

logger = logging.getLogger(__name__)

T = TypeVar("T")
Load = Callable[[str, str], "Predictor"]
"""The library's name of a model, device -> the model there."""


@dataclass(frozen=True)
class Resident:
    """A model in memory."""

    predictor: Predictor

    name: str
    """As clients know it."""

    device: str
    """Such as "cpu" or "cuda:0"."""

    notes: tuple[str, ...] = ()
    """For the user, in every reply that comes from it."""


def choose_device(name: str, model: str) -> str:
    """The device of this machine that a setting means for an encoder, "cuda" with its number.

    Raises:
        DeviceError: There is none.
        NotInstalled: PyTorch, which the encoder needs, is not installed.
    """
    from clipcrop.device import choose_device
    from clipcrop.extras import require_extra
    from clipcrop.weights.checkpoint import find_checkpoint

    if not find_checkpoint(model).needs_torch:  # whatever the setting: it runs nowhere else
        return "cpu"
    require_extra("owlvit", f"the model {wire_name(model)}")
    device = str(choose_device(name))  # imports torch, which takes seconds
    return "cuda:0" if device == "cuda" else device


def trim_memory() -> None:
    """Give freed memory back to the system where the C library keeps it: an image's 150 MB.

    Milliseconds; does nothing outside Linux.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # only glibc has it
            ctypes.CDLL(None).malloc_trim(0)


def release_memory() -> None:
    """Give what Python, the C library and PyTorch keep for later back to the system."""
    gc.collect()  # a failed attempt's frames refer to each other, and to arrays
    trim_memory()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


class ModelPool:
    """Loads models, keeps the last few, and finds them room.

    One thread works with it; `residents` may be read from any.

    Args:
        load: Brings a model into memory.
        choose_device: Setting, encoder -> device.
        device: The setting.
        forget: Told a model's name when what it computed has to go.
        release_memory: Called when something has gone.
    """

    def __init__(
        self,
        load: Load,
        choose_device: Callable[[str, str], str] = choose_device,
        device: str = "auto",
        forget: Callable[[str], None] = lambda name: None,
        release_memory: Callable[[], None] = release_memory,
    ) -> None:
        self._load, self._choose_device, self._device = load, choose_device, device
        self._forget, self._release_memory = forget, release_memory
        self._residents: tuple[Resident, ...] = ()

    @property
    def residents(self) -> tuple[Resident, ...]:
        """What is in memory, least recently used first."""
        return self._residents

    def get(self, model: str, on_loading: Callable[[str], None]) -> Resident:
        """As `run`, without work."""
        return self.run(model, on_loading, lambda resident: None)[1]

    def run(
        self, model: str, on_loading: Callable[[str], None], work: Callable[[Resident], T]
    ) -> tuple[T, Resident]:
        """Do work with a model; it is begun again when memory runs out.

        Args:
            model: The library's name.
            on_loading: Told in words before weights are loaded; may raise to stop everything.
            work: Must be able to start over.

        Returns:
            What the work gave, and the model that did it.

        Raises:
            OutOfMemory: Nothing helped.
        """
        name = wire_name(model)
        device, notes = self._place(model)
        while True:
            reason = ""
            for _ in ("beside others", "alone"):
                try:
                    return self._attempt(model, device, notes, on_loading, work)
                except OutOfMemory as exc:
                    reason = str(exc)  # not the error itself: its frames hold on to memory
                except MemoryError:
                    reason = NO_MEMORY
                logger.warning("memory.full model=%s device=%s", name, device)
                self._make_room(name)
            if device == "cpu":
                raise OutOfMemory(reason)
            self._unload([name])
            notes = (f"not enough memory on {device}; the CPU was used",)
            device = "cpu"

    def _place(self, model: str) -> tuple[str, tuple[str, ...]]:
        """Device and notes of a model, in memory or to be loaded."""
        held = self._find(wire_name(model))
        return (held.device, held.notes) if held else (self._choose_device(self._device, model), ())

    def _attempt(
        self,
        model: str,
        device: str,
        notes: tuple[str, ...],
        on_loading: Callable[[str], None],
        work: Callable[[Resident], T],
    ) -> tuple[T, Resident]:
        """Apart from `run`, which must not hold on to a model that has to go."""
        resident = self._find(wire_name(model))
        if resident is None:
            resident = self._bring(model, device, notes, on_loading)
        self._use(resident)
        return work(resident), resident

    def _find(self, name: str) -> Resident | None:
        return next((resident for resident in self._residents if resident.name == name), None)

    def _use(self, resident: Resident) -> None:
        others = (other for other in self._residents if other is not resident)
        self._residents = (*others, resident)

    def _bring(
        self, model: str, device: str, notes: tuple[str, ...], on_loading: Callable[[str], None]
    ) -> Resident:
        name = wire_name(model)
        on_loading(f"loading {name} on {device}")
        # Before, not after: three of them may not fit even for a moment.
        self._unload([other.name for other in self._residents[: 1 - MAX_MODELS]])
        started = time.monotonic()
        predictor = self._load(model, device)
        seconds = time.monotonic() - started
        logger.info("model.loaded name=%s device=%s seconds=%.1f", name, device, seconds)
        return Resident(predictor, name, device, notes)

    def _make_room(self, name: str) -> None:
        """For one model: nothing stays but its weights."""
        self._forget(name)
        self._unload([other.name for other in self._residents if other.name != name])
        self._release_memory()

    def _unload(self, names: list[str]) -> None:
        gone = [resident.name for resident in self._residents if resident.name in names]
        if not gone:
            return
        self._residents = tuple(one for one in self._residents if one.name not in gone)
        for name in gone:
            self._forget(name)
            logger.info("model.unloaded name=%s", name)
        self._release_memory()
