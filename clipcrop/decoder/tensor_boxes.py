"""Box arithmetic in PyTorch, for the decoder, for training and for CAGIC's gradients.

Formats are those of `clipcrop.boxes`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """[..., 4] centre and size -> [..., 4] corners."""
    cx, cy, width, height = boxes_cxcywh.unbind(-1)
    return torch.stack([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2], dim=-1)


def xyxy_to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    """[..., 4] corners -> [..., 4] centre and size."""
    x0, y0, x1, y1 = boxes_xyxy.unbind(-1)
    return torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], dim=-1)


def area(boxes_xyxy: Tensor) -> Tensor:
    """[..., 4] -> [...] area; a box turned inside out has none."""
    size = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clamp(min=0)
    return size[..., 0] * size[..., 1]


def intersection(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """[A, 4] and [B, 4] -> [A, B] area that each pair shares."""
    top_left = torch.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])  # [A, B, 2]
    bottom_right = torch.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    size = (bottom_right - top_left).clamp(min=0)
    return size[..., 0] * size[..., 1]


def iou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """[A, 4] and [B, 4] -> [A, B] intersection over union, 0 where both are empty."""
    shared = intersection(boxes_xyxy, others_xyxy)
    union = area(boxes_xyxy)[:, None] + area(others_xyxy)[None, :] - shared
    return shared / union.clamp(min=1e-12)


def iou_of_pairs(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """[..., 4] and [..., 4], which broadcast -> [...] intersection over union of each pair."""
    shared, union = _shared_and_union(boxes_xyxy, others_xyxy)
    return shared / union


def generalised_iou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> Tensor:
    """[..., 4] and [..., 4], which broadcast -> [...] GIoU of each pair, -1 to 1.

    As large as the IoU where two boxes fill the smallest box round them, less where they don't: it
    says how far apart they are even if they share nothing.
    """
    shared, union = _shared_and_union(boxes_xyxy, others_xyxy)
    x0, y0, x1, y1 = boxes_xyxy.unbind(-1)
    other_x0, other_y0, other_x1, other_y1 = others_xyxy.unbind(-1)
    width = (torch.maximum(x1, other_x1) - torch.minimum(x0, other_x0)).clamp(min=0)
    height = (torch.maximum(y1, other_y1) - torch.minimum(y0, other_y0)).clamp(min=0)
    hull = (width * height).clamp(min=1e-6)
    return shared / union - (hull - union) / hull


def _shared_and_union(boxes_xyxy: Tensor, others_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    # Side by side and not as pairs of numbers: with many pairs that is several times faster.
    x0, y0, x1, y1 = boxes_xyxy.unbind(-1)
    other_x0, other_y0, other_x1, other_y1 = others_xyxy.unbind(-1)
    width = (torch.minimum(x1, other_x1) - torch.maximum(x0, other_x0)).clamp(min=0)
    height = (torch.minimum(y1, other_y1) - torch.maximum(y0, other_y0)).clamp(min=0)
    shared = width * height
    return shared, (area(boxes_xyxy) + area(others_xyxy) - shared).clamp(min=1e-6)


def coverage(boxes_xyxy: Tensor, by_xyxy: Tensor) -> Tensor:
    """[A, 4] and [B, 4] -> [A, B] share of each box's area that lies in each other box."""
    return intersection(boxes_xyxy, by_xyxy) / area(boxes_xyxy)[:, None].clamp(min=1e-12)


def clip_to_image(boxes_xyxy: Tensor) -> Tensor:
    """[..., 4] -> [..., 4] the part of each box that lies in the image."""
    return boxes_xyxy.clamp(0.0, 1.0)
