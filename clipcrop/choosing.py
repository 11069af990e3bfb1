"""Which of several alike things a prompt means: the left one, the biggest, the one next to the car.

Boxes are xyxy in shares of the photo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .arrays import BoolArray, FloatArray, IntArray
from .boxes import area, coverage
from .prompt.places import TOUCHING, Place

SAME_PLACE = 0.02
"""Things whose places differ by less are in the same place; the surer one comes first."""

MIN_TOUCHING = 0.3
"""A thing that holds less of what it should have, wear or be in does not touch it."""


def choose(
    boxes_xyxy: FloatArray,
    places: Sequence[Place],
    anchors: Mapping[str, FloatArray],
    max_count: int | None,
) -> list[int] | None:
    """Choose among the boxes that were found for one text.

    Args:
        boxes_xyxy: [K, 4] the surest first; K is at least 1.
        places: what the prompt says about the place; all of it holds.
        anchors: text -> [A, 4] where the other things of the prompt are; one that is not there was
            not found.
        max_count: how many are meant; None for a plural.

    Returns:
        Indices of the chosen boxes, best first; None where the photo has too few such things, or
        none of the others that a place names.
    """
    order = np.arange(len(boxes_xyxy))
    for place in places:
        if place.relation:
            anchor = anchors.get(place.anchor)
            if anchor is None or not len(anchor):
                if place.relation == TOUCHING or len(boxes_xyxy) == 1:
                    continue
                return None
            order = order[_related(boxes_xyxy[order], place.relation, anchor)]
    rank = 1
    for place in places:
        if place.sides:
            distances = np.sum([_SIDES[side](boxes_xyxy[order]) for side in place.sides], axis=0)
            if max_count is None:
                order = order[_on_that_side(boxes_xyxy[order], distances, place)]
                break
            order = order[np.argsort(np.round(distances / SAME_PLACE), kind="stable")]
            rank = max(rank, place.rank)
    if rank > len(order):
        return None
    result: list[int] = order[rank - 1 :][:max_count].tolist()
    return result


def _related(boxes_xyxy: FloatArray, relation: str, anchor_xyxy: FloatArray) -> IntArray:
    """[K, 4], [A, 4] -> indices of the boxes that lie so to the anchor, the nearest first.

    All of them where none does: the anchor may have been found in the wrong place.
    """
    if relation == TOUCHING:
        held = coverage(anchor_xyxy, boxes_xyxy).max(axis=0)  # [K]
        touching = np.flatnonzero(held >= MIN_TOUCHING)
        return touching if len(touching) else np.arange(len(boxes_xyxy))
    gaps = _gaps(boxes_xyxy, anchor_xyxy)
    # The anchor itself, found for another word, is next to nothing.
    same = (coverage(boxes_xyxy, anchor_xyxy) > 0.8) & (coverage(anchor_xyxy, boxes_xyxy).T > 0.8)
    gaps[same] = np.inf
    nearest = gaps.min(axis=1)
    axis, sign = {
        "left of": (0, 1),
        "right of": (0, -1),
        "above": (1, 1),
        "below": (1, -1),
    }.get(relation, (0, 0))
    order = np.argsort(nearest, kind="stable")
    if sign:
        away = _centres(anchor_xyxy)[None, :, axis] - _centres(boxes_xyxy)[:, None, axis]
        is_there: BoolArray = np.any(sign * away > 0, axis=1)
        if is_there.any():
            order = order[is_there[order]]
    return order


def _gaps(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """[K, 4], [A, 4] -> [K, A] the distances between edges; negative where boxes overlap."""
    low = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    high = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    apart = low - high  # [K, A, 2], negative where the sides overlap
    result: FloatArray = np.where(
        (apart <= 0).all(axis=-1), apart.max(axis=-1), np.hypot(*np.moveaxis(apart.clip(0), -1, 0))
    )
    return result


def _centres(boxes_xyxy: FloatArray) -> FloatArray:
    centres: FloatArray = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    return centres


def _from_middle(boxes_xyxy: FloatArray) -> FloatArray:
    """[K, 4] -> [K] distance from the middle one of three and more, from the photo's of two."""
    across = _centres(boxes_xyxy)[:, 0]
    middle = np.median(across) if len(across) > 2 else 0.5
    result: FloatArray = np.abs(across - middle)
    return result


def _depth(boxes_xyxy: FloatArray) -> FloatArray:
    """[K, 4] -> [K] how near a thing is: what is nearer stands lower and is larger."""
    result: FloatArray = boxes_xyxy[:, 3] + np.sqrt(area(boxes_xyxy))
    return result


_SIDES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "left": lambda boxes: _centres(boxes)[:, 0],
    "right": lambda boxes: -_centres(boxes)[:, 0],
    "top": lambda boxes: _centres(boxes)[:, 1],
    "bottom": lambda boxes: -_centres(boxes)[:, 1],
    "middle": _from_middle,
    "front": lambda boxes: -_depth(boxes),
    "back": _depth,
    "biggest": lambda boxes: -np.sqrt(area(boxes)),
    "smallest": lambda boxes: np.sqrt(area(boxes)),
}
"""Side -> boxes [K, 4] -> [K], least for the box that is furthest on that side."""

_HALVES = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}


def _on_that_side(boxes_xyxy: FloatArray, distances: FloatArray, place: Place) -> IntArray:
    """[K, 4], [K] -> indices of those in that half of the photo, or of the nearer half of them."""
    is_there = np.ones(len(boxes_xyxy), dtype=bool)
    for side in place.sides:
        if side in _HALVES:
            axis, sign = _HALVES[side]
            is_there = is_there & (sign * (0.5 - _centres(boxes_xyxy)[:, axis]) >= 0)
        else:
            is_there = is_there & (distances <= np.median(distances))
    chosen = np.flatnonzero(is_there)
    return chosen if len(chosen) else np.argsort(distances, kind="stable")[:1]
