"""Which build of PyTorch fits a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InstallError
from .machine import Machine

INDEX_VARIABLE = "CLIPCROP_TORCH_INDEX"
"""Environment variable instead of ``--torch-index``."""

CPU_BYTES, CUDA_BYTES = 2_500_000_000, 9_000_000_000
"""Free space below which a build is not even begun: an environment with the CPU build takes 1.7 GB
and pip unpacks beside it; the libraries of CUDA are several more."""

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
class TorchChoice:
    """What pip is asked for, before everything else."""

    requirement: str
    """Such as ``torch`` or ``torch==2.13.0``."""

    index: str | None
    """Address of an index of packages to take it from; None: the usual one."""

    reason: str
    """Why this one, for people."""

    needed_bytes: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """For ``pip install``."""
        place = ("--index-url", self.index) if self.index else ()
        return (self.requirement, *place)


def choose_torch(machine: Machine, wanted: str = "auto", index: str | None = None) -> TorchChoice:
    """What fits the machine, or what the user wants.

    Without an index pip's usual one decides what "the" PyTorch of a system is: there, that of Linux
    brings CUDA along, that of macOS and Windows does not.

    Args:
        machine: Where it will run.
        wanted: auto, cpu, cuda, or a requirement such as ``torch==2.13.0``.
        index: Address of an index with the builds of that kind.

    Raises:
        InstallError: what is wanted is no PyTorch.
    """
    index = index or machine.variables.get(INDEX_VARIABLE) or None
    has_driver = has_nvidia_driver(machine)
    kind = wanted if wanted != "auto" else "cuda" if has_driver else "cpu"
    if kind not in ("cpu", "cuda"):
        if not _REQUIREMENT.fullmatch(kind):
            raise InstallError(
                f"no such PyTorch: {wanted!r}; say auto, cpu, cuda, or one such as torch==2.13.0"
            )
        return TorchChoice(wanted, index, "as you said", CPU_BYTES)
    if wanted == "auto":
        reason = "there is an NVIDIA driver" if has_driver else "there is no NVIDIA driver"
    else:
        reason = "as you said"
    if kind == "cpu":
        if index is None and machine.platform == "linux":
            reason += (
                "; where the usual index has only CUDA it works too, with some GB more: "
                "--torch-index ADDRESS names one with CPU builds"
            )
        return TorchChoice("torch", index, f"for the CPU: {reason}", CPU_BYTES)
    if index is None and machine.platform == "win32":
        reason += "; the usual index has it for the CPU: --torch-index ADDRESS names one with CUDA"
    return TorchChoice("torch", index, f"for CUDA: {reason}", CUDA_BYTES)


def has_nvidia_driver(machine: Machine) -> bool:
    """Whether programs can use an NVIDIA card here."""
    files = _DRIVER_FILES.get(machine.platform, ())
    if any(machine.has(machine.path(path)) for path in files):
        return True
    separator, program = (
        (";", "nvidia-smi.exe") if machine.platform == "win32" else (":", "nvidia-smi")
    )
    folders = machine.variables.get("PATH", "").split(separator)
    return any(folder and machine.has(machine.path(folder) / program) for folder in folders)
