"""Rectangles of the canvas: what a picture covers, where a crop lies, what a thumbnail shows.

All in whole pixels; x and y of the upper left corner. A crop is never empty and never outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Sequence

from .errors import NothingToCrop
from .texts import _


class Size(NamedTuple):
    """Of something with pixels."""

    width_px: int
    height_px: int


class Rect(NamedTuple):
    """A rectangle of the canvas, or of whatever its owner says."""

    x: int
    y: int
    width_px: int
    height_px: int

    @property
    def right(self) -> int:
        """The first column outside."""
        return self.x + self.width_px

    @property
    def bottom(self) -> int:
        """The first row outside."""
        return self.y + self.height_px

    def intersect(self, other: Rect) -> Rect | None:
        """What both cover; None if that is nothing."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = min(self.right, other.right) - x
        height = min(self.bottom, other.bottom) - y
        return Rect(x, y, width, height) if width > 0 and height > 0 else None


@dataclass(frozen=True)
class Placement:
    """Which part of which canvas a picture shows."""

    area: Rect
    """Of the canvas, in its pixels. What `of` makes lies inside it; a shell may give one that
    does not, and crops are clipped all the same."""

    canvas: Size
    """The whole of it."""

    @classmethod
    def of(cls, area: Rect, canvas: Size) -> Placement:
        """What the canvas shows of a layer: read this part of it, so that crops keep their shape.

        Raises:
            NothingToCrop: nothing of it.
        """
        seen = area.intersect(Rect(0, 0, *canvas))
        if seen is None:
            raise NothingToCrop(
                _("This layer has no pixels inside the image. Choose another layer.")
            )
        return cls(seen, canvas)

    @classmethod
    def of_canvas(cls, canvas: Size) -> Placement:
        """The whole canvas."""
        return cls(Rect(0, 0, *canvas), canvas)

    @property
    def is_whole_canvas(self) -> bool:
        """The picture shows all of the canvas and no more."""
        return self.area == Rect(0, 0, *self.canvas)

    def crop(self, crop_px: Sequence[int]) -> Rect:
        """A crop of the picture on the canvas: clipped to both, at least one pixel.

        Args:
            crop_px: Left, top, right, bottom in pixels of ``area``.
        """
        left, top, right, bottom = crop_px
        area, canvas = self.area, self.canvas
        x, width = _span(left, right, area.x, area.width_px, canvas.width_px)
        y, height = _span(top, bottom, area.y, area.height_px, canvas.height_px)
        return Rect(x, y, width, height)

    def in_thumbnail(self, rect: Rect, thumbnail: Size) -> Rect:
        """Where a rectangle of the canvas is in a reduced copy of the picture."""
        x, width = _scaled(rect.x - self.area.x, rect.width_px, self.area.width_px, thumbnail[0])
        y, height = _scaled(rect.y - self.area.y, rect.height_px, self.area.height_px, thumbnail[1])
        return Rect(x, y, width, height)


def fit(size: Size, box: Size) -> Size:
    """The largest size of the same shape that fits in a box; never enlarged, at least 1 x 1."""
    scale = min(1.0, box.width_px / size.width_px, box.height_px / size.height_px)
    return Size(
        max(1, min(box.width_px, round(size.width_px * scale))),
        max(1, min(box.height_px, round(size.height_px * scale))),
    )


def _span(low: int, high: int, offset: int, length: int, limit: int) -> tuple[int, int]:
    """One axis of a crop -> where it begins on the canvas, and how long it is there."""
    start = offset + min(max(low, 0), length - 1)
    end = offset + min(max(high, 0), length)
    start = min(max(start, 0), limit - 1)
    return start, max(1, min(end, limit) - start)


def _scaled(start: int, length: int, whole: int, new_whole: int) -> tuple[int, int]:
    """One axis of a rectangle after its whole has been scaled."""
    first = min(max(round(start * new_whole / whole), 0), new_whole - 1)
    last = min(max(round((start + length) * new_whole / whole), first + 1), new_whole)
    return first, last - first
