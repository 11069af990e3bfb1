"""Which engine fits a machine: ONNX Runtime alone, or PyTorch too, and which build of that."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InstallError
from .machine import Machine

INDEX_VARIABLE = "CLIPCROP_TORCH_INDEX"
"""Environment variable instead of ``--torch-index``."""

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own index of builds for the processor: for Linux the usual one has only builds with
CUDA, some GB larger. Only ``torch`` itself is taken from there."""

USUAL_INDEX = "usual"
"""Instead of an address: the index that pip uses for all else."""

AUTO, LIGHT, OWLVIT = "auto", "light", "owlvit"

_EXTRAS = ("owlvit",)
_IMPATIENT = ("--retries", "1", "--timeout", "20")  # there is a fallback

_REQUIREMENT = re.compile(r"torch\s*(?:(?:[=<>!~]|@ ).*)?")

_DRIVER_FILES = {
    "linux": (
        "/proc/driver/nvidia/version",
        "/usr/lib/wsl/lib/libcuda.so.1",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
        "/usr/lib64/libcuda.so.1",
        "/usr/lib/libcuda.so.1",
    ),
    "win32": (r"C:\Windows\System32\nvcuda.dll",),
}
"""Any of them is there where an NVIDIA driver is."""


@dataclass(frozen=True)
class Cost:
    """What an environment takes, as measured (docs/decisions.md, "The engine's cost")."""

    fetch_mb: int
    disk_gb: float
    memory_gb: float
    """Of the daemon with its model process, after some photos."""

    def __str__(self) -> str:
        fetch = f"{self.fetch_mb / 1000:.1f} GB" if self.fetch_mb >= 1000 else f"{self.fetch_mb} MB"
        return (
            f"fetches about {fetch}, takes {self.disk_gb:.1f} GB on the disk, and "
            f"{self.memory_gb:.1f} GB of memory while the model is loaded"
        )

    @property
    def needed_bytes(self) -> int:
        """Free space below which a build is not even begun: pip unpacks beside what it fetched."""
        return int(self.fetch_mb * 1e6 + self.disk_gb * 1.1e9)


COSTS = {
    "light": Cost(140, 0.5, 0.3),
    "cpu": Cost(360, 1.3, 0.5),
    "cuda": Cost(2900, 5.3, 1.2),
}
"""Linux, x86-64."""


@dataclass(frozen=True)
class Engine:
    """What runs the models, and what pip is asked for to have it."""

    name: str
    """`LIGHT`: the small model, by ONNX Runtime; `OWLVIT`: that and OWL-ViT, by PyTorch."""

    reason: str
    """Why this one, for people."""

    cost: Cost
    extras: tuple[str, ...] = ()
    """Of the distribution."""

    torch: tuple[str, ...] = ()
    """Arguments of ``pip install`` for a PyTorch that is to be there before all else."""

    fallback: tuple[str, ...] = ()
    """The same, where that index cannot be had."""

    fallback_cost: Cost | None = None


def choose_engine(
    machine: Machine,
    wanted: str = AUTO,
    torch: str = AUTO,
    index: str | None = None,
    *,
    has_weights: bool = False,
) -> Engine:
    """What fits the machine, or what the user wants.

    Args:
        machine: Where it will run.
        wanted: auto, light or owlvit.
        torch: Which PyTorch: auto, cpu, cuda, or a requirement such as ``torch==2.13.0``; other
            than auto it asks for PyTorch.
        index: Address of an index with PyTorch; `USUAL_INDEX`: pip's own.
        has_weights: Weights that only PyTorch runs are on the machine.

    Raises:
        InstallError: what is wanted is no PyTorch.
    """
    kind = torch if torch != AUTO else "cuda" if has_nvidia_driver(machine) else "cpu"
    if kind not in ("cpu", "cuda") and not _REQUIREMENT.fullmatch(kind):
        raise InstallError(
            f"no such PyTorch: {torch!r}; say auto, cpu, cuda, or one such as torch==2.13.0"
        )
    reasons = (
        (wanted != AUTO, "as you said"),
        (torch != AUTO, f"you asked for PyTorch: {torch}"),
        (has_nvidia_driver(machine), "there is an NVIDIA driver"),
        (has_weights, "weights that need PyTorch are here"),
        (True, "there is no NVIDIA driver"),
    )
    number, reason = next((n, text) for n, (holds, text) in enumerate(reasons) if holds)
    if wanted == LIGHT or (wanted == AUTO and number == len(reasons) - 1):
        return Engine(LIGHT, reason, COSTS["light"])
    cost = COSTS["cuda" if kind == "cuda" else "cpu"]
    index = index or machine.variables.get(INDEX_VARIABLE) or None
    if index is None and kind == "cpu" and machine.platform == "linux":
        first = ("torch", "--no-deps", "--index-url", CPU_INDEX, *_IMPATIENT)
        return Engine(OWLVIT, reason, cost, _EXTRAS, first, ("torch",), COSTS["cuda"])
    requirement = "torch" if kind in ("cpu", "cuda") else kind
    place = ("--index-url", index) if index and index != USUAL_INDEX else ()
    return Engine(OWLVIT, reason, cost, _EXTRAS, (requirement, *place))


def how_to_change(has_torch: bool, *, is_private: bool) -> str:
    """The command that brings the other engine.

    Args:
        has_torch: Which engine there is.
        is_private: The environment is one of the installer's own.
    """
    if is_private:
        return f"python3 installer upgrade --engine {LIGHT if has_torch else OWLVIT}"
    return (
        "an environment without PyTorch" if has_torch else "pip install 'clipcrop-desktop[owlvit]'"
    )


def has_nvidia_driver(machine: Machine) -> bool:
    """Whether an NVIDIA driver is installed."""
    files = _DRIVER_FILES.get(machine.platform, ())
    if any(machine.has(machine.path(path)) for path in files):
        return True
    separator, program = (
        (";", "nvidia-smi.exe") if machine.platform == "win32" else (":", "nvidia-smi")
    )
    folders = machine.variables.get("PATH", "").split(separator)
    return any(folder and machine.has(machine.path(folder) / program) for folder in folders)
