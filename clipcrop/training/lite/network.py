"""The lite encoder's network: one convolutional trunk, a feature pyramid, dense heads.

    image [B, 3, 416, 416]
      -> Trunk      EfficientNet-Lite0, batch norms folded in: features at strides 8, 16 and 32
      -> Pyramid    top-down, then bottom-up
      -> Heads      for every cell of every stride: objectness, 80 classes, a box
      -> Classifier the trunk's own ImageNet classifier, read at every cell of stride 32

Cells run stride 8 first, row after row, as the teacher's do: a cell of one is the same cell of the
other. Boxes are in the network's input pixels.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

NetworkT = TypeVar("NetworkT", bound=nn.Module)

NUM_COCO = 80
NUM_IMAGENET = 1000

# EfficientNet-Lite0: expansion, output channels, repeats, stride, kernel of each stage.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_NUM_FINE_STAGES = 5  # they end at stride 16 or finer
_STEM_CHANNELS = 32
_CLASSIFIER_CHANNELS = 1280

TRUNK_CHANNELS = (40, 80 + 112, 320)
"""Channels of the trunk's features at each stride; stride 16 joins the ends of two stages."""


class TrunkFeatures(NamedTuple):
    """What the trunk hands to the pyramid and to the classifier."""

    stride8: Tensor
    """[B, 40, H/8, W/8]"""

    stride16: Tensor
    """[B, 192, H/16, W/16]"""

    stride32: Tensor
    """[B, 320, H/32, W/32]"""


class DenseOutput(NamedTuple):
    """Raw predictions for every cell, strides 8, 16 and 32 one after the other."""

    objectness: Tensor
    """[B, N] logits."""

    classes: Tensor
    """[B, N, 80] logits, COCO's order."""

    boxes: Tensor
    """[B, N, 4] centre offset and log size in units of the cell's stride; see `decode_boxes`."""


def same_border(kernel: int, stride: int) -> tuple[int, int, int, int]:
    """Pixels on the left, right, top and bottom, for even sides."""
    before = (kernel - stride) // 2
    after = kernel - stride - before
    return before, after, before, after


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: the odd pixel of stride 2 goes right and below."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            channels_in,
            channels_out,
            kernel,
            stride,
            padding=kernel // 2 if stride == 1 else 0,
            groups=groups,
        )
        self.border = same_border(kernel, stride) if stride > 1 else None

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H/stride, W/stride] for even sides."""
        if self.border is not None:
            input = nn.functional.pad(input, self.border)
        if self.groups > 1 and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu"):
            # In training on the CPU: bfloat16 has no fast gradient of large depthwise kernels.
            with torch.autocast("cpu", enabled=False):
                return super().forward(input.float())
        return super().forward(input)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project: the block that EfficientNet-Lite is made of."""

    def __init__(
        self, channels_in: int, channels_out: int, expansion: int, kernel: int, stride: int
    ):
        super().__init__()
        inner = channels_in * expansion
        self.expand = SameConv(channels_in, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, channels_out, 1)
        self.is_residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H/stride, W/stride]."""
        y = x
        if self.expand is not None:
            y = nn.functional.relu6(self.expand(y), inplace=True)
        y = nn.functional.relu6(self.depthwise(y), inplace=True)
        y = self.project(y)
        return torch.add(x, y) if self.is_residual else y


class Trunk(nn.Module):
    """EfficientNet-Lite0 without its pooling; the batch norms are folded into the convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, _STEM_CHANNELS, 3, stride=2)
        stages = []
        channels = _STEM_CHANNELS
        for expansion, channels_out, repeats, stride, kernel in _STAGES:
            blocks = []
            for index in range(repeats):
                blocks.append(
                    InvertedResidual(
                        channels, channels_out, expansion, kernel, stride if index == 0 else 1
                    )
                )
                channels = channels_out
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> TrunkFeatures:
        """[B, 3, H, W] RGB scaled to about -1..1 -> features at strides 8, 16, 32."""
        x = nn.functional.relu6(self.stem(images), inplace=True)
        ends = []
        for stage in self.stages[:_NUM_FINE_STAGES]:
            x = stage(x)
            ends.append(x)
        stride16 = torch.cat(ends[3:5], dim=1)
        return TrunkFeatures(ends[2], stride16, self.coarsen(stride16))

    def coarsen(self, stride16: Tensor) -> Tensor:
        """[B, 192, H/16, W/16] -> [B, 320, H/32, W/32] through the last two stages."""
        x = stride16[:, -_STAGES[_NUM_FINE_STAGES - 1][1] :]
        for stage in self.coarse_stages():
            x = stage(x)
        return x

    def coarse_stages(self) -> nn.ModuleList:
        """The stages that end at stride 32."""
        return self.stages[_NUM_FINE_STAGES:]


class Classifier(nn.Module):
    """The trunk's ImageNet classifier as 1 x 1 convolutions: class logits at every cell."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Conv2d(_STAGES[-1][1], _CLASSIFIER_CHANNELS, 1)
        self.classify = nn.Conv2d(_CLASSIFIER_CHANNELS, NUM_IMAGENET, 1)

    def forward(self, stride32: Tensor) -> Tensor:
        """[B, 320, H, W] -> [B, 1000, H, W] logits."""
        widened: Tensor = nn.functional.relu6(self.widen(stride32), inplace=True)
        logits: Tensor = self.classify(widened)
        return logits


class ConvNorm(nn.Sequential):
    """A convolution and its batch norm, which are folded into one for use."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(
                channels_in,
                channels_out,
                kernel,
                stride,
                padding=kernel // 2,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(channels_out),
        )


