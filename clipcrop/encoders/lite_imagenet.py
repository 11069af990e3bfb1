"""How strongly image tokens are ImageNet's classes, for which no boxes were learned."""

from __future__ import annotations

import torch
from torch import Tensor

from .lite_network import STRIDES

_MIN_OBJECTNESS = 0.01  # the detector calls few of these things objects
_SAMPLES = 3  # along each side of a box
_STRIDE_PX = STRIDES[-1]


def imagenet_activations(
    logits: Tensor, boxes_xyxy_px: Tensor, centres_px: Tensor, objectness: Tensor
) -> Tensor:
    """[K, 1000] how strongly each token is each ImageNet class.

    A token looks at its own cell and at 3 x 3 points of its box; both must agree (geometric mean).
    A box that holds but a part of what the class has in the image counts less: a church is not one
    of its turrets. A token that is no object at all is believed less, too.

    Args:
        logits: [1000, H, W] of the classifier, stride 32.
        boxes_xyxy_px: [K, 4] in input pixels.
        centres_px: [K, 2] centres of the tokens' cells.
        objectness: [K].
    """
    height, width = logits.shape[1:]
    flat = logits.flatten(1).T  # [H*W, 1000]
    samples = (torch.arange(_SAMPLES, device=logits.device) + 0.5) / _SAMPLES  # [3]
    start, end = boxes_xyxy_px[:, :2], boxes_xyxy_px[:, 2:]
    points = start[:, :, None] + (end - start)[:, :, None] * samples  # [K, 2, 3]
    across = _bilinear(points[:, 0], width).mean(dim=1)  # [K, W]
    down = _bilinear(points[:, 1], height).mean(dim=1)  # [K, H]
    over_box = (down[:, :, None] * across[:, None, :]).flatten(1) @ flat  # [K, 1000]

    column = (centres_px[:, 0] / _STRIDE_PX).long().clamp(max=width - 1)
    row = (centres_px[:, 1] / _STRIDE_PX).long().clamp(max=height - 1)
    log_cells = flat.log_softmax(dim=1)  # [H*W, 1000]

    cells = log_cells.exp()
    held = _overlap(boxes_xyxy_px[:, 1::2], height)[:, :, None] * _overlap(
        boxes_xyxy_px[:, 0::2], width
    ).unsqueeze(1)  # [K, H, W]
    holds = (held.flatten(1) @ cells) / cells.sum(dim=0).clamp(min=1e-6)  # [K, 1000]

    # sqrt(p_box * p_cell), in logarithms: one exponential instead of three passes
    agreed = (0.5 * (over_box.log_softmax(dim=1) + log_cells[row * width + column])).exp()
    believed = (objectness + _MIN_OBJECTNESS).sqrt()[:, None]
    return agreed * holds.sqrt() * believed


def _overlap(spans_px: Tensor, num_cells: int) -> Tensor:
    """[K, 2] starts and ends -> [K, cells] share of each cell of stride 32 that lies between."""
    start = torch.arange(num_cells, device=spans_px.device) * _STRIDE_PX
    end = torch.minimum(spans_px[:, 1:], start + _STRIDE_PX)
    return (end - torch.maximum(spans_px[:, :1], start)).clamp(min=0) / _STRIDE_PX


def _bilinear(points_px: Tensor, num_cells: int) -> Tensor:
    """[K, S] positions -> [K, S, cells] weights of the cells of stride 32 around each."""
    position = (points_px / _STRIDE_PX - 0.5).clamp(0, num_cells - 1)
    cells = torch.arange(num_cells, device=points_px.device)
    return (1 - (position[..., None] - cells).abs()).clamp(min=0)
