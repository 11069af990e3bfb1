from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil

from clipcrop.encoders.owlvit_pixels import MEAN, STD, pad_to_square, stretch_to_square

SHAPES = ["square", "3:1", "1:3", "small"]


def picture_of(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(width)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("shape", SHAPES)
def test_stretching_gives_the_pixels_of_transformers(
    pictures: dict[str, Image.Image], shape: str
) -> None:
    processor = OwlViTImageProcessorPil(size={"height": 96, "width": 96})
    expected = processor(pictures[shape], return_tensors="pt").pixel_values

    pixels = stretch_to_square([pictures[shape]], 96)

    torch.testing.assert_close(pixels.values, expected, atol=2e-6, rtol=0)
    assert pixels.extents.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_gives_the_pixels_of_transformers(
    pictures: dict[str, Image.Image], shape: str
) -> None:
    processor = Owlv2ImageProcessorPil(size={"height": 96, "width": 96})
    expected = processor(pictures[shape], return_tensors="pt").pixel_values

    pixels = pad_to_square([pictures[shape]], 96)

    torch.testing.assert_close(pixels.values, expected.float(), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(1, 1, id="one pixel"),
        pytest.param(1, 300, id="one pixel wide"),
        pytest.param(96, 96, id="already the right size"),
        pytest.param(97, 95, id="hardly reduced"),
        pytest.param(700, 500, id="much reduced"),
    ],
)
def test_padding_gives_the_pixels_of_transformers_at_odd_sizes(width: int, height: int) -> None:
    image = picture_of(width, height)
    processor = Owlv2ImageProcessorPil(size={"height": 96, "width": 96})
    expected = processor(image, return_tensors="pt", input_data_format="channels_last")

    pixels = pad_to_square([image], 96)

    torch.testing.assert_close(pixels.values, expected.pixel_values.float(), atol=2e-5, rtol=0)


def test_padding_lies_right_of_a_tall_image_and_below_a_wide_one(
    pictures: dict[str, Image.Image],
) -> None:
    black = (-torch.tensor(MEAN) / torch.tensor(STD)).view(3, 1, 1)

    pixels = pad_to_square([pictures["3:1"], pictures["1:3"]], 96)

    torch.testing.assert_close(pixels.extents, torch.tensor([[1.0, 1 / 3], [1 / 3, 1.0]]))
    torch.testing.assert_close(pixels.values[0][:, 40:, :], black.expand(3, 56, 96))
    torch.testing.assert_close(pixels.values[1][:, :, 40:], black.expand(3, 96, 56))
    assert (pixels.values[0][:, :30, :] > black + 0.1).float().mean() > 0.9
