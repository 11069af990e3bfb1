"""Where the arithmetic runs: choosing a device, and saying so plainly when it cannot be used."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import DeviceError, OutOfMemory

if TYPE_CHECKING:
    import torch

# The allocators' words, and the systems' for files of weights that find no room.
_MAIN_MEMORY_FULL = re.compile(
    "DefaultCPUAllocator|Cannot allocate memory|paging file is too small|bad allocation"
    "|Failed to allocate memory",
    re.IGNORECASE,
)
_DEVICE_MEMORY_FULL = re.compile("out of memory|STATUS_ALLOC_FAILED", re.IGNORECASE)


def num_threads() -> int:
    """Threads for one image: ``OMP_NUM_THREADS`` where it is set, else a thread for each core."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_device(name: str = "auto") -> torch.device:
    """Turn what a user writes after ``--device`` into a device that is there.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; ``auto`` is the first of cuda, mps
            and cpu that this machine has.

    Raises:
        DeviceError: The machine has no such device, or the name is none.
    """
    _check_name(name)
    import torch  # takes seconds, so only once a device is really needed

    if name == "auto":
        name = _best_device_name()
    kind, _, index = name.partition(":")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise DeviceError(f"no CUDA device for {name!r} on this machine; choose auto or cpu")
        if index and int(index) >= count:
            raise DeviceError(
                f"no CUDA device number {index}; this machine has {count}, numbered from 0"
            )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("no Apple GPU (mps) on this machine; choose auto or cpu")
    return torch.device(name)


def require_cpu(name: str, model: str) -> None:
    """Refuse a device for a model that runs on the processor only.

    Args:
        name: As `choose_device` takes it.
        model: For the message.

    Raises:
        DeviceError: The name means another device, or none.
    """
    _check_name(name)
    if name not in ("auto", "cpu"):
        raise DeviceError(
            f"{model} runs on the processor, not on {name}; choose the device auto or cpu, or "
            "another model"
        )


def _check_name(name: str) -> None:
    if name != "auto" and not re.fullmatch(r"cpu|mps|cuda(:[0-9]{1,3})?", name):
        raise DeviceError(f"no such device: {name!r}; choose auto, cpu, cuda, cuda:N or mps")


@contextmanager
def memory_errors_named(device: torch.device | str) -> Iterator[None]:
    """Turn the many ways in which memory runs out into `OutOfMemory`, which says what to do.

    CUDA's allocator has an error class of its own; Apple's, the CPU's and CUDA's libraries raise a
    bare RuntimeError or OSError that only its text tells from others.
    """
    try:
        yield
    except MemoryError as exc:
        raise OutOfMemory(_advice("cpu")) from exc
    except (RuntimeError, OSError) as exc:
        if _MAIN_MEMORY_FULL.search(str(exc)):
            raise OutOfMemory(_advice("cpu")) from exc
        if _is_torch_memory_error(exc) or _DEVICE_MEMORY_FULL.search(str(exc)):
            raise OutOfMemory(_advice(str(device))) from exc
        raise


def _is_torch_memory_error(exc: Exception) -> bool:
    torch = sys.modules.get("torch")  # what was not imported has raised nothing
    return torch is not None and isinstance(exc, torch.OutOfMemoryError)


def _advice(device: str) -> str:
    remedy = "choose a smaller model" if device == "cpu" else "choose the cpu"
    return f"out of memory on {device}; close other programs that use it, or {remedy}"


def _best_device_name() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
