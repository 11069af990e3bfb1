"""Crop parameters: numbers without bounds, each of which means a crop that is allowed.

Four numbers make a crop: where it lies across and down, its shape, its scale. Whatever their
values, it lies inside the photo, has the ratio and at least the size that were asked for; so the
optimiser needs no bounds and nothing is ever cut off or pushed back.

    scale s    between the smallest and 1, evenly in its logarithm; what the schedule anneals
    shape a    width w = s sqrt(f), height h = s / sqrt(f), f between the limits that s leaves
    place p    left = p (1 - w): the crop's own p-th part lies over the photo's

The last has a use: where the scale shrinks and p stays, the crop closes in on one point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..constraints import Constraints

ACROSS, DOWN, SHAPE, SCALE = range(4)
"""Which of the four parameters is which."""

MIN_SCALE = 0.15
"""Crops are not smaller than this share of the largest one's sides, about 2 % of its area."""

MAX_ELONGATION = 3.0
"""Crops of a free ratio are at most three times as wide as high, or as high as wide, unless the
photo is more elongated itself."""

_STARTING_SHAPES = 0.7  # how near to the limits shapes may start: tanh of it


@dataclass(frozen=True, kw_only=True)
class CropSpace:
    """The allowed crops of one photo."""

    largest: tuple[float, float]
    """Width and height of the crop at scale 1, shares of the photo's."""

    min_scale: float
    """The smallest scale, more than 0, at most 1."""

    narrowest: float
    """Least natural logarithm of width over height, both as shares of ``largest``; at most 0."""

    widest: float
    """The greatest one; 0 as the least where the ratio is given."""

    @classmethod
    def of_photo(cls, width_px: int, height_px: int, constraints: Constraints) -> CropSpace:
        """The crops of a photo under constraints.

        With a free ratio and a minimum size, neither the scale's share of the width nor of the
        height gets below the minimum: a few crops that would just do are left out.

        Raises:
            InputError: The minimum size does not fit.
        """
        constraints.check_fits(width_px, height_px)
        photo = width_px / height_px
        ratio = constraints.ratio(width_px, height_px)
        shape = 1.0 if ratio is None else ratio / photo
        largest = min(1.0, shape), min(1.0, 1 / shape)
        least = max(
            constraints.min_width_px / (largest[0] * width_px),
            constraints.min_height_px / (largest[1] * height_px),
        )
        limits = (0.0, 0.0)
        if ratio is None:
            reach = math.log(MAX_ELONGATION)
            limits = min(0.0, -reach - math.log(photo)), max(0.0, reach - math.log(photo))
        return cls(
            largest=largest,
            min_scale=min(1.0, max(MIN_SCALE, least)),
            narrowest=limits[0],
            widest=limits[1],
        )

    def start(self, count: int, seed: int) -> Tensor:
        """[count, 4] float64 parameters spread evenly over places, shapes and scales.

        Args:
            count: How many.
            seed: The same seed gives the same parameters, on every device.
        """
        spread = torch.quasirandom.SobolEngine(4, scramble=True, seed=seed)
        shares = spread.draw(count, dtype=torch.float64).clamp(1e-3, 1 - 1e-3)
        parameters = shares.logit()
        parameters[:, SHAPE] = _STARTING_SHAPES * (2 * shares[:, SHAPE] - 1)
        return parameters

    def boxes(self, parameters: Tensor) -> Tensor:
        """[R, 4] parameters, any numbers -> [R, 4] crops xyxy, normalised."""
        log_scale = math.log(self.min_scale) * torch.sigmoid(-parameters[:, SCALE])
        # Neither side longer than at scale 1, nor shorter than at the smallest scale.
        room = 2 * torch.minimum(-log_scale, log_scale - math.log(self.min_scale)).clamp(min=0)
        narrowest = room.clamp(max=-self.narrowest)
        widest = room.clamp(max=self.widest)
        shape = parameters[:, SHAPE]
        stretch = shape.tanh() * torch.where(shape > 0, widest, narrowest)
        width = self.largest[0] * (log_scale + stretch / 2).exp()
        height = self.largest[1] * (log_scale - stretch / 2).exp()
        left = torch.sigmoid(parameters[:, ACROSS]) * (1 - width)
        top = torch.sigmoid(parameters[:, DOWN]) * (1 - height)
        boxes: Tensor = torch.stack([left, top, left + width, top + height], dim=1)
        return boxes.clamp(0, 1)  # of rounding errors only
