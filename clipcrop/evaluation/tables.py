"""The tables of the paper: which sets, methods and figures each one has."""

from __future__ import annotations

from dataclasses import dataclass

IOUS = ("IoU-Mean", "IoU-Max")
ACCURACIES = tuple(
    f"{name} @{least}"
    for name in (
        "best in 5",
        "best in 10",
        "any best in 5",
        "any best in 10",
        "Acc 1/5",
        "Acc 1/10",
    )
    for least in ("0.85", "0.90")
)
"""First those that compare with the paper's."""

METHODS = ("whole", "centre", "tower", "composition", "cascade", "suggest", "clipcrop")
"""Measured by default. CAGIC takes minutes a photo: it has to be asked for."""


@dataclass(frozen=True)
class PaperTable:
    """One table."""

    title: str
    """What it shows."""

    sets: tuple[str, ...]
    """Names of the sets, in the order in which they are given."""

    figures: tuple[str, ...]
    """What the table shows of them."""

    methods: tuple[str, ...] = METHODS
    """By default, as `methods.MAKERS` names them."""

    split: str = "test"
    """Which part of a set."""

    is_rated: bool = False
    """Whether people rated crops of its sets, or drew them."""


PAPER_TABLES = {
    1: PaperTable("comparison on Horanyi-PR", ("Horanyi-PR",), IOUS),
    2: PaperTable("comparison on TextCrop", ("TextCrop",), IOUS),
    3: PaperTable(
        "comparison on GAICD",
        ("GAICD",),
        (*ACCURACIES, "SRCC", "PCC", "Acc 1/5 chosen", "Acc 1/10 chosen"),
        is_rated=True,
    ),
    4: PaperTable("variants of ClipCrop on Horanyi-PR", ("Horanyi-PR",), IOUS, ("clipcrop",)),
    5: PaperTable(
        "captions in place of people's texts", ("Horanyi-PR", "TextCrop"), IOUS, ("clipcrop",)
    ),
}
"""Number in the paper -> the table."""
