"""Mosaics: a photo among others, only one of which is asked for (the paper's 3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..decoder.tensor_boxes import coverage, intersection
from .config import TileFilter

HALF = 0.5
"""Share of an area from which a box counts as inside, or as large enough."""


def compose(target: Image.Image, others: Sequence[Image.Image], place: int) -> Image.Image:
    """Lay photos out in a square of equal tiles, as many across as down.

    The tiles have the shape of the target, so that none of its crops is lost; the other photos,
    whose crops don't count, are cut to fill theirs.

    Args:
        target: The photo that is asked for.
        others: As many photos as the square has other tiles: 0, 3, 8, ...
        place: Which tile the target takes, counted row by row.
    """
    side = tiles_across(1 + len(others))
    width_px, height_px = target.size
    canvas = Image.new("RGB", (side * width_px, side * height_px))
    shown = [ImageOps.fit(other, target.size) for other in others]
    shown.insert(place, target)
    for number, image in enumerate(shown):
        canvas.paste(image, (number % side * width_px, number // side * height_px))
    return canvas


def into_tile(boxes_xyxy: Tensor, place: int, side: int) -> Tensor:
    """[..., 4] boxes of a photo -> [..., 4] where they are in the mosaic that holds it."""
    corner = torch.tensor([place % side, place // side] * 2)
    return (boxes_xyxy + corner) / side


def tiles_across(count: int) -> int:
    """Tiles on a side of a square of so many.

    Raises:
        ValueError: No square has so many.
    """
    side = math.isqrt(max(0, count))
    if side < 1 or side * side != count:
        raise ValueError(f"a mosaic is a square of 1, 4, 9, ... tiles, got {count}")
    return side


def keeps(initial_boxes_xyxy: Tensor, best_crop_xyxy: Tensor, rule: TileFilter) -> Tensor:
    """Which initial boxes may belong to the target, and not to a look-alike in another tile.

    The paper drops boxes that "are far from the box with the highest quality score in the target
    image or contain less than half the area of that box". To the letter the second half drops
    nearly every object, since crops are larger than what they show; so by default it is
    read as half of the initial box's own area. Far is a box whose centre lies outside.

    Args:
        initial_boxes_xyxy: [K, 4] boxes.
        best_crop_xyxy: [4] the target's best crop, in the same image.
        rule: Which reading.

    Returns:
        [K] bool.
    """
    if rule == "none":
        return torch.ones(len(initial_boxes_xyxy), dtype=torch.bool)
    crop = best_crop_xyxy[None]
    centres = (initial_boxes_xyxy[:, :2] + initial_boxes_xyxy[:, 2:]) / 2
    is_near = ((centres >= crop[:, :2]) & (centres <= crop[:, 2:])).all(dim=1)
    if rule == "literal":
        shared = intersection(initial_boxes_xyxy, crop)[:, 0]
        crop_area = intersection(crop, crop)[0, 0]
        return is_near & (shared >= HALF * crop_area)
    return is_near & (coverage(initial_boxes_xyxy, crop)[:, 0] >= HALF)
