"""How often matches are right, as a curve."""

from __future__ import annotations

import numpy as np
import pytest

from clipcrop.training.lite.calibrate import Match, fit, half_and_half


def test_the_curve_is_the_share_that_is_right():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 4000)
    is_right = rng.uniform(0, 1, 4000) < scores**2

    curve = fit(scores, is_right, np.ones(4000))

    np.testing.assert_allclose(np.interp([0.3, 0.6, 0.9], *curve), [0.09, 0.36, 0.81], atol=0.08)


def test_the_curve_rises_where_the_shares_do_not():
    scores = np.linspace(0, 1, 200)
    is_right = (scores < 0.5) | (scores > 0.9)

    curve = fit(scores, is_right, np.ones(200))

    assert (np.diff(curve.scores) > 0).all()
    assert (np.diff(curve.right) > 0).all()
    assert (curve.scores[0], curve.right[0], curve.scores[-1]) == (0, 0, 1)


def test_absent_names_weigh_as_much_as_present_ones_in_each_source():
    matches = [
        Match(source, "objects", 0.5, is_present, is_present)
        for source, is_present in [("a", True), ("a", False), ("a", False), ("b", True)]
    ]

    assert half_and_half(matches).tolist() == pytest.approx([1, 0.5, 0.5, 1])
