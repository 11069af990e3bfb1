"""The schedule, and what is refused."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest

from clipcrop.errors import InputError
from clipcrop.imaging.images import REDUCED_SIDE_PX
from clipcrop.training.config import TrainConfig, sentence_of


def test_the_defaults_are_the_papers():
    config = TrainConfig()

    assert (config.epochs, config.batch_size, config.lr, config.final_lr) == (180, 32, 1e-4, 1e-6)
    assert config.mosaic_sides == (1, 2, 3)


def test_photos_are_read_for_training_as_large_as_for_evaluation():
    assert TrainConfig().side_px == REDUCED_SIDE_PX == 1024  # OWLv2 large takes 1008


def test_the_learning_rate_falls_along_a_cosine():
    config = TrainConfig(lr=1e-4, final_lr=1e-6)

    rates = [config.lr * config.lr_share(step, 101) for step in range(101)]

    assert rates[0] == pytest.approx(1e-4)
    assert rates[25] == pytest.approx(1e-6 + 99e-6 * (1 + math.cos(math.pi / 4)) / 2)
    assert rates[50] == pytest.approx(50.5e-6)
    assert rates[100] == pytest.approx(1e-6)
    assert rates == sorted(rates, reverse=True)


def test_warming_up_the_learning_rate_rises_first():
    config = TrainConfig(warmup_steps=4)

    shares = [config.lr_share(step, 100) for step in range(5)]

    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize(
    ("num_examples", "steps", "steps_per_epoch"),
    [(2636, 14_828, 83), (32, 180, 1), (1, 6, 1)],
)
def test_all_photos_are_passed_as_often_as_there_are_epochs(num_examples, steps, steps_per_epoch):
    config = TrainConfig()

    assert config.num_steps(num_examples) == steps
    assert config.steps_per_epoch(num_examples) == steps_per_epoch


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"epochs": 0}, "epochs must be 1 to 1e.06, got 0"),
        ({"lr": math.nan}, "lr must be a finite number, got nan"),
        ({"precision": "int8"}, "no such precision: 'int8'; choose float32, bfloat16, float16"),
        ({"mosaic_sides": ()}, "mosaic_sides must be a finite number"),
        ({"mosaic_sides": (1, 9)}, "mosaic_sides must be 1 to 8, got 9"),
        ({"max_grad_norm": -1}, "max_grad_norm must be 0 or more, got -1"),
        ({"lr": 1e-5, "final_lr": 1e-4}, "the final learning rate, 0.0001, must not be above"),
        ({"views": 2, "tower_lr": 1e-5}, "tokens cannot be kept"),
    ],
)
def test_what_cannot_be_trained_with_is_refused(values, sentence):
    with pytest.raises(InputError, match=sentence):
        TrainConfig(**values)


def test_every_field_has_its_sentence():
    assert all(sentence_of(one) for one in fields(TrainConfig))
