"""Figures of crops, each worked out by hand."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from clipcrop.evaluation.crop_metrics import (
    grid_frames,
    is_best_found,
    made_accuracy,
    score_asked,
    score_drawn,
    score_judged,
    score_rated,
)

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)

WHOLE = [0.0, 0.0, 1.0, 1.0]
LEFT = [0.0, 0.0, 0.5, 1.0]
MIDDLE = [0.25, 0.0, 0.75, 1.0]
QUARTERS = floats(
    [[0.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 0.5], [0.0, 0.5, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0]]
)
MOS = floats([5.0, 4.0, 4.0, 1.0])


@pytest.mark.parametrize(
    ("crop", "drawn", "expected"),
    [
        # the same: 1; half of each shared: .25 / .75
        pytest.param(LEFT, [LEFT, MIDDLE], (2 / 3, 1.0, 0.0), id="fits one of two"),
        # .64 and .5; the first is off by .1 at each edge
        pytest.param(WHOLE, [[0.1, 0.1, 0.9, 0.9], LEFT], (0.57, 0.64, 0.1), id="whole image"),
        # the only one: off by .25 at two of the four edges
        pytest.param(LEFT, [MIDDLE], (1 / 3, 1 / 3, 0.125), id="one annotator"),
        pytest.param(LEFT, [[0.5, 0.0, 1.0, 1.0]], (0.0, 0.0, 0.25), id="beside it"),
    ],
)
def test_a_first_crop_against_drawn_ones(crop, drawn, expected):
    others = [WHOLE, LEFT]  # only the first counts

    figures = score_drawn(floats([crop, *others]), floats(drawn))

    assert list(figures) == ["IoU-Mean", "IoU-Max", "displacement"]
    assert tuple(figures.values()) == pytest.approx(expected, abs=1e-6)


def test_of_drawn_crops_that_fit_equally_the_nearest_gives_the_displacement():
    side = math.sqrt(0.5)  # as large as the left half
    centred = [(1 - side) / 2, (1 - side) / 2, (1 + side) / 2, (1 + side) / 2]

    figures = score_drawn(floats([WHOLE]), floats([centred, LEFT]))

    assert figures["IoU-Max"] == pytest.approx(0.5)
    assert figures["displacement"] == pytest.approx(0.125)  # .5 / 4, not (1 - side) / 2 = .146


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        pytest.param(1, 1, 1.0, id="the best is the first"),
        pytest.param(2, 1, 0.5, id="the worst is the second"),
        pytest.param(3, 1, 1 / 3, id="the third is not among the best one"),
        pytest.param(3, 2, 2 / 3, id="what ties with the second best counts too"),
        pytest.param(4, 2, 0.5, id="a crop that is lacking is a miss"),
        pytest.param(1, 9, 1.0, id="all are good enough"),
    ],
)
def test_made_crops_are_taken_for_the_rated_ones_that_they_overlap(k, n, expected):
    near = [0.0, 0.5, 0.45, 1.0]  # IoU .9 with the third quarter
    crops = np.stack([QUARTERS[0], QUARTERS[3], floats(near)])

    assert made_accuracy(crops, QUARTERS, MOS, k, n, 0.9) == pytest.approx(expected)


def test_a_crop_that_overlaps_too_little_is_a_miss():
    near = floats([[0.0, 0.0, 0.45, 0.5]])

    assert made_accuracy(near, QUARTERS, MOS, 1, 1, 0.9) == 1.0
    assert made_accuracy(near, QUARTERS, MOS, 1, 1, 0.91) == 0.0


def test_the_best_rated_crop_is_looked_for_among_the_first_made_ones():
    crops, best = QUARTERS[[1, 0, 2]], QUARTERS[:1]

    assert not is_best_found(crops, best, 1, 0.9)
    assert is_best_found(crops, best, 2, 0.9)
    assert is_best_found(crops, QUARTERS[:2], 1, 0.9)


@pytest.mark.parametrize(
    ("mos", "expected", "any_expected"),
    [
        pytest.param([5.0, 4.0, 4.0, 1.0], 0.0, 0.0, id="another one is best"),
        pytest.param([5.0, 5.0, 4.0, 1.0], 0.0, 1.0, id="it ties with the best one before it"),
        pytest.param([4.0, 5.0, 5.0, 1.0], 1.0, 1.0, id="it ties with the best one after it"),
    ],
)
def test_of_crops_that_tie_for_the_best_rating_the_first_is_the_best_one(
    mos: list[float], expected: float, any_expected: float
):
    figures = score_rated(QUARTERS[[1]], QUARTERS, floats(mos))

    assert figures["best in 5 @0.90"] == expected
    assert figures["any best in 5 @0.90"] == any_expected


def test_rated_crops_give_a_figure_for_each_k_n_and_overlap():
    figures = score_rated(QUARTERS[[3, 0]], QUARTERS, MOS)

    assert len(figures) == 2 * (2 * 4 + 4)
    # of four rated crops all are among the best five
    assert figures["Acc 1/5 @0.90"] == 1.0
    assert figures["Acc 4/10 @0.85"] == 0.5
    assert figures["best in 5 @0.90"] == 1.0


def test_a_scorer_is_held_against_the_ratings_themselves():
    figures = score_judged(floats([0.9, 0.3, 0.3, 0.1]), MOS)

    assert figures["SRCC"] == pytest.approx(1.0)
    # deviations .5 -.1 -.1 -.3 and 1.5 .5 .5 -2.5: 1.4 / sqrt(.36 * 9)
    assert figures["PCC"] == pytest.approx(1.4 / 1.8)
    assert figures["Acc 1/5 chosen"] == 1.0


def test_a_scorer_that_says_the_same_of_all_has_no_correlation():
    assert math.isnan(score_judged(np.full(4, 0.5), MOS)["SRCC"])


@pytest.mark.parametrize("aspect", [1.0, 1.5, 2 / 3, 2.0, 5.0])
def test_the_grid_is_gaicds(aspect):
    expected = [
        [(x0 + 0.5) / 12, (y0 + 0.5) / 12, (x1 + 0.5) / 12, (y1 + 0.5) / 12]
        for x0 in range(4)
        for y0 in range(4)
        for x1 in range(8, 12)
        for y1 in range(8, 12)
        if (x1 - x0) * (y1 - y0) >= 72 and 0.5 < (x1 - x0) * aspect / (y1 - y0) < 2
    ]

    frames = grid_frames(aspect)

    assert_close(frames, floats(expected).reshape(-1, 4))
    assert len(frames) == {1.0: 90, 5.0: 0}.get(aspect, len(expected))


@pytest.mark.parametrize(
    ("crop", "asked", "expected"),
    [
        # IoU, pointing, inside, size
        pytest.param(LEFT, [LEFT], (1.0, 1.0, 1.0, 0.5), id="the box itself"),
        pytest.param(WHOLE, [[0.0, 0.0, 0.4, 0.5]], (0.2, 0.0, 1.0, 1.0), id="all of the photo"),
        # half of the crop on half of the box; its centre is on the box's edge
        pytest.param(MIDDLE, [LEFT], (1 / 3, 1.0, 0.5, 0.5), id="on the border"),
        # the box round both is the photo; the first is half inside, the second not at all
        pytest.param(
            [0.0, 0.0, 0.4, 1.0],
            [[0.2, 0.0, 0.6, 1.0], [0.9, 0.0, 1.0, 1.0], [0.0, 0.0, 0.1, 0.1]],
            (0.4, 1.0, 0.5, 0.4),
            id="several",
        ),
        # the crop's centre lies between them: pointing is at a thing, IoU is with all of them
        pytest.param(
            WHOLE, [[0.0, 0.0, 0.4, 1.0], [0.6, 0.0, 1.0, 1.0]], (1.0, 0.0, 1.0, 1.0), id="between"
        ),
        pytest.param([0.6, 0.6, 1.0, 1.0], [[0.0, 0.0, 0.5, 0.5]], (0, 0, 0, 0.16), id="beside"),
    ],
)
def test_the_first_crop_against_the_boxes_asked_for(
    crop: list[float], asked: list[list[float]], expected: tuple[float, ...]
):
    figures = score_asked(floats([crop, WHOLE]), floats(asked))

    assert list(figures) == ["IoU", "pointing", "inside", "size"]
    assert tuple(figures.values()) == pytest.approx(expected)
