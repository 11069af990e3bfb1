"""Candidates: the frames that a crop could have, before anyone judges them.

They keep the union box (with air around it) or as much of it as the constraints allow, over
positions, sizes and aspect ratios. Aspect ratios are width over height in pixels; frames are
normalised, so a frame of ratio ``r`` in an image of ratio ``a`` is ``r / a`` as wide as high.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, IntArray
from ..boxes import as_boxes, clip_to_image
from ..constraints import Constraints
from .widths import Targets, targets

FREE_ASPECTS = (16 / 9, 3 / 2, 4 / 3, 1.0, 4 / 5, 2 / 3)
"""What is tried beside the image's own ratio when the ratio is free."""

WIDEST = 2.4
"""Where the ratio is free, frames follow the shape of what they hold, up to this ratio."""

FILLED = 0.5
"""A box with air of more than this share of the photo leaves room for few ratios, so one between
its own and the photo's is tried too."""

AIR = 0.08
"""Least air around the union box, in units of the mean of its sides in pixels."""

HEAD_AIR = 0.12
"""The same above it: people hate cut heads."""

TOUCHES = 0.01
"""A box this close to the image's edge, in units of the image, is cut off by the image already."""

_STEPS = 50_000  # to the fourth power it still fits into 64 bits


@dataclass(frozen=True)
class _Grid:
    """How finely the frames of one ratio are laid out."""

    sizes: int
    """Without a union box, from small to as large as possible in equal ratios; with one, from the
    close to the wide target, and the largest."""

    across: tuple[float, ...]
    """Where the union box's centre lies in the frame; 0 and 1 stand for as far as it can go."""

    down: tuple[float, ...]
    """The same from top to bottom; a bit below the middle is natural."""


FREE_GRID = _Grid(6, (0.38, 1 / 2, 0.62), (0.4, 0.5, 0.6))
FIXED_GRID = _Grid(11, (0.0, 1 / 3, 1 / 2, 2 / 3, 1.0), (0.0, 0.4, 0.5, 0.6, 1.0))
"""Few frames of each of many ratios, or many frames of one: a few hundred in both cases."""

MIN_SIZE = 0.15
"""Smallest frame round a tiny union box, in units of the largest one of its ratio."""

GENERAL_MIN_SIZE = 0.55
"""Smallest frame without a union box, in the same units."""


def candidates(
    union_box_xyxy: FloatArray | None,
    constraints: Constraints,
    width_px: int,
    height_px: int,
    within_xyxy: FloatArray | None = None,
) -> FloatArray:
    """Frames that could be suggested.

    Every frame lies in the region. With a union box, every frame keeps all of it and some air
    (none where the box touches the image's own edge) as long as the ratio and the region allow;
    where they don't, the frames are as large as they can be and slide along the box.

    Args:
        union_box_xyxy: [4] what must be kept; None for general crops.
        constraints: Ratio and minimum size.
        width_px: Width of the image.
        height_px: Height of the image.
        within_xyxy: [4] the region of the image that frames stay in, all of it by default.

    Returns:
        [F, 4] different frames, at most about 600; none where the region is too small for the
        minimum size.

    Raises:
        InputError: The minimum size is larger than any frame of the image.
    """
    constraints.check_fits(width_px, height_px)
    region = [0.0, 0.0, 1.0, 1.0] if within_xyxy is None else within_xyxy.tolist()
    kept = None if union_box_xyxy is None else _with_air(union_box_xyxy, width_px, height_px)
    ratio = constraints.ratio(width_px, height_px)
    aspects = _free_aspects(width_px / height_px, kept) if ratio is None else [ratio]
    grid = FREE_GRID if ratio is None else FIXED_GRID
    shapes = np.array(aspects, np.float32) * np.float32(
        height_px / width_px
    )  # [A] normalised width over height
    least = (constraints.min_width_px / width_px, constraints.min_height_px / height_px)
    if kept is None or union_box_xyxy is None:
        sizes = _sizes(shapes, region, least, grid.sizes)  # [A * sizes, 2]
        across = _spread(sizes[:, 0], region[0], region[2], len(grid.across))
        down = _spread(sizes[:, 1], region[1], region[3], len(grid.down))
    else:
        box, air = union_box_xyxy.tolist(), kept
        areas = subject_targets(union_box_xyxy, constraints, width_px, height_px).areas
        sizes = _sizes_round(shapes, region, kept, areas, least, grid.sizes)
        across = _place(sizes[:, 0], (box[0], box[2]), air[0::2], region[0::2], grid.across)
        down = _place(sizes[:, 1], (box[1], box[3]), air[1::2], region[1::2], grid.down)
    frames = as_boxes(
        np.stack(
            np.broadcast_arrays(
                across[:, :, None],
                down[:, None, :],
                (across + sizes[:, :1])[:, :, None],
                (down + sizes[:, 1:])[:, None, :],
            ),
            axis=-1,
        )
    )  # [F, 4]
    # As in check_fits, half a pixel less than asked for is rounded up again.
    half = (0.5 / width_px, 0.5 / height_px)
    is_large = frames[:, 2] - frames[:, 0] >= least[0] - half[0] - 1e-6
    is_large &= frames[:, 3] - frames[:, 1] >= least[1] - half[1] - 1e-6
    return _different(clip_to_image(frames[is_large]))


