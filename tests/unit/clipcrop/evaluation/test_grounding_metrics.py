from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from clipcrop.arrays import FloatArray
from clipcrop.evaluation.grounding_metrics import Answer, score_case

floats = partial(np.array, dtype=np.float32)

NO_OTHERS = np.empty((0, 4), np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> FloatArray:
    return floats(rows)


def answer(
    best: tuple[float, float, float, float],
    union: tuple[float, float, float, float] | None = None,
    is_general: bool = False,
) -> Answer:
    return Answer(floats(best), floats(union or best), is_general)


def test_iou_is_with_the_true_box_that_fits_best() -> None:
    own = boxes((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0))

    score = score_case(answer((0.5, 0.5, 1.0, 0.75)), own, NO_OTHERS)

    assert score.best_iou == pytest.approx(0.5)  # half of the second box, none of the first
    assert score.is_half


def test_union_is_compared_with_the_box_round_all_true_boxes() -> None:
    own = boxes((0.0, 0.0, 0.25, 1.0), (0.75, 0.0, 1.0, 1.0))

    score = score_case(answer((0.0, 0.0, 0.25, 1.0), (0.0, 0.0, 0.75, 1.0)), own, NO_OTHERS)

    # Round the truth: all of the photo. Round what was selected: three quarters of it.
    assert score.union_iou == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("best", "is_pointing", "is_wrong"),
    [
        pytest.param((0.0, 0.0, 0.5, 0.5), True, False, id="centre in its own box"),
        pytest.param((0.5, 0.5, 1.0, 1.0), False, True, id="centre in another query's box"),
        pytest.param((0.3, 0.3, 0.5, 0.5), True, False, id="centre in both"),
        pytest.param((0.0, 0.8, 0.2, 1.0), False, False, id="centre in neither"),
        pytest.param((0.2, 0.0, 0.8, 0.5), True, False, id="centre on the border"),
    ],
)
def test_the_centre_of_the_best_box_decides_what_it_points_at(
    best: tuple[float, float, float, float], is_pointing: bool, is_wrong: bool
) -> None:
    own, others = boxes((0.0, 0.0, 0.5, 0.5)), boxes((0.375, 0.375, 1.0, 1.0))

    score = score_case(answer(best), own, others)

    assert (score.is_pointing, score.is_wrong_subject) == (is_pointing, is_wrong)


def test_an_answer_without_a_box_misses_and_takes_no_wrong_subject() -> None:
    score = score_case(Answer(None, None, True), boxes((0.0, 0.0, 1.0, 1.0)), NO_OTHERS)

    assert tuple(score) == (False, 0.0, False, 0.0, False, True)
