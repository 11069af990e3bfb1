"""The search, on landscapes whose best crop is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from clipcrop.cagic.optimise import Optimum, SearchProgress, minimise
from clipcrop.cagic.options import CagicOptions
from clipcrop.cagic.space import CropSpace
from clipcrop.constraints import Constraints
from clipcrop.decoder.tensor_boxes import area, intersection, iou
from clipcrop.errors import InputError

SPACE = CropSpace.of_photo(1200, 800, Constraints())
NUM_THINGS = 10
DECOY_SHARE = 0.8
"""How good the other things are, beside the one that is to be found."""

Loss = Callable[[Tensor], Tensor]


def landscape(seed: int) -> tuple[Tensor, Loss]:
    """Ten things in a photo of which one is best, and a loss with an optimum round each.

    Crops are the better the more they are like a thing's box. Like a network's, the loss is rough
    for small crops: waves, averaged over the crop, are added to it wherever the best thing is not.

    Returns:
        [4] the box of the least loss, and the loss.
    """
    generator = torch.Generator().manual_seed(1000 + seed)
    things: list[Tensor] = []
    while len(things) < NUM_THINGS:
        size = 0.15 + 0.1 * torch.rand(2, generator=generator)
        corner = torch.rand(2, generator=generator) * (1 - size)
        thing = torch.cat([corner, corner + size])
        if not things or iou(thing[None], torch.stack(things)).max() < 0.1:
            things.append(thing)
    boxes = torch.stack(things)
    worth = torch.full((NUM_THINGS,), DECOY_SHARE)
    worth[0] = 1.0
    signs = torch.sign(torch.rand(8, 2, generator=generator) - 0.5)
    waves = 2 * math.pi * (6 + 6 * torch.rand(8, 2, generator=generator)) * signs
    phases = 2 * math.pi * torch.rand(8, generator=generator)

    def loss(crops: Tensor) -> Tensor:
        shared = intersection(crops, boxes)
        cosine = shared / (area(crops)[:, None] * area(boxes)).clamp(min=1e-12).sqrt()
        centre, half = (crops[:, :2] + crops[:, 2:]) / 2, (crops[:, 2:] - crops[:, :2]) / 2
        mean_wave = torch.sinc(waves * half[:, None] / math.pi).prod(dim=2)
        texture = (mean_wave * torch.cos((centre[:, None] * waves).sum(dim=2) + phases)).sum(dim=1)
        return -(1e-2 + (worth * cosine**2).sum(dim=1)).log() + texture * (1 - cosine[:, 0])

    return boxes[0], loss


def num_found(seeds: range, **options: float) -> int:
    """In how many landscapes the best crop is the right thing's box."""
    found = 0
    for seed in seeds:
        best, loss = landscape(seed)
        optimum = minimise(loss, SPACE, CagicOptions(seed=seed, **options))  # type: ignore[arg-type]
        found += float(iou(optimum.boxes_xyxy[:1], best[None])) > 0.8
    return found


def test_the_best_of_many_optima_is_found():
    assert num_found(range(10)) >= 9


@pytest.mark.slow
def test_annealing_and_restarts_are_what_finds_the_best_of_many_optima():
    seeds = range(30)

    default = num_found(seeds)
    without_annealing = num_found(seeds, annealed=0.0)
    without_restarts = num_found(seeds, restarts=1)
    without_both = num_found(seeds, restarts=1, annealed=0.0)

    assert default >= 28
    assert without_annealing <= 25
    assert without_restarts <= 12
    assert without_both <= 12


def bowl(crops: Tensor) -> Tensor:
    """The nearer to one crop, the better."""
    return (crops - torch.tensor([0.2, 0.3, 0.6, 0.7]).to(crops)).square().sum(dim=1)


def same(one: Optimum, other: Optimum) -> bool:
    """Whether two searches went the same way to the same crops."""
    return torch.equal(one.boxes_xyxy, other.boxes_xyxy) and torch.equal(
        one.path_xyxy, other.path_xyxy
    )


def test_the_same_seed_gives_the_same_crops_and_another_seed_another_path():
    _, loss = landscape(3)

    one = minimise(loss, SPACE, CagicOptions(seed=4, steps=30))
    again = minimise(loss, SPACE, CagicOptions(seed=4, steps=30))
    other = minimise(loss, SPACE, CagicOptions(seed=5, steps=30))

    assert same(one, again)
    assert not same(one, other)


def test_the_search_does_not_touch_the_global_random_numbers():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)

    minimise(bowl, SPACE, CagicOptions(steps=3))

    assert torch.equal(torch.rand(3), expected)


def test_a_smaller_batch_gives_the_same_crops():
    _, loss = landscape(3)

    one = minimise(loss, SPACE, CagicOptions(steps=20))
    parts = minimise(loss, SPACE, CagicOptions(steps=20, batch_size=5))

    torch.testing.assert_close(one.boxes_xyxy[0], parts.boxes_xyxy[0], atol=1e-3, rtol=0)


