"""Kinds of people: how much a found person looks like a man, a woman, a boy, a girl, a child.

The network gives maps of evidence for "female" and for "child": one map for each place of a head,
a bust or a body, as position-sensitive pooling has it (R-FCN). Here they are read at the places of
each person's box, so that the cost grows with the people and not with the photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray, sigmoid
from .lite_pixels import STRIDES

_HEAD, _BUST, _BODY = range(3)


class Grid(NamedTuple):
    """Places in a part of a person, row after row."""

    part: int
    """0 the head, 1 the bust, 2 the whole box."""

    rows: int
    columns: int


GRIDS = (
    (Grid(_HEAD, 3, 3),),
    (Grid(_HEAD, 1, 1), Grid(_BUST, 2, 2), Grid(_BODY, 3, 2)),
    (Grid(_BUST, 1, 1), Grid(_BODY, 2, 1)),
)
"""What is looked at on the maps of strides 8, 16 and 32."""

NUM_PLACES = tuple(sum(grid.rows * grid.columns for grid in grids) for grids in GRIDS)
"""Places on the maps of each stride."""

NUM_TRAITS = 2
"""Female, child."""

_HEAD_SHARE_X, _HEAD_SHARE_Y = 0.5, 0.25
"""Of a box: the head of a person whose face is not found is at most so large."""

_HEAD_ASPECT = 1.2
_FACE_REGION = 0.6
"""Of a box's height: a face that lies lower is another person's."""

_EXPECTED_Y = 0.18
"""Of a box's height: where the middle of a face is expected."""

_CHILD_SHARE = 0.5
"""How much being (or not being) a child counts beside being female: children are told from adults
less surely, and a teenager is called a boy as well as a man."""

_BUST_SIDES, _BUST_ABOVE, _BUST_BELOW = 0.5, 0.4, 0.8
"""Of the head's width, height and height: what belongs to the bust beyond the head."""


def person_parts(boxes_xyxy_px: FloatArray, faces_xyxy_px: FloatArray) -> FloatArray:
    """Head, bust and body of people.

    Args:
        boxes_xyxy_px: [K, 4] people, in pixels of the network's input.
        faces_xyxy_px: [F, 4] all faces of the photo, likewise.

    Returns:
        [3, K, 4] xyxy in the same pixels; the bust may reach beyond the photo.
    """
    sizes = boxes_xyxy_px[:, 2:] - boxes_xyxy_px[:, :2]
    width, height = sizes[:, 0], sizes[:, 1]
    head_width = np.minimum(_HEAD_SHARE_X * width, _HEAD_SHARE_Y * height)
    middle = (boxes_xyxy_px[:, 0] + boxes_xyxy_px[:, 2]) / 2
    top = boxes_xyxy_px[:, 1]
    heads = np.stack(
        [middle - head_width / 2, top, middle + head_width / 2, top + _HEAD_ASPECT * head_width],
        axis=1,
    )
    if len(faces_xyxy_px):
        centres = (faces_xyxy_px[:, :2] + faces_xyxy_px[:, 2:]) / 2
        away = centres[None] - np.stack([middle, top + _EXPECTED_Y * height], axis=1)[:, None]
        lies_in = (centres[None] > boxes_xyxy_px[:, None, :2]).all(axis=2)
        lies_in &= centres[None, :, 0] < boxes_xyxy_px[:, None, 2]
        lies_in &= centres[None, :, 1] < (top + _FACE_REGION * height)[:, None]
        distance = np.where(lies_in, (np.abs(away) / sizes[:, None]).sum(axis=2), np.inf)
        nearest = distance.argmin(axis=1)
        has_face = np.isfinite(distance.min(axis=1))
        heads[has_face] = faces_xyxy_px[nearest[has_face]]
    size = heads[:, 2:] - heads[:, :2]
    left = heads[:, 0] - _BUST_SIDES * size[:, 0]
    right = heads[:, 2] + _BUST_SIDES * size[:, 0]
    above = heads[:, 1] - _BUST_ABOVE * size[:, 1]
    below = heads[:, 3] + _BUST_BELOW * size[:, 1]
    busts = np.stack([left, above, right, below], axis=1)
    return np.stack([heads, busts, boxes_xyxy_px]).astype(np.float32)


