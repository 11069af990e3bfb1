"""The adapter against the real package."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from smartcrop import SmartCrop

from clipcrop.boxes import area
from clipcrop.errors import InputError
from clipcrop.evaluation.smart_crop import SmartCropped, is_installed
from clipcrop.imaging.images import LoadedImage, load_image, prepare_image

assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)


@pytest.fixture(scope="module")
def coffee(samples: Path) -> LoadedImage:
    """A sample photo of 600 x 400 pixels."""
    return load_image(samples / "coffee.jpg")


def test_it_is_there_for_tests():
    assert is_installed()


def test_a_square_is_what_its_own_program_gives(coffee: LoadedImage):
    theirs = SmartCrop().crop(coffee.rgb, 100, 100)["top_crop"]

    x0, y0, x1, y1 = SmartCropped(is_square=True).crops(coffee, "")[0].tolist()

    assert (x0 * 600, y0 * 400) == pytest.approx((theirs["x"], theirs["y"]), abs=1e-3)
    assert (x1 - x0) * 600 == pytest.approx(theirs["width"], abs=1e-3)
    assert (y1 - y0) * 400 == pytest.approx(theirs["height"], abs=1e-3)
    assert theirs["width"] == theirs["height"]


@pytest.mark.parametrize("turned", [False, True], ids=["landscape", "portrait"])
def test_it_may_choose_the_size_of_crops_with_the_photos_proportions(
    coffee: LoadedImage, turned: bool
):
    photo = prepare_image(coffee.rgb.rotate(90, expand=True)) if turned else coffee

    crops = SmartCropped().crops(photo, "")

    sides = crops[:, 2:] - crops[:, :2]
    assert_close(sides[:, 0], sides[:, 1], atol=0.03, rtol=0)
    assert 0.2 < area(crops).min() < 0.3
    assert area(crops).max() > 0.95
    assert len(crops) > 100
    assert ((crops >= 0) & (crops <= 1)).all()


def test_the_best_crop_comes_first():
    photo = Image.new("RGB", (600, 400), "grey")
    for left in range(420, 560, 8):  # a fence, orange as skin is, at the right
        photo.paste((225, 165, 125), (left, 240, left + 4, 340))

    best = SmartCropped().crops(prepare_image(photo), "the fence")[0]

    assert area(best) < 0.6
    x0, y0, x1, y1 = best.tolist()
    assert x0 > 0.2
    assert x1 > 0.9
    assert y0 > 0.2
    assert y1 > 0.8


@pytest.mark.parametrize("size_px", [(1, 1), (5, 3)])
@pytest.mark.parametrize("is_square", [False, True])
def test_a_few_pixels_are_refused_in_a_sentence(size_px: tuple[int, int], is_square: bool):
    photo = prepare_image(Image.new("RGB", size_px))

    with pytest.raises(InputError, match=r"smartcrop knows no crop of a photo of \d x \d pixels"):
        SmartCropped(is_square).crops(photo, "")
