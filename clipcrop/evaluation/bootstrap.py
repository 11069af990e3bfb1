"""How sure a mean is: its interval over photos that could have been others. And quartiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    """Over examples; NaN where there are none."""

    low: float
    """Lower end of the interval."""

    high: float
    """Upper end of the interval."""

    n: int
    """Examples."""


class Spread(NamedTuple):
    """Quartiles, for what has outliers: times."""

    median: float
    """Half are below."""

    low: float
    """A quarter are below."""

    high: float
    """A quarter are above."""

    n: int
    """Examples."""


def spread(values: Sequence[float]) -> Spread:
    """The quartiles of at least one value, interpolated between neighbours."""
    median, low, high = np.quantile(values, [0.5, 0.25, 0.75]).tolist()
    return Spread(median, low, high, len(values))


def estimate(
    values: Sequence[float], photos: Sequence[str], seed: int, resamples: int = RESAMPLES
) -> Estimate:
    """The mean of examples, with a percentile bootstrap interval over photos.

    Photos are drawn, not examples: two texts of one photo are no two independent cases. The mean of
    a draw is over the examples of the drawn photos. One seed draws the same photos for every
    method, so methods can be compared within a draw.

    Args:
        values: One figure an example.
        photos: The photo of each example.
        seed: Of the draws.
        resamples: How many draws.
    """
    if not values:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    index = {photo: number for number, photo in enumerate(dict.fromkeys(photos))}
    of_photo = np.array([index[photo] for photo in photos])
    figures = np.array(values, np.float64)
    sums = np.bincount(of_photo, weights=figures, minlength=len(index))
    counts = np.bincount(of_photo, minlength=len(index))
    drawn = np.random.default_rng(seed).integers(len(index), size=(resamples, len(index)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return Estimate(float(figures.mean()), low, high, len(values))