def fit(
    frames_xyxy: FloatArray, constraints: Constraints, width_px: int, height_px: int
) -> tuple[FloatArray, IntArray]:
    """Bring frames from elsewhere under the constraints.

    A frame of another ratio keeps its centre and its area as far as the image allows.

    Args:
        frames_xyxy: [F, 4] frames in the image.
        constraints: Ratio and minimum size.
        width_px: Width of the image.
        height_px: Height of the image.

    Returns:
        [K, 4] frames, and [K] int64 which of the given ones they come from: those that are too
        small are left out.
    """
    size_px = np.array([width_px, height_px], np.float32)
    low, high = frames_xyxy[:, :2], frames_xyxy[:, 2:]
    size = high - low
    ratio = constraints.ratio(width_px, height_px)
    if ratio is not None:
        shape = ratio * height_px / width_px  # normalised width over height
        width = np.minimum(np.sqrt(size[:, 0] * size[:, 1] * shape), min(1.0, shape))
        size = np.stack([width, width / shape], axis=1)
        low = np.minimum(np.maximum((low + high - size) / 2, 0), 1 - size)
    least_px = np.maximum([constraints.min_width_px, constraints.min_height_px], 1) - 0.5
    kept = np.flatnonzero((size * size_px >= least_px).all(axis=1))
    return clip_to_image(np.concatenate([low, low + size], axis=1)[kept]), kept


def subject_targets(
    union_box_xyxy: FloatArray,
    constraints: Constraints,
    width_px: int,
    height_px: int,
) -> Targets:
    """What close, medium and wide crops of [4] a subject are like; see `candidates`."""
    image_aspect = width_px / height_px
    kept = _with_air(union_box_xyxy, width_px, height_px)
    ratio = constraints.ratio(width_px, height_px)
    shape = (_own_aspect(kept, image_aspect) if ratio is None else ratio) / image_aspect
    return targets(
        union_box_xyxy,
        np.array(kept, np.float32),
        shape,
        min(shape, 1 / shape, 1.0) * MIN_SIZE**2,
        is_exact=ratio is not None,
    )


def _different(frames_xyxy: FloatArray) -> FloatArray:
    """[F, 4] -> the frames that differ, sorted, on a fine grid."""
    places = (_STEPS + 1) ** np.arange(3, -1, -1)  # one number for a frame: sorts much faster
    keys = (np.rint(frames_xyxy * _STEPS).astype(np.int64) * places).sum(axis=1)
    keys.sort()  # numpy.unique takes twice as long for so few
    different = keys[np.diff(keys, prepend=-1) > 0]
    steps = different[:, None] // places % (_STEPS + 1)
    result: FloatArray = (steps / _STEPS).astype(np.float32)
    return result


