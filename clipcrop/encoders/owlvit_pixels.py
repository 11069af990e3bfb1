"""Images -> the square of normalised pixels that OWL-ViT and OWLv2 look at.

OWL-ViT stretches the image to its square. OWLv2 keeps the proportions: the image lies top left in a
square, the rest is black. So a box of OWLv2 is normalised to that square, not to the image; the
``extents`` say how much of the square the image fills.

The transformers library has image processors that do the same; OWLv2's needs torchvision or scipy,
and takes several times as long. The tests compare the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Of CLIP's training images, by channel, of values 0 to 1; every published OWL model has it."""

STD = (0.26862954, 0.26130258, 0.27577711)
"""Its standard deviation."""


class Pixels(NamedTuple):
    """A batch as the model takes it."""

    values: Tensor
    """[B, 3, side, side] normalised pixels."""

    extents: Tensor
    """[B, 2] share of the square's width and height that the image fills, 0 to 1."""


def stretch_to_square(images: Sequence[Image.Image], side_px: int) -> Pixels:
    """Prepare RGB images for OWL-ViT: bicubic, proportions are lost, nothing is padded."""
    resized = [
        np.asarray(image.resize((side_px, side_px), Image.Resampling.BICUBIC), dtype=np.float32)
        for image in images
    ]
    return Pixels(_normalise(resized), torch.ones(len(images), 2))


def pad_to_square(images: Sequence[Image.Image], side_px: int) -> Pixels:
    """Prepare RGB images for OWLv2: padded right or below, then blurred and resized bilinearly."""
    padded = [_resize_padded(np.asarray(image), side_px) for image in images]
    extents = [(image.width / max(image.size), image.height / max(image.size)) for image in images]
    return Pixels(_normalise(padded), torch.tensor(extents).reshape(-1, 2))


def _normalise(images: list[NDArray[np.float32]]) -> Tensor:
    """[height, width, 3] values 0 to 255, of one size -> [B, 3, height, width]."""
    values = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    mean = torch.tensor(MEAN).view(3, 1, 1)
    std = torch.tensor(STD).view(3, 1, 1)
    return ((values / 255 - mean) / std).contiguous()


def _resize_padded(image: NDArray[np.uint8], side_px: int) -> NDArray[np.float32]:
    """[height, width, 3] -> [side, side, 3], the image in the top left corner of a black square."""
    height, width = image.shape[:2]
    square_px = max(height, width)
    rows = _resize_first_axis(image, square_px, side_px)  # [side, width, 3]
    columns = _resize_first_axis(rows.transpose(1, 0, 2), square_px, side_px)
    return np.ascontiguousarray(columns.transpose(1, 0, 2))


def _resize_first_axis(
    values: NDArray[np.uint8] | NDArray[np.float32], padded_length: int, side_px: int
) -> NDArray[np.float32]:
    """[length, ...] -> [side, ...] as if the axis were padded with zeros to ``padded_length``."""
    indices, weights = _taps(padded_length, side_px)
    length = len(values)
    weights = np.where(indices < length, weights, 0.0).astype(np.float32)
    indices = np.minimum(indices, length - 1)
    flat = values.reshape(length, -1)
    resized = np.zeros((side_px, flat.shape[1]), dtype=np.float32)
    for tap in range(indices.shape[1]):
        resized += weights[:, tap, None] * flat[indices[:, tap]]
    return resized.reshape(side_px, *values.shape[1:])


def _taps(length: int, side_px: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which input pixels make each output pixel: a Gaussian blur, then linear interpolation.

    The blur is as wide as the reduction asks for, and cut off at four standard deviations; both
    steps see the input mirrored about its first and last pixel, as OWLv2's own preparation does.

    Returns:
        [side, K] indices and [side, K] weights, each row's sum 1.
    """
    reduction = length / side_px
    sigma_px = max(0.0, (reduction - 1) / 2)
    radius = int(4 * sigma_px + 0.5)
    offsets = np.arange(-radius, radius + 1)
    blur = np.exp(-0.5 * (offsets / sigma_px) ** 2) if radius else np.ones(1)
    blur /= blur.sum()

    centres = (np.arange(side_px) + 0.5) * reduction - 0.5
    left = np.floor(centres)
    share_right = (centres - left)[:, None]
    weights = (1 - share_right) * np.append(blur, 0) + share_right * np.insert(blur, 0, 0)
    indices = left.astype(np.int64)[:, None] + np.arange(-radius, radius + 2)  # [side, K]

    period = max(1, 2 * (length - 1))
    indices = np.abs(indices) % period
    return np.minimum(indices, period - indices) % length, weights
