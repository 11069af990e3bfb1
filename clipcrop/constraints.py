"""Constraints: what every suggested frame must keep to, as people write it and as numbers.

Needs no PyTorch: what a user writes is judged before anything heavy is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from .errors import InputError

MAX_ASPECT = 100.0
"""Frames more elongated than this are no pictures."""


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What every suggested frame must keep to."""

    aspect: float | Literal["original"] | None = None
    """Width over height in pixels, "original" for the image's own, None for any."""

    min_width_px: int = 1
    """Narrower frames are not suggested."""

    min_height_px: int = 1
    """Lower frames are not suggested."""

    def __post_init__(self) -> None:
        """Refuse what no image could satisfy."""
        aspect = self.aspect
        if isinstance(aspect, str):
            if aspect != "original":
                raise InputError(_bad_aspect(aspect))
        elif aspect is not None and not 1 / MAX_ASPECT <= aspect <= MAX_ASPECT:
            raise InputError(
                f"no such aspect ratio: {aspect:g}; it must be from 1:{MAX_ASPECT:g} "
                f"to {MAX_ASPECT:g}:1"
            )
        if self.min_width_px < 1 or self.min_height_px < 1:
            raise InputError(
                f"no such minimum size: {self.min_width_px} x {self.min_height_px} px; "
                f"both sides must be at least 1"
            )

    @classmethod
    def parse(cls, aspect: str = "free", min_size: str = "") -> Constraints:
        """Read constraints as people write them.

        Args:
            aspect: "free", "original", or a ratio such as "3:2", "2.39:1".
            min_size: "1200x800", or "1200" for both sides; empty for none.

        Raises:
            InputError: One of them cannot be understood; the message says what can be.
        """
        width_px, height_px = parse_min_size(min_size)
        return cls(aspect=parse_aspect(aspect), min_width_px=width_px, min_height_px=height_px)

    def ratio(self, width_px: int, height_px: int) -> float | None:
        """The ratio that frames of this image must have, width over height; None for any."""
        return width_px / height_px if isinstance(self.aspect, str) else self.aspect

    def check_fits(self, width_px: int, height_px: int) -> None:
        """Refuse a minimum size that no frame of this image can have.

        Raises:
            InputError: The image is too small, or too small for the ratio.
        """
        ratio = self.ratio(width_px, height_px) or width_px / height_px
        widest, highest = _largest(ratio, width_px, height_px)
        # Half a pixel less, because a frame is rounded to whole pixels.
        if self.min_width_px > widest + 0.5 or self.min_height_px > highest + 0.5:
            raise InputError(
                f"the minimum size {self.min_width_px} x {self.min_height_px} px does not fit: the "
                f"largest frame of this image is {widest:.0f} x {highest:.0f} px; ask for less"
            )


def parse_aspect(text: str) -> float | Literal["original"] | None:
    """Read "free", "original" or "W:H".

    Raises:
        InputError: It is none of these, or a side is not a positive number.
    """
    word = text.strip().lower()
    if word == "free":
        return None
    if word == "original":
        return "original"
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*:\s*(\d+(?:\.\d+)?)", word)
    if not match or not float(match[1]) or not float(match[2]):
        raise InputError(_bad_aspect(text))
    return float(match[1]) / float(match[2])


def _bad_aspect(text: str) -> str:
    return f'no such aspect ratio: {text!r}; write "free", "original", or width:height as "3:2"'


def parse_min_size(text: str) -> tuple[int, int]:
    """Read "1200x800" as width and height, "1200" as both, in pixels; nothing is 1 x 1.

    Raises:
        InputError: It is neither, or a side is zero.
    """
    if not text.strip():
        return 1, 1
    match = re.fullmatch(r"(\d{1,9})(?:\s*x\s*(\d{1,9}))?", text.strip().lower())
    if not match or not int(match[1]) or not int(match[2] or 1):
        raise InputError(
            f'no such minimum size: {text!r}; write width and height in pixels as "1200x800", '
            f'or "1200" for both'
        )
    return int(match[1]), int(match[2] or match[1])


def _largest(aspect: float, width_px: float, height_px: float) -> tuple[float, float]:
    """Width and height of the largest frame of a ratio."""
    width = min(width_px, height_px * aspect)
    return width, width / aspect
