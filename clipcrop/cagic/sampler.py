"""Cutting crops out of a photo so that a loss of their pixels has a gradient with respect to them.

Plain bilinear sampling reads four neighbouring pixels for each pixel of the crop. Where a large
crop is made small, what lies between is never seen, and the gradient says nothing of it. So the
sampler is multi-scale: it reads from a pyramid of ever smaller copies, the two whose pixels are as
large as the crop's, mixed so that nothing jumps while a crop grows.

Axes: R crops (restarts), H and W rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate


@dataclass(frozen=True)
class Pyramid:
    """A photo and its smaller copies, each half as large as the one before."""

    levels: tuple[Tensor, ...]
    """Each [1, 3, H, W], values 0 to 1; all of them cover exactly the photo."""

    @classmethod
    def of_image(cls, image: Image.Image, device: torch.device | str = "cpu") -> Pyramid:
        """Of an image of mode RGB, in float32 on the device where crops are sampled."""
        pixels = torch.from_numpy(np.array(image)).to(device, torch.float32)
        return cls.of_pixels(pixels.permute(2, 0, 1)[None] / 255)

    @classmethod
    def of_pixels(cls, pixels: Tensor) -> Pyramid:
        """Of [1, 3, H, W] pixels, values 0 to 1."""
        levels = [pixels]
        while max(levels[-1].shape[2:]) > 1:
            size = [(length + 1) // 2 for length in levels[-1].shape[2:]]
            levels.append(interpolate(levels[-1], size, mode="bilinear", antialias=True))
        return cls(tuple(levels))

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the photo."""
        height, width = self.levels[0].shape[2:]
        return height, width


def sample(pyramid: Pyramid, boxes_xyxy: Tensor, height: int, width: int) -> Tensor:
    """Cut out crops and stretch each to one size; differentiable with respect to the boxes.

    Args:
        pyramid: The photo.
        boxes_xyxy: [R, 4] crops, normalised, inside the photo, on its device and of its type.
        height: Rows of each crop, as the network takes them.
        width: Columns likewise; the crop's own proportions are not kept.

    Returns:
        [R, 3, height, width] values 0 to 1.
    """
    photo_height, photo_width = pyramid.size_px
    grids = _grids(boxes_xyxy, height, width)
    # Pixels of the photo for each of the crop, in the direction in which there are more.
    steps = torch.maximum(
        (boxes_xyxy[:, 2] - boxes_xyxy[:, 0]) * (photo_width / width),
        (boxes_xyxy[:, 3] - boxes_xyxy[:, 1]) * (photo_height / height),
    )
    depth = steps.clamp(min=1).log2().clamp(max=len(pyramid.levels) - 1)  # [R]
    first, last = int(depth.min().floor()), int(depth.max().ceil())
    crops = torch.zeros(
        len(boxes_xyxy), 3, height, width, dtype=boxes_xyxy.dtype, device=boxes_xyxy.device
    )
    for number in range(first, last + 1):
        share = (1 - (depth - number).abs()).clamp(min=0)  # [R] of this level in each crop
        chosen = share.nonzero()[:, 0]
        level = pyramid.levels[number].expand(len(chosen), -1, -1, -1)
        seen = grid_sample(level, grids[chosen], padding_mode="border", align_corners=False)
        crops = crops.index_add(0, chosen, seen * share[chosen, None, None, None])
    return crops


def _grids(boxes_xyxy: Tensor, height: int, width: int) -> Tensor:
    """[R, 4] -> [R, height, width, 2] where each pixel's centre lies in the photo, -1 to 1."""
    across = (torch.arange(width).to(boxes_xyxy) + 0.5) / width
    down = (torch.arange(height).to(boxes_xyxy) + 0.5) / height
    x0, y0, x1, y1 = (2 * boxes_xyxy - 1).unbind(1)
    xs = x0[:, None] + (x1 - x0)[:, None] * across  # [R, width]
    ys = y0[:, None] + (y1 - y0)[:, None] * down
    return torch.stack(
        [xs[:, None, :].expand(-1, height, -1), ys[:, :, None].expand(-1, -1, width)], dim=-1
    )


@dataclass(frozen=True)
class Crops:
    """Crops of one photo, as the networks and their stand-ins look at them."""

    boxes_xyxy: Tensor
    """[R, 4] where they lie; pixels and boxes alike carry the gradient."""

    pyramid: Pyramid
    """The photo."""

    _sampled: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False)

    def pixels(self, height: int, width: int) -> Tensor:
        """[R, 3, height, width] values 0 to 1; sampled once for each size."""
        if (height, width) not in self._sampled:
            self._sampled[height, width] = sample(self.pyramid, self.boxes_xyxy, height, width)
        return self._sampled[height, width]
