"""How strongly image tokens are ImageNet's classes, for which no boxes were learned."""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, softmax
from .lite_pixels import STRIDES

_MIN_OBJECTNESS = 0.01  # the detector calls few of these things objects
_SAMPLES = 3  # along each side of a box
_STRIDE_PX = STRIDES[-1]


def imagenet_activations(
    logits: FloatArray, boxes_xyxy_px: FloatArray, centres_px: FloatArray, objectness: FloatArray
) -> FloatArray:
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
    flat = np.ascontiguousarray(logits.reshape(len(logits), -1).T)  # [H*W, 1000]
    samples = (np.arange(_SAMPLES, dtype=np.float32) + 0.5) / _SAMPLES  # [3]
    start, end = boxes_xyxy_px[:, :2], boxes_xyxy_px[:, 2:]
    points = start[:, :, None] + (end - start)[:, :, None] * samples  # [K, 2, 3]
    across = _bilinear(points[:, 0], width).mean(axis=1)  # [K, W]
    down = _bilinear(points[:, 1], height).mean(axis=1)  # [K, H]
    over_box = (down[:, :, None] * across[:, None, :]).reshape(len(points), -1) @ flat  # [K, 1000]

    column = np.minimum(centres_px[:, 0] // _STRIDE_PX, width - 1).astype(np.int64)
    row = np.minimum(centres_px[:, 1] // _STRIDE_PX, height - 1).astype(np.int64)
    cells = softmax(flat)  # [H*W, 1000]
    held = (
        _overlap(boxes_xyxy_px[:, 1::2], height)[:, :, None]
        * _overlap(boxes_xyxy_px[:, 0::2], width)[:, None, :]
    )  # [K, H, W]
    holds = held.reshape(len(held), -1) @ cells  # [K, 1000]
    holds /= np.maximum(cells.sum(axis=0), 1e-6)

    # sqrt(p_box * p_cell * holds), p_box without its sum: one root for all of them
    over_box -= over_box.max(axis=1, keepdims=True)
    np.exp(over_box, out=over_box)
    believed = (objectness + np.float32(_MIN_OBJECTNESS)) / over_box.sum(axis=1)
    over_box *= cells[row * width + column]
    over_box *= holds
    over_box *= believed[:, None]
    result: FloatArray = np.sqrt(over_box, out=over_box)
    return result


def _overlap(spans_px: FloatArray, num_cells: int) -> FloatArray:
    """[K, 2] starts and ends -> [K, cells] share of each cell of stride 32 that lies between."""
    start = np.arange(num_cells, dtype=np.float32) * _STRIDE_PX
    end = np.minimum(spans_px[:, 1:], start + _STRIDE_PX)
    result: FloatArray = np.maximum(end - np.maximum(spans_px[:, :1], start), 0) / _STRIDE_PX
    return result


def _bilinear(points_px: FloatArray, num_cells: int) -> FloatArray:
    """[K, S] positions -> [K, S, cells] weights of the cells of stride 32 around each."""
    position = np.clip(points_px / _STRIDE_PX - 0.5, 0, num_cells - 1)
    cells = np.arange(num_cells, dtype=np.float32)
    result: FloatArray = np.maximum(1 - np.abs(position[..., None] - cells), 0)
    return result
