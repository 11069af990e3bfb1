"""What the user can choose about an installation; remembered for the next upgrade."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

NEW, THIS = "new", "this"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """All of them; the options of ``install`` are made from the fields."""

    engine: str = field(
        default="auto",
        metadata={
            "help": "light: the small model, without PyTorch; owlvit: OWL-ViT and OWLv2 too, with "
            "PyTorch; auto: owlvit where an NVIDIA driver or such weights are, else light",
            "choices": ("auto", "light", "owlvit"),
        },
    )
    torch: str = field(
        default="auto",
        metadata={
            "help": "which PyTorch: auto (CUDA where an NVIDIA driver is, else for the CPU), cpu, "
            "cuda, or a requirement such as torch==2.13.0"
        },
    )
    torch_index: str = field(
        default="",
        metadata={
            "help": "address of an index of packages with that PyTorch, or usual: pip's own; by "
            "default PyTorch's own index for the CPU build on Linux, else pip's own"
        },
    )
    environment: str = field(
        default=NEW,
        metadata={
            "help": "new: a private environment; this: the one that this program runs in, where "
            "ClipCrop was installed with pip or pipx",
            "choices": (NEW, THIS),
        },
    )
    gimp: bool = field(default=True, metadata={"help": "no plug-in for GIMP"})
    krita: bool = field(default=True, metadata={"help": "no plug-in for Krita"})
    gimp_folder: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "a folder of GIMP's settings, such as ~/.config/GIMP/3.0, instead of those "
            "found"
        },
    )
    krita_folder: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "a folder of Krita's resources, such as ~/.local/share/krita, instead of those "
            "found"
        },
    )
    login: bool = field(default=True, metadata={"help": "do not start the daemon at login"})
    daemon: bool = field(default=True, metadata={"help": "do not start the daemon now"})
    self_test: bool = field(default=True, metadata={"help": "no crop of a sample photo at the end"})


def remembered(values: Any) -> Choices:
    """Those of an earlier installation; what a newer version has added is left out."""
    if not isinstance(values, dict):
        return Choices()
    known = {one.name: one for one in fields(Choices)}
    kept: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    return Choices(**kept)


def to_remember(choices: Choices) -> dict[str, Any]:
    """As JSON has them."""
    return asdict(choices)
