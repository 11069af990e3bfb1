from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from clipcrop.evaluation.metrics import mean_ranks, pearson, spearman, top_accuracy

floats = partial(np.array, dtype=np.float32)


def test_pearson_of_a_case_worked_by_hand():
    # Around their means: (-1, 0, 1) and (-5/3, 1/3, 4/3); 3 / sqrt(2 * 14/3).
    found = pearson(floats([1.0, 2.0, 3.0]), floats([1.0, 3.0, 4.0]))

    assert found == pytest.approx(3 / math.sqrt(28 / 3))


def test_tied_values_share_the_mean_of_their_ranks():
    ranks = mean_ranks(floats([0.5, 0.1, 0.5, 0.9, 0.5]))

    assert ranks.tolist() == [3.0, 1.0, 3.0, 5.0, 3.0]


def test_spearman_with_ties_is_the_correlation_of_mean_ranks():
    # Ranks (1, 2.5, 2.5, 4) and (1, 2, 3, 4): 4.5 / sqrt(4.5 * 5).
    found = spearman(floats([1.0, 2.0, 2.0, 9.0]), floats([1.0, 2.0, 3.0, 4.0]))

    assert found == pytest.approx(math.sqrt(0.9))


def test_spearman_sees_only_the_order():
    found = spearman(floats([1.0, 2.0, 3.0]), floats([0.1, 100.0, 1000.0]))

    assert found == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [pearson, spearman], ids=["pearson", "spearman"])
def test_a_constant_has_no_correlation(metric):
    assert math.isnan(metric(floats([0.5, 0.5, 0.5]), floats([1.0, 2.0, 3.0])))


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        pytest.param(1, 2, 0.0, id="the best of ours is people's worst"),
        pytest.param(2, 2, 1 / 2, id="one of two is among people's two best"),
        pytest.param(3, 2, 2 / 3, id="two of three, by a tie with the second best"),
        pytest.param(4, 2, 3 / 4, id="the last one is good too"),
        pytest.param(4, 5, 1.0, id="fewer crops than N are all good enough"),
    ],
)
def test_acc_k_of_n_of_a_case_worked_by_hand(k, n, expected):
    predicted = floats([0.9, 0.8, 0.7, 0.6])
    rated = floats([1.0, 4.0, 4.0, 5.0])

    assert top_accuracy(predicted, rated, k, n) == pytest.approx(expected)


def test_acc_returns_equal_qualities_in_the_order_they_are_given():
    assert top_accuracy(floats([0.5, 0.5]), floats([1.0, 2.0]), k=1, n=1) == 0.0
