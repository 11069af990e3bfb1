"""PyPI's `smartcrop` beside the others: skin, edges and colour, whatever the text.

It was made for thumbnails: its caller names a size, and it chooses where the largest crop of these
proportions lies, or one down to .9 as wide. Two rows give it its best chance:

- with the photo's own proportions and down to half of the sides, since the other methods may choose
  the size as well (its own .9 would leave three to five crops, all nearly the whole photo);
- square, as its program crops without options.

All else is its own default, the 100 pixels of width at which its program analyses included.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass, field

import numpy as np

from ..arrays import FloatArray
from ..boxes import clip_to_image
from ..errors import InputError
from ..imaging.images import LoadedImage

WIDTH_PX = 100
"""Of the thumbnail that is asked for, as in smartcrop's own program."""

LEAST_SCALE, NUM_SCALES = 0.5, 6
"""Smallest crop and number of sizes, where it may choose the size."""


def is_installed() -> bool:
    """Whether the package is there: it is no dependency of ClipCrop."""
    return importlib.util.find_spec("smartcrop") is not None


@dataclass
class SmartCropped:
    """What smartcrop likes best."""

    is_square: bool = False
    needs_text: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Named after the package."""
        self.name = "smartcrop, square" if self.is_square else "smartcrop"

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        """See `Method`."""
        from smartcrop import SmartCrop  # a development dependency

        width_px, height_px = photo.rgb.size
        wanted_px = WIDTH_PX if self.is_square else max(1, round(WIDTH_PX * height_px / width_px))
        sizes = {} if self.is_square else {"min_scale": LEAST_SCALE, "num_scale_steps": NUM_SCALES}
        with np.errstate(divide="ignore", invalid="ignore"):  # its scores of a few pixels
            found = SmartCrop().crop(photo.rgb, WIDTH_PX, wanted_px, **sizes)["crops"]
        known = [crop for crop in found if math.isfinite(crop["score"])]
        if not known:
            raise InputError(
                f"smartcrop knows no crop of a photo of {width_px} x {height_px} pixels"
            )
        ranked = sorted(known, key=lambda crop: crop["score"], reverse=True)
        x, y, width, height = (
            np.array([crop[side] for crop in ranked], np.float32)
            for side in ("x", "y", "width", "height")
        )
        boxes_px = np.stack([x, y, x + width, y + height], axis=1)
        return clip_to_image(boxes_px / np.array([width_px, height_px] * 2, np.float32))