def place_points(parts: FloatArray, grids: Sequence[Grid]) -> FloatArray:
    """Where a stride's maps are read.

    Args:
        parts: [3, K, 4] from `person_parts`.
        grids: Of that stride.

    Returns:
        [K, P, 2] x and y in pixels, the middle of each place.
    """
    found = []
    for part, rows, columns in grids:
        corner, size = parts[part, :, None, :2], parts[part, :, None, 2:] - parts[part, :, None, :2]
        row, column = np.divmod(np.arange(rows * columns), columns)
        shares = np.stack([(column + 0.5) / columns, (row + 0.5) / rows], axis=1)
        found.append(corner + size * shares.astype(np.float32))
    return np.concatenate(found, axis=1)


class Corners(NamedTuple):
    """The four cells around points, and how much each counts. K people, P places."""

    rows: IntArray
    """[4, K, P]"""

    columns: IntArray
    """[4, K, P]"""

    weights: FloatArray
    """[4, K, P]"""


def corners_of(
    points: FloatArray, stride: int, limit_px: tuple[int, int], map_size: tuple[int, int]
) -> Corners:
    """For reading maps between their cells.

    Args:
        points: [K, P, 2] x and y in pixels.
        stride: Of the map.
        limit_px: Width and height of the photo in the input; points beyond it move to its edge.
        map_size: Rows and columns of the map.
    """
    limits = np.minimum(limit_px, np.array(map_size[::-1]) * stride).astype(np.float32)
    at = np.clip(points, 0, limits) / np.float32(stride) - np.float32(0.5)
    at = np.clip(at, 0, np.array(map_size[::-1], np.float32) - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, np.array(map_size[::-1]) - 1)
    share = at - low
    x0, y0, x1, y1 = low[..., 0], low[..., 1], high[..., 0], high[..., 1]
    right, down = share[..., 0], share[..., 1]
    return Corners(
        np.stack([y0, y0, y1, y1]),
        np.stack([x0, x1, x0, x1]),
        np.stack(
            [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down]
        ).astype(np.float32),
    )


def find_traits(
    maps: Sequence[FloatArray],
    boxes_xyxy_px: FloatArray,
    faces_xyxy_px: FloatArray,
    limit_px: tuple[int, int],
) -> FloatArray:
    """How likely people are female, and how likely they are children.

    Args:
        maps: [T * P, H/s, W/s] evidence at strides 8, 16, 32, the places of one trait together.
        boxes_xyxy_px: [K, 4] people, in pixels of the network's input.
        faces_xyxy_px: [F, 4] all faces of the photo, likewise.
        limit_px: Width and height of the photo in the input.

    Returns:
        [K, T] 0 to 1; T traits: female, child.
    """
    parts = person_parts(boxes_xyxy_px, faces_xyxy_px)
    evidence = np.zeros((NUM_TRAITS, len(boxes_xyxy_px)), np.float32)
    for stride, grids, flat in zip(STRIDES, GRIDS, maps, strict=True):
        by_trait = flat.reshape(NUM_TRAITS, -1, *flat.shape[1:])
        corners = corners_of(place_points(parts, grids), stride, limit_px, flat.shape[1:])
        places = np.arange(by_trait.shape[1])
        for trait in range(NUM_TRAITS):
            values = by_trait[trait][places, corners.rows, corners.columns]  # [4, K, P]
            evidence[trait] += (values * corners.weights).sum(axis=(0, 2))
    return sigmoid(evidence.T)


def kinds_of(traits: FloatArray) -> FloatArray:
    """[K, T] from `find_traits` -> [K, 5] how much each is a man, woman, boy, girl, child."""
    female, child = traits[:, 0], traits[:, 1]
    adult = 1 - _CHILD_SHARE * child
    young = 1 - _CHILD_SHARE * (1 - child)
    male = 1 - female
    return np.stack([male * adult, female * adult, male * young, female * young, child], axis=1)
