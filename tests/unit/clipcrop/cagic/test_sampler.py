"""The differentiable crop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from clipcrop.cagic.sampler import Crops, Pyramid, sample


def smooth_photo(height: int, width: int) -> Tensor:
    """[1, 3, height, width] float64 waves, different in each channel."""
    down = torch.linspace(0, 1, height, dtype=torch.float64)[:, None]
    across = torch.linspace(0, 1, width, dtype=torch.float64)[None, :]
    waves = [torch.sin(a * across + b * down) for a, b in ((9, 4), (-3, 12), (14, 7))]
    return torch.stack(waves)[None] / 2 + 0.5


@pytest.mark.parametrize(
    ("height", "width"), [(7, 7), (5, 11), (40, 30)], ids=["square", "wide", "enlarging"]
)
@pytest.mark.parametrize("photo", [(64, 96), (90, 33), (17, 17)], ids=str)
def test_gradients_equal_finite_differences(photo: tuple[int, int], height: int, width: int):
    pyramid = Pyramid.of_pixels(smooth_photo(*photo))
    # One large, one small, one narrow, one that touches two edges; none has a sample on a border
    # between pixels, where a bilinear sampler has no derivative.
    boxes = torch.tensor(
        [
            [0.0312, 0.0517, 0.9431, 0.9713],
            [0.4123, 0.3217, 0.6019, 0.5431],
            [0.2131, 0.1019, 0.3517, 0.9317],
            [0.0, 0.4137, 0.7713, 1.0],
        ],
        dtype=torch.float64,
        requires_grad=True,
    )
    weights = torch.randn(
        4, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )

    def score(boxes_xyxy: Tensor) -> Tensor:
        return (sample(pyramid, boxes_xyxy, height, width) * weights).sum(dim=(1, 2, 3))

    assert torch.autograd.gradcheck(score, (boxes,), eps=1e-7, atol=1e-5, rtol=1e-4)


def test_a_crop_is_what_pillow_cuts_and_resizes(noise: Image.Image):
    box = (18, 6, 48, 36)  # pixels; the crop becomes as large as it is
    expected = np.asarray(noise.crop(box), dtype=np.float32) / 255

    share = torch.tensor([[18 / 90, 6 / 60, 48 / 90, 36 / 60]])
    crop = sample(Pyramid.of_image(noise), share, 30, 30)[0].permute(1, 2, 0)

    np.testing.assert_allclose(crop.numpy(), expected, atol=1e-5)


def test_what_lies_between_samples_is_seen_where_a_crop_is_made_small():
    stripes = torch.zeros(1, 3, 256, 256)
    stripes[..., ::2] = 1  # plain bilinear sampling to 16 x 16 would read one column of 16
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])

    crop = sample(Pyramid.of_pixels(stripes), whole, 16, 16)

    torch.testing.assert_close(crop, torch.full_like(crop, 0.5), atol=0.02, rtol=0)


def test_nothing_jumps_while_a_crop_grows(noise: Image.Image):
    pyramid = Pyramid.of_image(noise)
    sides = torch.linspace(0.05, 1.0, 2000)
    boxes = torch.stack([torch.zeros(2000), torch.zeros(2000), sides, sides], dim=1)

    crops = sample(pyramid, boxes, 6, 6)

    assert (crops[1:] - crops[:-1]).abs().amax() < 0.1


def test_a_batch_gives_what_its_crops_give_one_by_one(noise: Image.Image):
    pyramid = Pyramid.of_image(noise)
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.4, 0.4, 0.5, 0.5], [0.1, 0.0, 0.9, 0.3]])

    together = sample(pyramid, boxes, 8, 12)

    alone = torch.cat([sample(pyramid, box[None], 8, 12) for box in boxes])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (300, 2)], ids=str)
def test_photos_of_any_shape_can_be_sampled(size: tuple[int, int]):
    pyramid = Pyramid.of_image(Image.new("RGB", size, (255, 0, 51)))

    crop = sample(pyramid, torch.tensor([[0.25, 0.25, 0.75, 0.75]]), 5, 9)

    expected = torch.tensor([1.0, 0.0, 0.2]).reshape(1, 3, 1, 1).expand(1, 3, 5, 9)
    torch.testing.assert_close(crop, expected)


def test_crops_of_one_size_are_sampled_once(noise: Image.Image):
    crops = Crops(torch.tensor([[0.0, 0.0, 0.5, 0.5]]), Pyramid.of_image(noise))

    assert crops.pixels(8, 8) is crops.pixels(8, 8)
    assert crops.pixels(8, 9).shape == (1, 3, 8, 9)
