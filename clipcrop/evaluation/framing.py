"""When is a photo well framed already? Measured on rated crops, to choose the margin of `ranking`.

Whole photos were not rated. But a large rated crop that holds many smaller rated ones can stand in
for a photo: it is well framed when people rated none of the others much higher than itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray, descending
from ..boxes import area
from ..composing.ranking import Scorer, judge_in_view
from ..datasets.ratings import RatedImage

MIN_INSIDE = 20
"""Rated crops that must lie in the one that stands in for the photo."""

MAX_GAIN = 0.5
"""Mean opinion score that the best of them may be better by: about what chance alone gives the best
of so many, each rated by a few people."""

MARGINS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1)


class FramingCases(NamedTuple):
    """How much better than the whole the best crop of it is, for many stand-ins for a photo."""

    predicted_gain: FloatArray
    """[cases] in quality, 0 to 1; negative where the whole is the best."""

    rated_gain: FloatArray
    """[cases] in mean opinion score."""


def framing_cases(images: Sequence[RatedImage], scorer: Scorer) -> FramingCases:
    """Compare whole and best crop in every crop that can stand in for a photo."""
    predicted, rated = [], []
    for image in images:
        crops = image.crops_xyxy
        for index in descending(area(crops)).tolist():
            whole = crops[index]
            is_inside = (
                (crops[:, :2] >= whole[:2] - 1e-3) & (crops[:, 2:] <= whole[2:] + 1e-3)
            ).all(axis=1)
            is_inside[index] = False
            if int(is_inside.sum()) < MIN_INSIDE:
                continue
            frames = np.concatenate([crops[is_inside], whole[None]])
            quality = judge_in_view(frames, whole, image.objects_xyxy, 0, image.aspect, scorer)
            predicted.append(float(quality[:-1].max() - quality[-1]))
            rated.append(float(image.mos[is_inside].max() - image.mos[index]))
    return FramingCases(np.array(predicted, np.float32), np.array(rated, np.float32))


def framing_table(cases: FramingCases) -> str:
    """A Markdown table: what each margin would call well framed, and how often rightly."""
    is_good = cases.rated_gain <= MAX_GAIN
    lines = [
        f"{len(is_good)} stand-ins for a photo, "
        f"{_share(is_good.sum(), len(is_good)):.2f} of them well framed",
        "",
        "| margin | called well framed | precision | recall |",
        "|---|---|---|---|",
    ]
    for margin in MARGINS:
        is_called = cases.predicted_gain <= margin
        right = (is_called & is_good).sum()
        shares = (
            _share(is_called.sum(), len(is_called)),
            _share(right, is_called.sum()),
            _share(right, is_good.sum()),
        )
        lines.append(f"| {margin:.2f} | {' | '.join(f'{share:.2f}' for share in shares)} |")
    return "\n".join(lines)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