def to_pixels(
    frames_xyxy: FloatArray,
    width_px: int,
    height_px: int,
    aspect: float | None = None,
    min_size_px: tuple[int, int] = (1, 1),
) -> IntArray:
    """Round frames to whole pixels of the image.

    With a ratio, the size is changed by up to a hundredth where that brings the ratio nearer to
    what was asked for: frames of 16:9 come out exact once they are large enough.

    Args:
        frames_xyxy: [F, 4] frames.
        width_px: Width of the image.
        height_px: Height of the image.
        aspect: Width over height that the frames are to have; None to round each edge.
        min_size_px: Least width and height, at most the image's.

    Returns:
        [F, 4] int64 frames in pixels, inside the image, at least one pixel wide and high.
    """
    image_px = (width_px, height_px)
    rows = []
    for x0, y0, x1, y1 in frames_xyxy.tolist():
        wanted = ((x1 - x0) * width_px, (y1 - y0) * height_px)
        if aspect is None:
            x_px = (round(x0 * width_px), round(x1 * width_px))
            y_px = (round(y0 * height_px), round(y1 * height_px))
            size = (x_px[1] - x_px[0], y_px[1] - y_px[0])
        else:
            size = _whole_size(wanted, aspect, image_px, min_size_px)
        size = (
            min(max(size[0], min_size_px[0]), width_px),
            min(max(size[1], min_size_px[1]), height_px),
        )
        left = round((x0 + x1) / 2 * width_px - size[0] / 2)
        top = round((y0 + y1) / 2 * height_px - size[1] / 2)
        left = min(max(left, 0), width_px - size[0])
        top = min(max(top, 0), height_px - size[1])
        rows.append([left, top, left + size[0], top + size[1]])
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _whole_size(
    wanted: tuple[float, float],
    aspect: float,
    image_px: tuple[int, int],
    min_size_px: tuple[int, int],
) -> tuple[int, int]:
    """Whole width and height near the wanted ones, with the ratio as exact as pixels allow."""
    short = 1 if aspect >= 1 else 0  # the other side is rounded: that costs less of the ratio
    middle = round(wanted[short])
    reach = max(1, round(wanted[short] / 100))
    best, best_cost = (1, 1), (math.inf, math.inf)
    for side in range(max(1, middle - reach), middle + reach + 1):
        size = (
            (max(1, round(side * aspect)), side) if short else (side, max(1, round(side / aspect)))
        )
        is_allowed = all(
            low <= length <= high
            for low, length, high in zip(min_size_px, size, image_px, strict=True)
        )
        cost = (abs(math.log(size[0] / size[1] / aspect)), abs(side - wanted[short]))
        if is_allowed and cost < best_cost:
            best, best_cost = size, cost
    if math.isinf(best_cost[0]):  # nothing fits: as near as the image allows
        return round(wanted[0]), round(wanted[1])
    return best


def _free_aspects(image_aspect: float, kept: list[float] | None) -> list[float]:
    """The image's own ratio, and others that differ: the usual ones, that of the box with air."""
    aspects = [image_aspect]
    own = []
    if kept is not None:
        own = [_own_aspect(kept, image_aspect)]
        if (kept[2] - kept[0]) * (kept[3] - kept[1]) > FILLED:  # few other ratios can hold it
            own.append(math.sqrt(own[0] * image_aspect))
    for aspect in (*FREE_ASPECTS, *own):
        if all(abs(math.log(aspect / other)) > 0.04 for other in aspects):
            aspects.append(aspect)
    return aspects


def _own_aspect(kept: list[float], image_aspect: float) -> float:
    """Width over height of the box with air, in pixels, within limits."""
    aspect = (kept[2] - kept[0]) / max(kept[3] - kept[1], 1e-6) * image_aspect
    return min(max(aspect, 1 / WIDEST), WIDEST)


