from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from clipcrop.boxes import area
from clipcrop.datasets.ratings import RatedImage
from clipcrop.evaluation.framing import FramingCases, framing_cases, framing_table

floats = partial(np.array, dtype=np.float32)


class SizeScorer:
    """The larger the frame in what it is shown, the better."""

    def score(self, frames_xyxy, objects_xyxy, num_subjects, image_aspect):
        return area(frames_xyxy)


def rated(crops, mos):
    return RatedImage(
        image="a.jpg",
        aspect=1.5,
        objects_xyxy=floats([[0.2, 0.2, 0.4, 0.4]]),
        person_xyxy=None,
        crops_xyxy=floats(crops),
        mos=floats(mos),
    )


def test_only_a_crop_with_many_crops_inside_stands_in_for_a_photo():
    inner = [[0.2 + 0.01 * step, 0.2, 0.7, 0.7] for step in range(20)]
    image = rated([[0.1, 0.1, 0.9, 0.9], *inner], [3.0, *[2.0] * 19, 4.5])

    cases = framing_cases([image], SizeScorer())

    # Of the stand-in's area, the largest crop inside has (0.5 / 0.8) squared.
    assert cases.predicted_gain.tolist() == pytest.approx([(0.5 / 0.8) ** 2 - 1])
    assert cases.rated_gain.tolist() == [1.5]


def test_a_table_says_how_often_each_margin_is_right():
    cases = FramingCases(
        predicted_gain=floats([-0.1, 0.005, 0.015, 0.5]),
        rated_gain=floats([0.0, 1.0, 0.5, 0.2]),
    )

    table = framing_table(cases)

    assert table.startswith("4 stand-ins for a photo, 0.75 of them well framed")
    assert "| 0.00 | 0.25 | 1.00 | 0.33 |" in table
    assert "| 0.01 | 0.50 | 0.50 | 0.33 |" in table
    assert "| 0.02 | 0.75 | 0.67 | 0.67 |" in table
