"""How well predicted qualities agree with people's ratings of the crops of one image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def without_nan(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as JSON takes them: one that does not exist is null."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in figures.items()
    }


def pearson(predicted: Tensor, rated: Tensor) -> float:
    """Linear correlation of [C] and [C]; NaN where one of them is constant."""
    first = predicted.double() - predicted.double().mean()
    second = rated.double() - rated.double().mean()
    return float((first * second).sum() / (first.norm() * second.norm()))


def spearman(predicted: Tensor, rated: Tensor) -> float:
    """Rank correlation of [C] and [C], ties sharing their mean rank; NaN where one is constant."""
    return pearson(mean_ranks(predicted), mean_ranks(rated))


def mean_ranks(values: Tensor) -> Tensor:
    """[C] -> [C] 1 for the smallest; equal values share the mean of their ranks."""
    _, group, count = torch.unique(values, return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    ranks: Tensor = (last - (count.double() - 1) / 2)[group]
    return ranks


def top_accuracy(predicted: Tensor, rated: Tensor, k: int, n: int) -> float:
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
    returned = torch.argsort(predicted, descending=True, stable=True)[:k]
    return float((rated[returned] >= nth_best(rated, n)).double().mean())


def nth_best(rated: Tensor, n: int) -> Tensor:
    """[] the N-th highest of [C] ratings; the lowest where there are fewer."""
    return rated.sort(descending=True).values[min(n, len(rated)) - 1]
