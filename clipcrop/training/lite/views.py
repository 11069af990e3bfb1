"""Random views of the photos: what teacher and student look at together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...encoders.lite_pixels import PADDING
from .photos import PhotoPool

_MOSAIC_SHARE = 0.45
_MIX_SHARE = 0.08
_LETTERBOX_SHARE = 0.3


def random_view(pool: PhotoPool, rng: np.random.Generator, side_px: int) -> NDArray[np.uint8]:
    """[side, side, 3] RGB: one photo or four, cropped, flipped and recoloured."""
    kind = rng.random()
    if kind < _MOSAIC_SHARE:
        view = _mosaic(pool, rng, side_px)
    else:
        view = _single(pool, rng, side_px)
        if kind > 1 - _MIX_SHARE:
            share = rng.uniform(0.3, 0.5)
            other = _single(pool, rng, side_px)
            view = ((1 - share) * view + share * other).astype(np.uint8)
    return _recolour(view, rng)


def _draw(pool: PhotoPool, rng: np.random.Generator) -> NDArray[np.uint8]:
    return pool.pixels[int(rng.choice(len(pool.pixels), p=pool.weights))]


def _single(pool: PhotoPool, rng: np.random.Generator, side_px: int) -> NDArray[np.uint8]:
    photo = _draw(pool, rng)
    if rng.random() < _LETTERBOX_SHARE:  # as at run time: the whole photo, top-left
        return _letterbox(photo, side_px, rng)
    return _letterbox(_random_crop(photo, rng, 0.15), side_px, rng)


def _mosaic(pool: PhotoPool, rng: np.random.Generator, side_px: int) -> NDArray[np.uint8]:
    """Four photos round a random centre, each cropped to fill its tile."""
    view = np.full((side_px, side_px, 3), PADDING, np.uint8)
    centre_x, centre_y = (int(side_px * rng.uniform(0.3, 0.7)) for _ in range(2))
    for x0, x1 in ((0, centre_x), (centre_x, side_px)):
        for y0, y1 in ((0, centre_y), (centre_y, side_px)):
            crop = _random_crop(_draw(pool, rng), rng, 0.35, aspect=(x1 - x0) / (y1 - y0))
            view[y0:y1, x0:x1] = _resize(crop, x1 - x0, y1 - y0, rng)
    return view


def _random_crop(
    photo: NDArray[np.uint8], rng: np.random.Generator, min_area: float, aspect: float | None = None
) -> NDArray[np.uint8]:
    """A part of the photo, at least this share of it before it is cut to fit."""
    height, width = photo.shape[:2]
    area = rng.uniform(min_area, 1.0) * height * width
    shape = (aspect or width / height) * np.exp(rng.uniform(-0.3, 0.3))
    crop_width = int(np.clip(np.sqrt(area * shape), 16, width))
    crop_height = int(np.clip(np.sqrt(area / shape), 16, height))
    left = int(rng.integers(0, width - crop_width + 1))
    top = int(rng.integers(0, height - crop_height + 1))
    return photo[top : top + crop_height, left : left + crop_width]


def _letterbox(
    photo: NDArray[np.uint8], side_px: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    height, width = photo.shape[:2]
    scale = side_px / max(height, width)
    view = np.full((side_px, side_px, 3), PADDING, np.uint8)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    view[:new_height, :new_width] = _resize(photo, new_width, new_height, rng)
    return view


def _resize(
    photo: NDArray[np.uint8], width: int, height: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Resize, and mirror half of the time."""
    resized = np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))
    return resized[:, ::-1] if rng.random() < 0.5 else resized


def _recolour(view: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, tint and saturation, each a little; padding changes with the rest."""
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.93, 1.07, size=3)
    pixels = view.astype(np.float32)
    saturation = rng.uniform(0.6, 1.4) if rng.random() > 0.05 else 0.0
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    pixels = grey[..., None] + saturation * (pixels - grey[..., None])
    pixels = (pixels - 114.0) * (gain * rng.uniform(0.8, 1.2)).astype(np.float32)
    pixels += np.float32(114.0 + rng.uniform(-20, 20))
    return pixels.clip(0, 255).astype(np.uint8)