def test_the_best_crop_comes_first_and_no_two_are_alike():
    _, loss = landscape(3)

    optimum = minimise(loss, SPACE, CagicOptions())

    assert torch.equal(optimum.losses, optimum.losses.sort().values)
    torch.testing.assert_close(loss(optimum.boxes_xyxy), optimum.losses)
    overlaps = iou(optimum.boxes_xyxy, optimum.boxes_xyxy).fill_diagonal_(0)
    assert overlaps.max() <= 0.6
    assert optimum.losses[0] <= optimum.path_losses.min()
    assert 1 <= optimum.support[0] <= 32


def test_the_path_is_every_crop_that_was_tried():
    optimum = minimise(bowl, SPACE, CagicOptions(steps=12, restarts=3))

    assert optimum.path_xyxy.shape == (12, 3, 4)
    torch.testing.assert_close(bowl(optimum.path_xyxy.flatten(0, 1)), optimum.path_losses.flatten())


def test_scales_fall_on_schedule_and_are_free_then():
    optimum = minimise(bowl, SPACE, CagicOptions(steps=40, annealed=0.5))

    sides = optimum.path_xyxy[..., 2:] - optimum.path_xyxy[..., :2]
    scales = sides.prod(dim=2).sqrt()  # [S, R]
    assert (scales[1:20] <= scales[:19] + 1e-5).all()
    assert scales[0].max() > 0.8
    assert scales[19].max() < 0.2
    assert optimum.path_losses[-1].median() < optimum.path_losses[19].median() / 2


@pytest.mark.parametrize(
    "options",
    [{"steps": 1}, {"restarts": 1}, {"annealed": 1.0}, {"annealed": 0.0}, {"steps": 2}],
    ids=str,
)
def test_the_shortest_searches_give_a_crop(options: dict[str, float]):
    optimum = minimise(bowl, SPACE, CagicOptions(**options))  # type: ignore[arg-type]

    assert optimum.boxes_xyxy.shape[1] == 4
    assert ((optimum.boxes_xyxy >= 0) & (optimum.boxes_xyxy <= 1)).all()


def test_progress_is_told_after_every_step_and_never_gets_worse():
    told: list[SearchProgress] = []

    minimise(bowl, SPACE, CagicOptions(steps=9), on_step=told.append)

    assert [(one.step, one.num_steps) for one in told] == [(step, 9) for step in range(1, 10)]
    losses = [one.loss for one in told]
    assert losses == sorted(losses, reverse=True)
    crop = torch.tensor([told[-1].crop_xyxy])
    assert bowl(crop).item() == pytest.approx(told[-1].loss, abs=1e-6)


def test_an_interrupted_search_gives_the_best_until_then():
    def interrupt(progress: SearchProgress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    optimum = minimise(bowl, SPACE, CagicOptions(steps=50), on_step=interrupt)

    assert optimum.is_stopped
    assert len(optimum.path_losses) == 7
    assert optimum.losses[0] <= optimum.path_losses.min()


def test_a_search_interrupted_before_its_first_step_gives_nothing():
    def interrupted(crops: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimise(interrupted, SPACE, CagicOptions())


def test_crops_whose_loss_is_no_number_are_passed_over():
    def broken_on_the_left(crops: Tensor) -> Tensor:
        centre = (crops[:, 0] + crops[:, 2]) / 2
        return bowl(crops) + torch.where(centre < 0.5, torch.nan, 0.0)

    optimum = minimise(broken_on_the_left, SPACE, CagicOptions())

    assert optimum.losses.isfinite().all()
    assert optimum.boxes_xyxy[0, [0, 2]].mean() >= 0.5


def test_a_loss_that_is_never_a_number_is_said():
    with pytest.raises(InputError, match="no crop of this photo has a loss that is a number"):
        minimise(lambda crops: bowl(crops) * torch.nan, SPACE, CagicOptions(steps=3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "no such number of steps: 0; choose from 1"),
        ({"restarts": -3}, "no such number of restarts: -3"),
        ({"batch_size": 0}, "no such batch size: 0"),
        ({"seed": -1}, "no such seed: -1"),
        ({"aesthetic_weight": -0.5}, r"no such aesthetic weight: -0\.5"),
        ({"aesthetic_weight": math.nan}, "no such aesthetic weight: nan"),
        ({"annealed": 1.5}, r"no such annealed share: 1\.5"),
    ],
    ids=str,
)
def test_what_cannot_be_searched_with_is_refused(options: dict[str, float], message: str):
    with pytest.raises(InputError, match=message):
        CagicOptions(**options)  # type: ignore[arg-type]


@pytest.mark.gpu
def test_a_gpu_finds_the_same_crop():
    best, loss = landscape(3)

    def loss_anywhere(crops: Tensor) -> Tensor:
        return loss(crops.cpu()).to(crops.device)

    on_cpu = minimise(loss_anywhere, SPACE, CagicOptions())
    on_gpu = minimise(loss_anywhere, SPACE, CagicOptions(), device="cuda")

    torch.testing.assert_close(on_cpu.path_xyxy[0], on_gpu.path_xyxy[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(on_cpu.boxes_xyxy[0], on_gpu.boxes_xyxy[0], atol=0.01, rtol=0)
    assert iou(on_gpu.boxes_xyxy[:1], best[None]).item() > 0.8
