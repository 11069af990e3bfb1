from __future__ import annotations

import math

import pytest

from clipcrop.evaluation.bootstrap import estimate, spread


def test_the_mean_is_over_examples_and_the_interval_over_photos():
    # Photo a has two examples: the mean counts both; a draw of photos is aa, ab, ba or bb, so its
    # mean is 0, 1/3, 1/3 or 1, and nothing else.
    found = estimate([0.0, 0.0, 1.0], ["a", "a", "b"], seed=0)

    assert found.mean == pytest.approx(1 / 3)
    assert (found.low, found.high, found.n) == (0.0, 1.0, 3)


def test_examples_of_one_photo_tell_nothing_of_others():
    found = estimate([0.2, 0.4, 0.9], ["a", "a", "a"], seed=0)

    assert found[:3] == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_is_as_wide_as_theory_says():
    # 400 coins: the mean's deviation is .5 / 20 = .025, so 95 % lie within 1.96 * .025 = .049
    found = estimate([0.0, 1.0] * 200, [str(number) for number in range(400)], seed=1)

    assert found.mean == 0.5
    assert found.low == pytest.approx(0.451, abs=0.006)
    assert found.high == pytest.approx(0.549, abs=0.006)


def test_the_same_seed_gives_the_same_interval_and_another_hardly_differs():
    values, photos = [number**0.5 / 7 for number in range(50)], [str(n) for n in range(50)]

    assert estimate(values, photos, seed=3) == estimate(values, photos, seed=3)
    assert estimate(values, photos, seed=5).low == pytest.approx(
        estimate(values, photos, seed=3).low, abs=0.02
    )
    assert estimate(values, photos, seed=5) != estimate(values, photos, seed=3)


def test_nothing_has_no_mean():
    found = estimate([], [], seed=0)

    assert math.isnan(found.mean)
    assert found.n == 0


def test_quartiles_lie_between_neighbours():
    assert spread([4.0, 1.0, 2.0, 3.0]) == (2.5, 1.75, 3.25, 4)
    assert spread([7.0]) == (7.0, 7.0, 7.0, 1)