def _with_air(box_xyxy: FloatArray, width_px: int, height_px: int) -> list[float]:
    """[4] -> the box with air around it, inside the image; no air where the image cuts the box."""
    x0, y0, x1, y1 = clip_to_image(box_xyxy).tolist()
    side_px = ((x1 - x0) * width_px + (y1 - y0) * height_px) / 2
    across, below, above = (
        AIR * side_px / width_px,
        AIR * side_px / height_px,
        HEAD_AIR * side_px / height_px,
    )
    return [
        0.0 if x0 < TOUCHES else max(0.0, x0 - across),
        0.0 if y0 < TOUCHES else max(0.0, y0 - above),
        1.0 if x1 > 1 - TOUCHES else min(1.0, x1 + across),
        1.0 if y1 > 1 - TOUCHES else min(1.0, y1 + below),
    ]


def _sizes(
    shapes: FloatArray, region: list[float], least: tuple[float, float], count: int
) -> FloatArray:
    """[A] normalised ratios -> [A * count, 2] width and height, from small to the largest."""
    largest, smallest = _limits(shapes, region, least, GENERAL_MIN_SIZE)
    steps = np.linspace(0, 1, count, dtype=np.float32)
    return _as_sizes(smallest[:, None] * (largest / smallest)[:, None] ** steps, shapes)


def _sizes_round(
    shapes: FloatArray,
    region: list[float],
    kept: list[float],
    areas: FloatArray,
    least: tuple[float, float],
    count: int,
) -> FloatArray:
    """The same for frames that hold what must be kept: from the close area to the wide one."""
    largest, smallest = _limits(shapes, region, least, MIN_SIZE)
    needed = np.maximum(shapes * (kept[3] - kept[1]), kept[2] - kept[0])
    smallest = np.minimum(np.maximum(smallest, needed), largest)
    close, medium, wide = np.log(np.maximum(areas, 1e-9)).tolist()
    below = np.linspace(close, medium, count // 2, endpoint=False)
    steps = np.concatenate([below, np.linspace(medium, wide, count - count // 2)])
    widths = np.sqrt(np.exp(steps) * shapes[:, None]).astype(np.float32)  # [A, count]
    widths = np.clip(widths, smallest[:, None], largest[:, None])
    return _as_sizes(np.concatenate([widths, largest[:, None]], axis=1), shapes)


def _limits(
    shapes: FloatArray, region: list[float], least: tuple[float, float], share: float
) -> tuple[FloatArray, FloatArray]:
    """[A] normalised ratios -> [A] width of the largest frame, and of the smallest one."""
    largest = np.minimum(shapes * (region[3] - region[1]), region[2] - region[0])
    smallest = np.maximum(np.maximum(shapes * least[1], least[0]), largest * share)
    return largest, np.minimum(smallest, largest)


def _as_sizes(widths: FloatArray, shapes: FloatArray) -> FloatArray:
    """[A, N] widths, [A] normalised ratios -> [A * N, 2] width and height."""
    return np.stack([widths, widths / shapes[:, None]], axis=-1).reshape(-1, 2)


def _spread(lengths: FloatArray, start: float, end: float, count: int) -> FloatArray:
    """[L] -> [L, count] starts of frames spread evenly over the region."""
    room = np.maximum(end - start - lengths[:, None], 0)
    result: FloatArray = start + room * np.linspace(0, 1, count, dtype=np.float32)
    return result


def _place(
    lengths: FloatArray,
    box: tuple[float, float],
    kept: list[float],
    region: list[float],
    places: tuple[float, ...],
) -> FloatArray:
    """[L] -> [L, places] starts of frames that hold what must be kept, along one axis.

    Frames that are too short for it slide along it instead, from its start to its end.
    """
    length = lengths[:, None]
    first, last = kept[1] - length, np.full_like(length, kept[0])
    limit = np.maximum(region[1] - length, region[0])
    low = np.minimum(np.maximum(np.minimum(first, last), region[0]), limit)
    high = np.minimum(np.maximum(np.maximum(first, last), region[0]), limit)
    place = np.array(places, np.float32)
    starts = (box[0] + box[1]) / 2 - length * place
    starts = np.where(place == 0, high, np.where(place == 1, low, starts))
    result: FloatArray = np.minimum(np.maximum(starts, low), high)
    return result
