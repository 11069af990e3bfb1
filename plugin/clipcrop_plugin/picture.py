"""Pixels that a shell read: 8 bits a channel, sRGB, rows from top to bottom."""

from __future__ import annotations

from dataclasses import dataclass

from clipcrop_wire.messages import Image

from .geometry import Placement, Size, fit

MAX_SIDE_PX = 1024
"""Of what is sent: more takes time and adds no knowledge."""


def reduced_size(width_px: int, height_px: int) -> Size:
    """How large to read an image of this size."""
    return fit(Size(width_px, height_px), Size(MAX_SIDE_PX, MAX_SIDE_PX))


class Raster:
    """Pixels, as an example of what to look for. Not to be changed any more."""

    def __init__(self, pixels: bytes, width_px: int, height_px: int, format: str) -> None:
        """Hash the pixels, which takes milliseconds.

        Args:
            pixels: Rows may have padding, as much in each.
            width_px: At most `MAX_SIDE_PX` is wanted.
            height_px: Likewise.
            format: "gray8", "rgb8", "rgba8" or "bgra8".

        Raises:
            MalformedMessage: so many bytes are not such an image.
        """
        self.pixels = pixels
        self.image = Image.of(pixels, width_px, height_px, format)
        """What they are, for the daemon."""

    @property
    def size(self) -> Size:
        """Of the pixels, reduced as they are."""
        return Size(self.image.width_px, self.image.height_px)


@dataclass(frozen=True)
class Picture:
    """What is to be cropped: pixels, and the part of the canvas that they show."""

    raster: Raster
    placement: Placement

    @classmethod
    def of(
        cls, pixels: bytes, width_px: int, height_px: int, format: str, placement: Placement
    ) -> Picture:
        """From what a shell read; see `Raster`."""
        return cls(Raster(pixels, width_px, height_px, format), placement)
