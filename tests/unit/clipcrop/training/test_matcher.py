"""The matcher: as good as trying all."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torch import Tensor

from clipcrop.errors import InputError
from clipcrop.training.matcher import match, match_cost


def made_case(predictions: int, targets: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random crops, quality and targets."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(predictions, 4, generator=generator),
        torch.rand(predictions, generator=generator),
        torch.rand(targets, 4, generator=generator),
    )


def least_cost(cost: Tensor) -> float:
    """Of all ways to give each row a column of its own (or each column a row), by trying them."""
    if cost.shape[0] > cost.shape[1]:
        cost = cost.T
    rows = range(cost.shape[0])
    return min(
        sum(float(cost[row, column]) for row, column in zip(rows, columns, strict=True))
        for columns in permutations(range(cost.shape[1]), cost.shape[0])
    )


def match_one(boxes: Tensor, quality: Tensor, targets: Tensor) -> list[int]:
    """The target of each prediction of one image, all targets wanted."""
    is_wanted = torch.ones(1, len(targets), dtype=torch.bool)
    return match(boxes[None], quality[None], targets[None], is_wanted)[0].tolist()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("predictions", "targets"), [(5, 3), (4, 4), (3, 5), (1, 1)])
def test_no_other_matching_costs_less(predictions: int, targets: int, seed: int):
    case = made_case(predictions, targets, seed)

    pairs = [(row, column) for row, column in enumerate(match_one(*case)) if column >= 0]

    assert len({column for _, column in pairs}) == len(pairs) == min(predictions, targets)
    cost = match_cost(*(part[None] for part in case))[0]
    assert sum(float(cost[pair]) for pair in pairs) == pytest.approx(least_cost(cost), abs=1e-5)


def test_the_cost_of_a_pair_by_hand():
    prediction = torch.tensor([[[0.25, 0.5, 0.5, 1.0]]])  # the left half
    target = torch.tensor([[[0.5, 0.5, 1.0, 1.0]]])  # the whole image

    cost = match_cost(prediction, torch.tensor([[0.75]]), target)

    # L1: .25 + .5, five times; GIoU: half, twice; quality: .75, twice
    assert cost.item() == pytest.approx(5 * 0.75 - 2 * 0.5 - 2 * 0.75)


def test_a_batch_equals_its_images_without_what_is_not_wanted():
    cases = [made_case(6, 5, seed) for seed in range(4)]
    is_wanted = torch.rand(4, 5, generator=torch.Generator().manual_seed(9)) > 0.4

    together = match(*(torch.stack(part) for part in zip(*cases, strict=True)), is_wanted)

    for row, wanted, (boxes, quality, targets) in zip(together, is_wanted, cases, strict=True):
        numbers = [*wanted.nonzero()[:, 0].tolist(), -1]
        alone = match_one(boxes, quality, targets[wanted])
        assert row.tolist() == [numbers[number] for number in alone]


def test_equal_crops_are_matched_whatever_their_order():
    _, quality, targets = made_case(6, 6, 0)
    order = torch.tensor([3, 5, 0, 1, 4, 2])

    assert match_one(targets[order], quality, targets) == order.tolist()


def test_of_two_equal_predictions_the_surer_is_matched():
    box = torch.tensor([[0.5, 0.5, 0.5, 0.5]])

    assert match_one(box.repeat(2, 1), torch.tensor([0.3, 0.6]), box) == [-1, 0]


def test_without_targets_nothing_is_matched():
    assert match_one(*made_case(4, 0, 0)) == [-1, -1, -1, -1]


def test_crops_that_are_no_numbers_are_refused():
    boxes, quality, targets = made_case(4, 2, 0)
    boxes[1, 2] = torch.nan

    with pytest.raises(InputError, match="not a finite number"):
        match_one(boxes, quality, targets)
