"""Box formats and box arithmetic, in NumPy; `tensor_boxes` has what gradients flow through.

A box is normalised to its image (0..1 of width and height) unless a name ends in ``_px``. The
format is in the name: ``xyxy`` is left, top, right, bottom; ``cxcywh`` is centre and size.
"""

from __future__ import annotations

import numpy as np

from .arrays import FloatArray, IntArray, descending

WHOLE_IMAGE_XYXY = (0.0, 0.0, 1.0, 1.0)


def as_boxes(rows: object) -> FloatArray:
    """Rows of four numbers, none included -> [K, 4]."""
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def cxcywh_to_xyxy(boxes_cxcywh: FloatArray) -> FloatArray:
    """[..., 4] centre and size -> [..., 4] corners."""
    centre, half = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def xyxy_to_cxcywh(boxes_xyxy: FloatArray) -> FloatArray:
    """[..., 4] corners -> [..., 4] centre and size."""
    low, high = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=-1)


def area(boxes_xyxy: FloatArray) -> FloatArray:
    """[..., 4] -> [...] area; a box turned inside out has none."""
    size = np.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0)
    result: FloatArray = size[..., 0] * size[..., 1]
    return result


def intersection(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """[A, 4] and [B, 4] -> [A, B] area that each pair shares."""
    # Edge by edge and not as pairs of numbers: with many pairs that is several times faster.
    x0, y0, x1, y1 = boxes_xyxy.T[:, :, None]
    other_x0, other_y0, other_x1, other_y1 = others_xyxy.T[:, None, :]
    width = np.minimum(x1, other_x1) - np.maximum(x0, other_x0)
    height = np.minimum(y1, other_y1) - np.maximum(y0, other_y0)
    result: FloatArray = np.maximum(width, 0) * np.maximum(height, 0)
    return result


def iou(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """[A, 4] and [B, 4] -> [A, B] intersection over union, 0 where both are empty."""
    shared = intersection(boxes_xyxy, others_xyxy)
    union = area(boxes_xyxy)[:, None] + area(others_xyxy)[None, :] - shared
    return shared / np.maximum(union, 1e-12)


def coverage(boxes_xyxy: FloatArray, by_xyxy: FloatArray) -> FloatArray:
    """[A, 4] and [B, 4] -> [A, B] share of each box's area that lies in each other box."""
    return intersection(boxes_xyxy, by_xyxy) / np.maximum(area(boxes_xyxy)[:, None], 1e-12)


def union_box(boxes_xyxy: FloatArray) -> FloatArray:
    """[K, 4], K >= 1 -> [4] the smallest box around all of them."""
    return np.concatenate([boxes_xyxy[:, :2].min(axis=0), boxes_xyxy[:, 2:].max(axis=0)])


def clip_to_image(boxes_xyxy: FloatArray) -> FloatArray:
    """[..., 4] -> [..., 4] the part of each box that lies in the image."""
    return np.clip(boxes_xyxy, 0.0, 1.0)


def weighted_box_merge(boxes_xyxy: FloatArray, weights: FloatArray, min_iou: float) -> FloatArray:
    """Average each box with those that overlap it.

    Args:
        boxes_xyxy: [K, 4] the boxes.
        weights: [K] more than 0, how much each one counts.
        min_iou: Boxes that overlap by more than this mean the same thing.

    Returns:
        [K, 4] the averages; a box that overlaps no other, and an empty one, is as it was.
    """
    is_alike = iou(boxes_xyxy, boxes_xyxy) > min_iou
    np.fill_diagonal(is_alike, True)
    votes = is_alike * weights  # [K, K]
    result: FloatArray = votes @ boxes_xyxy / votes.sum(axis=1, keepdims=True)
    return result


def non_maximum_suppression(
    boxes_xyxy: FloatArray, scores: FloatArray, max_iou: float, max_count: int | None = None
) -> IntArray:
    """Keep the best box of every cluster of overlapping ones.

    Args:
        boxes_xyxy: [K, 4] the boxes.
        scores: [K] how good each one is.
        max_iou: a box that overlaps a better, kept one by more than this is dropped.
        max_count: stop after this many.

    Returns:
        [kept] int64 indices, best first; equal scores keep their order.
    """
    order = descending(scores)
    is_free = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    for index in order.tolist():
        if max_count is not None and len(kept) >= max_count:
            break
        if is_free[index]:
            kept.append(index)
            is_free &= iou(boxes_xyxy[index, None], boxes_xyxy)[0] <= max_iou
    return np.array(kept, dtype=np.int64)
