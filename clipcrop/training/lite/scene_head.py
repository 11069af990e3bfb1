"""The scene head: ADE20K's classes and faces, for every cell of stride 8, from frozen features.

    stride 32, with the mean of the photo -> stride 16 -> stride 8 -> 151 classes
                                                                   -> a face and its box

What lies around a cell is looked at on the two coarse strides only; at stride 8 every cell is on
its own, so training computes a sample of the cells and not all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import hardswish, interpolate

from .network import ConvNorm

NUM_LABELS = 151
"""ADE20K's 150 classes; class 0 is never a label."""

FEATURE_CHANNELS = (40 + 64, 192 + 160, 320 + 256)
"""Trunk's and pyramid's maps joined, at strides 8, 16, 32."""

BOX_UNIT_PX = 32.0
"""Distances to the sides of boxes are learned in units of this."""


class SceneOutput(NamedTuple):
    """Raw predictions for some cells of stride 8."""

    classes: Tensor
    """[..., 151] logits."""

    faces: Tensor
    """[..., 5] logit of a face; logarithms of the distances from the cell's centre to the left,
    top, right and bottom of its box, in units of 32 px."""


class _Around(nn.Module):
    """A residual block: 5 x 5 in each channel, then mix the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.around = ConvNorm(channels, channels, 5, groups=channels)
        self.across = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):  # bfloat16 has no fast gradient of these kernels
            with torch.autocast("cpu", enabled=False):
                around = self.around(x.float())
        else:
            around = self.around(x)
        mixed: Tensor = self.across(around)
        return x + hardswish(mixed)


class _Branch(nn.Module):
    """What is done for one kind of output, cell by cell."""

    def __init__(self, channels: int, inner: int, outputs: int) -> None:
        super().__init__()
        self.mix = ConvNorm(channels, inner)
        self.predict = nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        predicted: Tensor = self.predict(hardswish(self.mix(x)))
        return predicted


class SceneHead(nn.Module):
    """Predictions from the joined maps of trunk and pyramid."""

    def __init__(self, widths: tuple[int, int, int] = (160, 160, 224)) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.lateral = nn.ModuleList(
            ConvNorm(channels, width)
            for channels, width in zip(FEATURE_CHANNELS, widths, strict=True)
        )
        self.whole = nn.Conv2d(coarse, coarse, 1)
        self.coarse_to_middle = ConvNorm(coarse, middle)
        self.middle_to_fine = ConvNorm(middle, fine)
        self.coarse = nn.Sequential(_Around(coarse), _Around(coarse))
        self.middle = nn.Sequential(_Around(middle), _Around(middle))
        self.classes = _Branch(fine, 192, NUM_LABELS)
        self.faces = _Branch(fine, 64, 5)
        nn.init.constant_(self.faces.predict.bias[:1], -3.0)  # type: ignore[index]

    def context(self, stride16: Tensor, stride32: Tensor) -> Tensor:
        """[B, C, H/16, W/16], [B, C', H/32, W/32] -> [B, width, H/16, W/16] for the fine cells."""
        coarse = hardswish(self.lateral[2](stride32))
        coarse = self.coarse(coarse + self.whole(coarse.mean(dim=(2, 3), keepdim=True)))
        from_coarse = interpolate(
            self.coarse_to_middle(coarse), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        middle = self.middle(hardswish(self.lateral[1](stride16) + from_coarse))
        around: Tensor = self.middle_to_fine(middle)
        return around

    def cells(self, fine: Tensor, around: Tensor) -> SceneOutput:
        """Predict some cells.

        Args:
            fine: [P, C, 1, 1] or [B, C, H/8, W/8] features of stride 8.
            around: the context at the same cells.
        """
        x = hardswish(self.lateral[0](fine) + around)
        return SceneOutput(self.classes(x).movedim(1, -1), self.faces(x).movedim(1, -1))

    def forward(self, stride8: Tensor, stride16: Tensor, stride32: Tensor) -> SceneOutput:
        """All cells of stride 8: [B, H/8, W/8, ...]."""
        around = interpolate(
            self.context(stride16, stride32), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return self.cells(stride8, around)


def join_maps(features: Iterable[Tensor], levels: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The head's input: trunk's and pyramid's maps, [B, C, H/s, W/s] at each stride."""
    return tuple(torch.cat(pair, dim=1) for pair in zip(features, levels, strict=True))


def decode_distances(offsets: Tensor, centres_px: Tensor) -> Tensor:
    """Logarithmic distances -> boxes.

    Args:
        offsets: [..., 4] as in `SceneOutput`.
        centres_px: [..., 2] x and y of the cells' centres.

    Returns:
        [..., 4] xyxy in view pixels.
    """
    distances = offsets.clamp(-4.0, 3.0).exp() * BOX_UNIT_PX
    return torch.cat([centres_px - distances[..., :2], centres_px + distances[..., 2:]], dim=-1)
