"""ImageNet's classes over boxes: worked on made class maps."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from clipcrop.arrays import FloatArray
from clipcrop.encoders.lite_imagenet import imagenet_activations

floats = partial(np.array, dtype=np.float32)

CHURCH, DOG = 497, 207


def made_logits() -> FloatArray:
    """4 x 6 cells: a church in the two rows and columns of the middle, elsewhere nothing sure."""
    logits = np.zeros((1000, 4, 6), np.float32)
    logits[CHURCH, 1:3, 2:4] = 20.0
    return logits


def activations(*boxes_px: tuple[float, ...], objectness: float = 0.5) -> FloatArray:
    boxes = floats(boxes_px)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return imagenet_activations(
        made_logits(), boxes, centres, np.full(len(boxes), objectness, np.float32)
    )


def test_the_box_that_holds_all_of_a_class_is_more_like_it_than_one_that_holds_a_part():
    whole, part, elsewhere = activations(
        (64.0, 32.0, 128.0, 96.0), (64.0, 32.0, 96.0, 64.0), (0.0, 0.0, 32.0, 32.0)
    )[:, CHURCH]

    assert whole > 1.5 * part > 0
    assert elsewhere < 0.01 * whole


def test_a_box_around_a_class_and_much_else_is_less_like_it():
    whole, everything = activations((64.0, 32.0, 128.0, 96.0), (0.0, 0.0, 192.0, 128.0))[:, CHURCH]

    assert whole > everything


def test_the_best_possible_box_is_worth_the_root_of_its_objectness():
    sure = activations((64.0, 32.0, 128.0, 96.0), objectness=0.99)[0, CHURCH]

    assert sure.item() == pytest.approx(1.0, abs=0.02)


def test_a_class_that_is_not_there_is_nearly_nothing():
    assert activations((64.0, 32.0, 128.0, 96.0))[0, DOG] < 1e-3
