"""Scenery and faces in the network's maps: boxes with scores.

"Sky" and "road" are no objects; what can be found of them are connected parts of the photo.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, largest, sigmoid, softmax
from ..boxes import weighted_box_merge

DOUBTFUL = 0.029
"""What is in doubt scores less than this; how sure it is, `lite_calibration` says."""

_STRIDE_PX = 8  # of the maps

_MIN_PEAK = 0.05  # a class that is nowhere likelier than this is not in the photo
_EXTENT, _CORE = 0.4, 0.5  # of the peak: how far a part reaches, and where it is sure
_MAX_PARTS = 4  # of one class
_SURE_REGION = 0.3  # regions that score less are wrong more often than one time in five

_MIN_FACE = 0.05
_MAX_FACES = 60
_SAME_FACE_IOU = 0.5
_FACE_SHIFT = 1.4  # of the logit: training shows faces more often than photos do
_SURE_FACE = 0.5
_FACE_UNIT_PX = 32.0


class Regions(NamedTuple):
    """What was found of the map's classes. K: connected parts."""

    classes: IntArray
    """[K]"""

    boxes_xyxy: FloatArray
    """[K, 4] normalised to the image."""

    scores: FloatArray
    """[K] 0 to 1."""


def find_regions(logits: FloatArray, width_px: int, height_px: int) -> Regions:
    """The connected parts of each class that is in the image.

    A part reaches as far as its class is at least 0.4 times as likely as at its peak. It scores the
    mean probability of its cells with at least half of that; what is in doubt scores little.

    Args:
        logits: [C, H, W] at stride 8, padding included.
        width_px: Of the image in the view.
        height_px: Of the image in the view.
    """
    probabilities = softmax(logits, axis=0)
    rows, columns = (max(1, round(side / _STRIDE_PX)) for side in (height_px, width_px))
    peaks = probabilities[:, :rows, :columns].max(axis=(1, 2))
    present = np.flatnonzero(peaks >= _MIN_PEAK)
    fine = _twice_as_fine(probabilities[present])
    rows, columns = (max(1, round(2 * side / _STRIDE_PX)) for side in (height_px, width_px))
    maps = fine[:, :rows, :columns]

    peaks = maps.max(axis=(1, 2), keepdims=True)
    reach = maps >= _EXTENT * peaks
    cells = np.flatnonzero(reach)
    found, part = np.unique(label_parts(reach).flat[cells], return_inverse=True)
    plane, row, column = np.unravel_index(cells, reach.shape)
    values = maps.flat[cells]
    is_sure = values >= _CORE * peaks[plane, 0, 0]
    mass = np.bincount(part, weights=values * is_sure, minlength=len(found)).astype(np.float32)
    sure = np.bincount(part, weights=is_sure, minlength=len(found))
    plane_of = np.zeros(len(found), np.int64)
    plane_of[part] = plane
    kept: list[int] = []
    for each in range(len(present)):
        parts = np.flatnonzero((plane_of == each) & (sure > 0))
        kept += parts[largest(mass[parts], _MAX_PARTS)].tolist()
    boxes = np.empty((len(found), 4), np.float32)
    for axis, at, size in ((0, column, columns), (1, row, rows)):
        start, end = np.full(len(found), size), np.zeros(len(found), np.int64)
        np.minimum.at(start, part, at)
        np.maximum.at(end, part, at + 1)
        boxes[:, axis], boxes[:, axis + 2] = start / size, end / size
    scores = _weaken(mass[kept] / np.maximum(sure[kept], 1), _SURE_REGION)
    return Regions(present[plane_of[kept]], boxes[kept], scores.astype(np.float32))


def find_faces(
    predictions: FloatArray, width_px: int, height_px: int
) -> tuple[FloatArray, FloatArray]:
    """Boxes of faces; neighbouring cells may give the same face.

    Args:
        predictions: [5, H, W] at stride 8: a logit; logarithms of the distances from the cell's
            centre to the left, top, right and bottom of the face, in units of 32 px.
        width_px: Of the image in the view.
        height_px: Of the image in the view.

    Returns:
        [K, 4] xyxy normalised to the image; [K] scores.
    """
    rows, columns = np.mgrid[: predictions.shape[1], : predictions.shape[2]]
    centres = np.stack([columns.ravel(), rows.ravel()], axis=1) * _STRIDE_PX + _STRIDE_PX / 2
    flat = predictions.reshape(5, -1).T
    scores = sigmoid(flat[:, 0] - _FACE_SHIFT) * (centres < [width_px, height_px]).all(axis=1)
    kept = largest(scores, _MAX_FACES)
    kept = kept[scores[kept] >= _MIN_FACE]
    distances = np.exp(np.clip(flat[kept, 1:], -4, 3)) * _FACE_UNIT_PX
    boxes_px = np.concatenate(
        [centres[kept] - distances[:, :2], centres[kept] + distances[:, 2:]], axis=1
    )
    boxes = (boxes_px / ([width_px, height_px] * 2)).clip(0, 1).astype(np.float32)
    return (
        weighted_box_merge(boxes, scores[kept], _SAME_FACE_IOU),
        _weaken(scores[kept], _SURE_FACE),
    )


def _weaken(scores: FloatArray, sure: float) -> FloatArray:
    """Let scores below a threshold keep their order, but be low beside those of objects."""
    weakened: FloatArray = np.where(scores < sure, scores * np.float32(DOUBTFUL / sure), scores)
    return weakened


def _twice_as_fine(maps: FloatArray) -> FloatArray:
    """[C, H, W] -> [C, 2 H, 2 W], bilinear between the centres of cells."""
    for _ in range(2):  # columns, then rows
        near, far = 0.75 * maps, 0.25 * maps
        fine = np.repeat(near, 2, axis=2)
        fine[..., 2::2] += far[..., :-1]
        fine[..., 1:-1:2] += far[..., 1:]
        fine[..., 0] += far[..., 0]
        fine[..., -1] += far[..., -1]
        maps = fine.swapaxes(1, 2)
    return maps


def label_parts(classes: NDArray[Any]) -> NDArray[np.int64]:
    """Number the connected parts of classes; cells that share a side are neighbours.

    Args:
        classes: [C, H, W] a class for each cell of each plane, 0 or False for none.

    Returns:
        [C, H, W] a number for each part, the smallest index of its cells plus one; 0 for none.
    """
    cells = np.flatnonzero(classes)  # often few
    is_start = np.ones(classes.shape, np.bool_)  # of a run: neighbours of one class in a row
    is_start[:, :, 1:] = classes[:, :, 1:] != classes[:, :, :-1]
    starts = is_start.flat[cells]
    run_of = np.cumsum(starts)
    runs = np.zeros(classes.shape, np.int64)
    runs.flat[cells] = run_of
    touches = (classes[:, 1:] == classes[:, :-1]) & (classes[:, 1:] != 0)
    low, high = runs[:, :-1][touches], runs[:, 1:][touches]
    parent = np.arange(starts.sum() + 1)
    while len(low):
        np.minimum.at(parent, high, low)  # hook the larger root under the smaller one
        while True:  # let every run point at its root
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
        one, other = parent[low], parent[high]
        differs = one != other
        low, high = np.minimum(one, other)[differs], np.maximum(one, other)[differs]
    parts = np.zeros(classes.shape, np.int64)
    parts.flat[cells] = cells[starts][parent[run_of] - 1] + 1
    return parts
