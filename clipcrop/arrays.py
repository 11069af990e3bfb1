"""Types of NumPy arrays, and the few operations on them that NumPy itself does not have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
"""float32 wherever an encoder or a weight has a part in it."""

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def sigmoid(logits: FloatArray) -> FloatArray:
    """Logits of any shape -> probabilities; large negative ones do not overflow."""
    result: FloatArray = 0.5 * (1 + np.tanh(0.5 * logits))
    return result


def softmax(logits: FloatArray, axis: int = -1) -> FloatArray:
    """Logits of any shape -> probabilities that sum to 1 over an axis, by default the last."""
    powers: FloatArray = logits - logits.max(axis, keepdims=True)
    np.exp(powers, out=powers)  # in place: fresh memory for a large map costs as much
    powers /= powers.sum(axis, keepdims=True)
    return powers


def descending(values: FloatArray) -> IntArray:
    """[K] -> [K] indices from the largest value to the smallest; equal ones keep their order."""
    return np.argsort(-values, kind="stable")


def largest(values: FloatArray, count: int) -> IntArray:
    """[K] -> [min(count, K)] indices of the largest values, best first."""
    if count >= len(values):
        return descending(values)
    best = np.sort(np.argpartition(-values, count)[:count])
    return best[descending(values[best])]
