"""Photos as the lite encoder's network takes them; the same in use and in training.

The network looks at a photo as a grid of cells, at three strides; `cell_grid` is their order.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..arrays import FloatArray

INPUT_PX = 416
"""Side of the square input. Any multiple of 32 works."""

STRIDES = (8, 16, 32)
"""Input pixels a cell stands for, at each level of the pyramid."""

PADDING = 114
"""Grey of what the image does not fill (the teacher's own)."""

_MEAN, _SCALE = 127.0, 128.0  # EfficientNet-Lite's input: about -1..1
_MULTIPLE_PX = max(STRIDES)


class View(NamedTuple):
    """An image laid out for the network."""

    pixels: FloatArray
    """[1, 3, H, W] scaled for the trunk; the sides are multiples of 32, at most 416."""

    width_px: int
    """What the image fills of it, from the top left."""

    height_px: int
    """The same downwards."""

    rgb: NDArray[np.uint8]
    """[height_px, width_px, 3] the image alone, as scaled."""


def letterbox(image: Image.Image) -> View:
    """Scale an RGB image so that its long side is 416 px; pad only to the next multiple of 32."""
    scale = INPUT_PX / max(image.size)
    width_px, height_px = (max(1, round(side * scale)) for side in image.size)
    resized = image.resize((width_px, height_px), Image.Resampling.BILINEAR, reducing_gap=3.0)
    sides = [math.ceil(side / _MULTIPLE_PX) * _MULTIPLE_PX for side in (height_px, width_px)]
    view = np.full((*sides, 3), PADDING, np.uint8)
    rgb = np.asarray(resized)
    view[:height_px, :width_px] = rgb
    return View(to_network_input(view), width_px, height_px, rgb)


def to_network_input(view: NDArray[np.uint8]) -> FloatArray:
    """[H, W, 3] RGB -> [1, 3, H, W] float32, scaled for the trunk."""
    pixels = view.transpose(2, 0, 1).astype(np.float32)
    pixels -= _MEAN
    pixels /= _SCALE
    return np.ascontiguousarray(pixels)[None]


def cell_grid(height_px: int, width_px: int) -> tuple[FloatArray, FloatArray]:
    """All cells of an input of this size, stride 8 first, row after row.

    Returns:
        [N, 2] column and row within the level; [N] stride.
    """
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height_px // stride, : width_px // stride].astype(np.float32)
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full(len(corners[-1]), stride, np.float32))
    return np.concatenate(corners), np.concatenate(strides)
