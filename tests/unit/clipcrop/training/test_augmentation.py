"""Mirroring and light."""

from __future__ import annotations

import random

import pytest
import torch
from PIL import Image, ImageChops

from clipcrop.training.augmentation import jitter_colours, may_mirror, mirror, mirror_boxes


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("the dog", True),
        ("the dog on the left", False),
        ("Leftmost boat", False),
        ("right-hand page", False),
        ("a bright light", True),
        ("uplifting", True),
    ],
)
def test_a_photo_whose_text_names_a_side_is_not_mirrored(text, may):
    assert may_mirror(text) is may


def test_a_box_goes_along_with_what_it_holds():
    image = Image.new("RGB", (20, 10))
    image.paste((255, 0, 0), (2, 3, 6, 9))
    box = torch.tensor([0.1, 0.3, 0.3, 0.9])

    mirrored, mirrored_box = mirror(image), mirror_boxes(box)

    assert mirrored.getbbox() == (14, 3, 18, 9)
    torch.testing.assert_close(mirrored_box, torch.tensor([0.7, 0.3, 0.9, 0.9]))


def test_light_changes_by_no_more_than_was_said():
    grey = Image.new("RGB", (4, 4), (100, 100, 100))

    seen = {jitter_colours(grey, 0.2, random.Random(seed)).getpixel((0, 0)) for seed in range(50)}

    assert len(seen) > 10
    assert all(79 <= value <= 121 for pixel in seen for value in pixel)


def test_without_an_amount_light_stays():
    image = Image.effect_noise((8, 8), 50).convert("RGB")

    assert (
        ImageChops.difference(jitter_colours(image, 0.0, random.Random(0)), image).getbbox() is None
    )
