"""Dense distillation: what the student is pulled towards."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from clipcrop.encoders.lite_pixels import cell_grid
from clipcrop.training.lite.losses import distillation_losses
from clipcrop.training.lite.network import DenseOutput
from clipcrop.training.lite.shards import Targets


def made_targets(num_cells: int) -> Targets:
    """One view with two things in it, one sure and one hardly there."""
    generator = torch.Generator().manual_seed(0)
    objectness = torch.full((1, num_cells), 0.001)
    objectness[0, 3], objectness[0, 7] = 0.9, 0.05
    classes = torch.full((2, 80), 0.01)
    classes[0, 5], classes[1, 6] = 0.95, 0.8
    return Targets(
        objectness=objectness,
        view=torch.tensor([0, 0]),
        cell=torch.tensor([3, 7]),
        boxes=torch.rand(2, 4, generator=generator),
        classes=classes,
    )


def output_that_says(targets: Targets, num_cells: int) -> DenseOutput:
    """A student that agrees with the teacher in everything."""
    classes = torch.zeros(1, num_cells, 80)
    boxes = torch.zeros(1, num_cells, 4)
    classes[0, targets.cell] = torch.logit(targets.classes)
    boxes[0, targets.cell] = targets.boxes
    return DenseOutput(torch.logit(targets.objectness), classes, boxes)


def test_a_student_that_agrees_has_no_box_loss_and_only_the_entropy_left():
    corners, strides = map(torch.from_numpy, cell_grid(64, 64))
    targets = made_targets(len(strides))
    output = output_that_says(targets, len(strides))

    losses = distillation_losses(output, targets, corners, strides)

    weights = targets.objectness[0, targets.cell]
    entropy = binary_cross_entropy(targets.classes, targets.classes, reduction="none").sum(dim=1)
    assert losses.boxes.item() == pytest.approx(0.0, abs=1e-6)
    assert losses.classes.item() == pytest.approx(
        float((entropy * weights).sum() / targets.objectness.sum().clamp(min=1)), rel=1e-4
    )


@pytest.mark.parametrize("part", ["objectness", "classes", "boxes"])
def test_disagreeing_costs(part: str):
    corners, strides = map(torch.from_numpy, cell_grid(64, 64))
    targets = made_targets(len(strides))
    agreeing = output_that_says(targets, len(strides))
    value = getattr(agreeing, part).clone()
    value[0, 3] += 1.0
    disagreeing = agreeing._replace(**{part: value})

    before = distillation_losses(agreeing, targets, corners, strides)
    after = distillation_losses(disagreeing, targets, corners, strides)

    assert getattr(after, part) > getattr(before, part)
    assert after.total > before.total


def test_a_box_that_the_teacher_is_unsure_of_teaches_nothing():
    corners, strides = map(torch.from_numpy, cell_grid(64, 64))
    targets = made_targets(len(strides))
    output = output_that_says(targets, len(strides))
    boxes = output.boxes.clone()
    boxes[0, 7] += 3.0

    losses = distillation_losses(output._replace(boxes=boxes), targets, corners, strides)

    assert losses.boxes.item() == pytest.approx(0.0, abs=1e-6)
