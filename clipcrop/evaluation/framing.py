"""When is a photo well framed already? Measured on rated crops, to choose the margin of `ranking`.

Nobody rated whole photos. But a large rated crop that holds many smaller rated ones can stand in
for a photo: it is well framed when people rated none of the others much higher than itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..boxes import area
from ..ranking import Scorer, judge_in_view
from ..ratings import RatedImage

MIN_INSIDE = 20
"""Rated crops that must lie in the one that stands in for the photo."""

MAX_GAIN = 0.5
"""Mean opinion score that the best of them may be better by: about what chance alone gives the best
of so many, each rated by a few people."""

MARGINS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1)


class FramingCases(NamedTuple):
    """How much better than the whole the best crop of it is, for many stand-ins for a photo."""

    predicted_gain: Tensor
    """[cases] in quality, 0 to 1; negative where the whole is the best."""

    rated_gain: Tensor
    """[cases] in mean opinion score."""


def framing_cases(images: Sequence[RatedImage], scorer: Scorer) -> FramingCases:
    """Compare whole and best crop in every crop that can stand in for a photo."""
    predicted, rated = [], []
    for image in images:
        crops = image.crops_xyxy
        for index in area(crops).argsort(descending=True, stable=True).tolist():
            whole = crops[index]
            is_inside = (
                (crops[:, :2] >= whole[:2] - 1e-3) & (crops[:, 2:] <= whole[2:] + 1e-3)
            ).all(1)
            is_inside[index] = False
            if int(is_inside.sum()) < MIN_INSIDE:
                continue
            frames = torch.cat([crops[is_inside], whole[None]])
            quality = judge_in_view(frames, whole, image.objects_xyxy, 0, image.aspect, scorer)
            predicted.append(float(quality[:-1].max() - quality[-1]))
            rated.append(float(image.mos[is_inside].max() - image.mos[index]))
    return FramingCases(torch.tensor(predicted), torch.tensor(rated))


def framing_table(cases: FramingCases) -> str:
    """A Markdown table: what each margin would call well framed, and how often rightly."""
    is_good = cases.rated_gain <= MAX_GAIN
    lines = [
        f"{len(is_good)} stand-ins for a photo, {is_good.float().mean():.2f} of them well framed",
        "",
        "| margin | called well framed | precision | recall |",
        "|---|---|---|---|",
    ]
    for margin in MARGINS:
        is_called = cases.predicted_gain <= margin
        right = (is_called & is_good).sum()
        lines.append(
            f"| {margin:.2f} | {is_called.float().mean():.2f} "
            f"| {right / is_called.sum():.2f} | {right / is_good.sum():.2f} |"
        )
    return "\n".join(lines)