class DepthwiseBlock(nn.Module):
    """A residual block: look around in each channel (3 x 3), then mix the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.around = ConvNorm(channels, channels, 3, groups=channels)
        self.across = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        return x + nn.functional.hardswish(self.across(self.around(x)))


class Pyramid(nn.Module):
    """Carry what the coarse levels know down to the fine ones, and back up."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        fine, middle, coarse = widths
        self.lateral = nn.ModuleList(
            ConvNorm(channels, width)
            for channels, width in zip(TRUNK_CHANNELS, widths, strict=True)
        )
        self.coarse_to_middle = ConvNorm(coarse, middle)
        self.middle_to_fine = ConvNorm(middle, fine)
        self.fine_to_middle = ConvNorm(fine, middle, 3, stride=2)
        self.middle_to_coarse = ConvNorm(middle, coarse, 3, stride=2)
        self.down = nn.ModuleList(
            [
                DepthwiseBlock(fine),
                DepthwiseBlock(middle),
                nn.Sequential(DepthwiseBlock(coarse), DepthwiseBlock(coarse)),
            ]
        )
        self.up = nn.ModuleList([DepthwiseBlock(middle), DepthwiseBlock(coarse)])

    def forward(self, features: TrunkFeatures) -> tuple[Tensor, Tensor, Tensor]:
        """Trunk features -> one map a stride, [B, width, H/stride, W/stride]."""
        fine, middle, coarse = (
            nn.functional.hardswish(lateral(feature))
            for lateral, feature in zip(self.lateral, features, strict=True)
        )
        coarse = self.down[2](coarse)
        middle = self.down[1](middle + _twice_as_fine(self.coarse_to_middle(coarse)))
        fine = self.down[0](fine + _twice_as_fine(self.middle_to_fine(middle)))
        middle = self.up[0](middle + self.fine_to_middle(fine))
        coarse = self.up[1](coarse + self.middle_to_coarse(middle))
        return fine, middle, coarse


def _twice_as_fine(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


class Head(nn.Module):
    """The predictions of one level: what it is and where it is, told apart by two branches."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.what = nn.Sequential(*(DepthwiseBlock(width) for _ in range(depth)))
        self.where = nn.Sequential(*(DepthwiseBlock(width) for _ in range(depth)))
        self.classes = nn.Conv2d(width, NUM_COCO, 1)
        self.box_and_objectness = nn.Conv2d(width, 5, 1)
        # A cell is empty until something says otherwise: one in a hundred is not.
        nn.init.constant_(self.classes.bias, -4.6)  # type: ignore[arg-type]
        nn.init.zeros_(self.box_and_objectness.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.box_and_objectness.bias[4:], -4.6)  # type: ignore[index]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[B, width, H, W] -> [B, H*W, 80] class logits; [B, H*W, 5] box and objectness."""
        classes = self.classes(self.what(x)).flatten(2).transpose(1, 2)
        where = self.box_and_objectness(self.where(x)).flatten(2).transpose(1, 2)
        return classes, where


class LiteNetwork(nn.Module):
    """The whole network."""

    def __init__(
        self,
        widths: tuple[int, int, int] = (64, 160, 256),
        head_depths: tuple[int, int, int] = (2, 3, 3),
    ) -> None:
        super().__init__()
        self.trunk = Trunk()
        self.classifier = Classifier()
        self.pyramid = Pyramid(widths)
        self.heads = nn.ModuleList(
            Head(width, depth) for width, depth in zip(widths, head_depths, strict=True)
        )

    def detect(self, features: TrunkFeatures) -> tuple[DenseOutput, tuple[Tensor, Tensor, Tensor]]:
        """Trunk features -> predictions of all cells, and the pyramid's maps behind them."""
        levels = self.pyramid(features)
        pairs = [head(level) for head, level in zip(self.heads, levels, strict=True)]
        classes = torch.cat([classes for classes, _ in pairs], dim=1)
        where = torch.cat([where for _, where in pairs], dim=1)
        return DenseOutput(where[..., 4], classes, where[..., :4]), levels


def decode_boxes(boxes: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """Cell-relative boxes -> [..., N, 4] cxcywh in input pixels.

    Args:
        boxes: [..., N, 4] as in `DenseOutput`.
        corners: [N, 2] column and row of each cell, from `lite_pixels.cell_grid`.
        strides: [N] stride of each cell.
    """
    centres = (boxes[..., :2] + corners) * strides[:, None]
    sizes = boxes[..., 2:].clamp(max=8.0).exp() * strides[:, None]
    return torch.cat([centres, sizes], dim=-1)


def channels_last(network: NetworkT) -> NetworkT:
    """Lay the weights out as the convolutions run fastest on CPUs."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def fold_norms(network: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it, in place; not for training any more."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    network.eval()
    for module in network.modules():
        if isinstance(module, ConvNorm) and isinstance(module[1], nn.BatchNorm2d):
            module[0] = fuse_conv_bn_eval(module[0], module[1])  # type: ignore[type-var]
            module[1] = nn.Identity()
    return network
