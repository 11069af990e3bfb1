"""The tables of the paper: which sets, methods and figures each one has."""

from __future__ import annotations

from dataclasses import dataclass

IOUS = ("IoU-Mean", "IoU-Max")
ACCURACIES = tuple(
    f"{name} @{least}"
    for least in ("0.85", "0.90")
    for name in ("Acc 1/5", "Acc 1/10", "best in 5", "best in 10")
)
ALL_METHODS = ("whole", "centre", "tower", "composition", "cascade", "cagic", "suggest", "clipcrop")


@dataclass(frozen=True)
class PaperTable:
    """One table."""

    title: str
    """What it shows."""

    sets: tuple[str, ...]
    """Names of the sets, in the order in which they are given."""

    figures: tuple[str, ...]
    """What the table shows of them."""

    methods: tuple[str, ...] = ALL_METHODS
    """As `methods.MAKERS` names them."""

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
