"""How well predicted qualities agree with people's ratings of the crops of one image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import FloatArray, descending


def without_nan(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as JSON takes them: one that does not exist is null."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in figures.items()
    }


def pearson(predicted: FloatArray, rated: FloatArray) -> float:
    """Linear correlation of [C] and [C]; NaN where one of them is constant."""
    first = predicted - predicted.mean(dtype=np.float64)
    second = rated - rated.mean(dtype=np.float64)
    length = np.linalg.norm(first) * np.linalg.norm(second)
    return float((first * second).sum() / length) if length else math.nan


def spearman(predicted: FloatArray, rated: FloatArray) -> float:
    """Rank correlation of [C] and [C], ties sharing their mean rank; NaN where one is constant."""
    return pearson(mean_ranks(predicted), mean_ranks(rated))


def mean_ranks(values: FloatArray) -> FloatArray:
    """[C] -> [C] 1 for the smallest; equal values share the mean of their ranks."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (count.cumsum() - (count - 1) / 2)[group]
    return ranks


def top_accuracy(predicted: FloatArray, rated: FloatArray, k: int, n: int) -> float:
    """Acc K/N of the GAICD paper for one image: how many of our best K are among people's best N.

    The K crops with the highest predicted quality are returned to the user (equal ones in the order
    they are given). A returned crop counts when its rating is at least the N-th highest rating of
    the image, so crops that tie with the N-th count too. The result is the share of returned crops
    that count; the paper's figure is the mean over images, and its Acc N the mean over K = 1 to 4.

    Args:
        predicted: [C] qualities.
        rated: [C] mean opinion scores.
        k: crops that are returned; all of them if there are fewer.
        n: crops that are good enough.
    """
    returned = descending(predicted)[:k]
    return float((rated[returned] >= nth_best(rated, n)).mean())


def nth_best(rated: FloatArray, n: int) -> float:
    """The N-th highest of [C] ratings; the lowest where there are fewer."""
    return float(np.sort(rated)[-min(n, len(rated))])
