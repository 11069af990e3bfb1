"""Crop parameters: any numbers give allowed crops."""

from __future__ import annotations

import pytest
import torch

from clipcrop.cagic.space import ACROSS, DOWN, MIN_SCALE, SCALE, CropSpace
from clipcrop.constraints import Constraints
from clipcrop.errors import InputError

ANY_NUMBERS = (
    torch.randn(2000, 4, generator=torch.Generator().manual_seed(1))
    * torch.tensor([0.5, 3.0, 30.0, 1000.0]).repeat_interleave(500)[:, None]
)

CONSTRAINTS = {
    "free": Constraints(),
    "square": Constraints(aspect=1.0),
    "panorama": Constraints(aspect=4.0),
    "original": Constraints(aspect="original"),
    "at least": Constraints(min_width_px=300, min_height_px=500),
    "at least, 2:3": Constraints(aspect=2 / 3, min_width_px=350),
    "the whole": Constraints(min_width_px=1200, min_height_px=800),
}


@pytest.mark.parametrize("size", [(1200, 800), (800, 1200), (3000, 810)], ids=str)
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_every_parameter_gives_a_crop_that_is_allowed(name: str, size: tuple[int, int]):
    constraints = CONSTRAINTS[name]
    try:
        constraints.check_fits(*size)
    except InputError:
        with pytest.raises(InputError, match="does not fit"):
            CropSpace.of_photo(*size, constraints)
        return
    space = CropSpace.of_photo(*size, constraints)

    boxes = space.boxes(ANY_NUMBERS)

    assert ((boxes >= 0) & (boxes <= 1)).all()
    sides_px = (boxes[:, 2:] - boxes[:, :2]) * torch.tensor(size)
    assert (sides_px[:, 0] >= constraints.min_width_px - 0.01).all()
    assert (sides_px[:, 1] >= constraints.min_height_px - 0.01).all()
    ratio = constraints.ratio(*size)
    if ratio is not None:
        found = sides_px[:, 0] / sides_px[:, 1]
        torch.testing.assert_close(found, torch.full_like(found, ratio), rtol=1e-3, atol=0)


def test_the_whole_photo_and_the_smallest_crop_can_be_reached():
    space = CropSpace.of_photo(1200, 800, Constraints())
    ends = torch.tensor([[0.0, 0.0, 0.0, 40.0], [0.0, 0.0, 0.0, -40.0]])

    whole, smallest = space.boxes(ends)

    torch.testing.assert_close(whole, torch.tensor([0.0, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(smallest[2:] - smallest[:2], torch.full((2,), MIN_SCALE))


def test_a_shrinking_crop_closes_in_on_one_point():
    space = CropSpace.of_photo(1200, 800, Constraints())
    parameters = torch.zeros(20, 4)
    parameters[:, ACROSS], parameters[:, DOWN] = -0.7, 1.3
    parameters[:, SCALE] = torch.linspace(4, -4, 20)
    point = torch.sigmoid(torch.tensor([-0.7, 1.3]))

    boxes = space.boxes(parameters)

    relative = (point - boxes[:, :2]) / (boxes[:, 2:] - boxes[:, :2])
    torch.testing.assert_close(relative, point.expand(20, 2), atol=1e-4, rtol=0)


def test_restarts_begin_all_over_the_photo_and_the_same_for_the_same_seed():
    space = CropSpace.of_photo(1200, 800, Constraints())

    start = space.start(32, seed=5)
    boxes = space.boxes(start)

    assert torch.equal(start, space.start(32, seed=5))
    assert not torch.equal(start, space.start(32, seed=6))
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    for column in (0, 1):
        assert (centres[:, column] < 0.5).sum() in range(12, 21)
    assert boxes[:, 2:].sub(boxes[:, :2]).prod(dim=1).amin() < 0.1
