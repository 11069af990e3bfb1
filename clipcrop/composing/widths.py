"""How wide the crops of a subject are: close, medium and wide.

The words that people use for a crop of a thing say how much of its surroundings they want. Each
width has a *target*: the box round the subject, grown about its centre to the area that such crops
have. Frames near a target have its width, and composition chooses among them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray
from ..boxes import area, clip_to_image, iou

USUAL_POWER = 0.57
"""Crops take the share of the photo that the box of what they are for takes, to this power: seven
times the box of a thing of .01, 2.7 times that of one of .1, the photo where a thing fills it.

Two published figures lead to it. Crops that people draw for a description take .29 of the photo on
average (the CAGIC poster: the original photo has an IoU of .2869 with them), and are about 2.2
times the object's box (the ClipCrop paper, Table 1: OWL-ViT's bare box has an IoU of .41 with them,
wrong boxes included). Both at once, and a photo that is kept where a thing fills it, would be .61.
`tests/benchmarks/crop_sizes.py` on training photos, for .55 to .70: lower powers come nearer to
.29 of the photo, higher ones to 2.2 times the box. Neither figure is given by how many things were
asked for, so their number plays no part beside the box round all of them.
"""

MIN_USUAL = 1e-4
"""Smaller boxes have the usual area of a box of this share."""

CLOSE_GROWTH = 1.9
"""A close crop has so many times the area of the subject..."""

CLOSE_TIMES = 0.65
"""...but at most so many times the usual area, if the subject and its air fit in."""

WIDE_TIMES = 2.0
"""A wide crop has so many times the usual area, if the photo is so large..."""

FORCED_WIDE_TIMES = 1.6
"""...and at least so many times the area of a medium one that the ratio has made larger."""

DISTINCT_TIMES = 1.3
"""Widths whose areas differ by less than this factor are one."""

FREE_IOU = 0.85
"""Frames with at least this IoU with a target are judged by composition alone..."""

IOU_SPREAD = 0.15
"""...and so much below it, quality is halved."""

OTHER_WIDTH = 0.9
"""What the quality of the widths that were not asked for is multiplied with."""


class Targets(NamedTuple):
    """Close, medium, wide."""

    boxes_xyxy: FloatArray
    """[3, 4] boxes that frames of each width are like."""

    areas: FloatArray
    """[3] their areas before they are cut at the photo's edges; they never fall."""

    def width_of(self, frames_xyxy: FloatArray) -> IntArray:
        """[F, 4] -> [F] index of the width of each frame, by its area."""
        close, medium, wide = np.maximum(area(self.boxes_xyxy), 1e-9).tolist()
        sizes = area(frames_xyxy)
        result = np.ones(len(frames_xyxy), np.int64)
        if medium > close * DISTINCT_TIMES:
            result[sizes < (close * medium) ** 0.5] = 0
        if wide > medium * DISTINCT_TIMES:
            result[sizes > (medium * wide) ** 0.5] = 2
        return result

    def likeness(self, frames_xyxy: FloatArray, wanted: int) -> FloatArray:
        """How much each frame is like the target of its width.

        Args:
            frames_xyxy: [F, 4] frames.
            wanted: Index of the width that is asked for.

        Returns:
            [F] 0 to 1.
        """
        widths = self.width_of(frames_xyxy)
        overlaps = iou(self.boxes_xyxy, frames_xyxy)[widths, np.arange(len(widths))]
        strain = np.maximum(FREE_IOU - overlaps, 0) / IOU_SPREAD
        result: FloatArray = np.where(widths == wanted, 1.0, OTHER_WIDTH) / (1 + np.square(strain))
        return result.astype(np.float32)


def usual_area(union_box_xyxy: FloatArray) -> float:
    """[4] -> the share of the photo that people's crops of it take."""
    return float(max(float(area(union_box_xyxy)), MIN_USUAL) ** USUAL_POWER)


def targets(
    union_box_xyxy: FloatArray,
    kept_xyxy: FloatArray,
    shape: float,
    least_area: float = 0.0,
    *,
    is_exact: bool = False,
) -> Targets:
    """What close, medium and wide are for a subject.

    Args:
        union_box_xyxy: [4] the smallest box round what was asked for.
        kept_xyxy: [4] the same with the least air.
        shape: Normalised width over height of the targets.
        least_area: Of the smallest frame that is tried.
        is_exact: At the photo's edges targets are moved inside; else they are cut there.
    """
    kept_size = kept_xyxy[2:] - kept_xyxy[:2]
    height = max(float(kept_size[1]), float(kept_size[0]) / shape)
    largest = min(shape, 1 / shape) if is_exact else 1.0
    usual, box_area = usual_area(union_box_xyxy), float(area(union_box_xyxy))
    least = min(max(height * height * shape, least_area), largest)
    close = min(box_area * CLOSE_GROWTH, usual * CLOSE_TIMES)
    medium = min(max(usual, least), largest)
    wide = max(usual * WIDE_TIMES, medium * FORCED_WIDE_TIMES)
    areas = np.array([min(max(close, least), medium), medium, min(wide, largest)], np.float32)
    half = np.sqrt(areas[:, None] * [[shape, 1 / shape]]) / 2  # [3, 2]
    centre = (union_box_xyxy[:2] + union_box_xyxy[2:]) / 2
    if is_exact:
        half = np.minimum(half, 0.5)
        centre = np.clip(centre, half, 1 - half)
    boxes = clip_to_image(np.concatenate([centre - half, centre + half], axis=1))
    return Targets(boxes.astype(np.float32), areas)
