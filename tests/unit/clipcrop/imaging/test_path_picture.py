"""The picture of a search."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from clipcrop.cagic.optimise import Optimum
from clipcrop.errors import InputError
from clipcrop.imaging.path_picture import HEIGHT_PX, draw_path_picture, write_path_picture

BLUE, YELLOW, GREEN = (70, 120, 230), (255, 196, 0), (90, 220, 130)
GREY = (86, 86, 92)


def optimum(num_steps: int = 5) -> Optimum:
    """Two restarts; the second moves to the right and finds the best."""
    shares = torch.linspace(0, 0.5, num_steps)
    path = torch.stack([shares, shares * 0, shares + 0.5, shares * 0 + 1], dim=1)
    still = torch.tensor([0.2, 0.2, 0.4, 0.4]).expand(num_steps, 4)
    losses = torch.stack([torch.full((num_steps,), 3.0), torch.linspace(2, 1, num_steps)], dim=1)
    losses[0, 0] = torch.nan
    losses[1:-1, 1] += 0.5  # where the least until then is another one
    return Optimum(
        boxes_xyxy=path[-1:],
        losses=losses[-1:, 1],
        support=torch.tensor([1]),
        path_xyxy=torch.stack([still, path], dim=1),
        path_losses=losses,
        is_stopped=False,
    )


def colours(picture: Image.Image) -> set[tuple[int, ...]]:
    """Every colour in it."""
    counted = picture.getcolors(maxcolors=2**24)
    assert counted is not None
    return {colour for _, colour in counted if isinstance(colour, tuple)}


def test_the_photo_has_the_path_of_the_best_restart_and_the_crop_found():
    picture = draw_path_picture(Image.new("RGB", (300, 200)), "the dog: CAGIC", optimum())

    photo = picture.crop((16, 40, 16 + 720, 40 + HEIGHT_PX))
    assert {BLUE, YELLOW, GREEN} <= colours(photo)
    # The crop found is the photo's right half.
    assert photo.getpixel((361, 240)) == GREEN
    assert photo.getpixel((719, 240)) == GREEN


def test_the_curve_has_the_losses_of_the_best_restart_and_of_the_others():
    picture = draw_path_picture(Image.new("RGB", (300, 200)), "the dog: CAGIC", optimum())

    curve = picture.crop((16 + 720 + 16, 40, picture.width, 40 + HEIGHT_PX))
    assert {YELLOW, GREY, GREEN} <= colours(curve)


@pytest.mark.parametrize("size", [(1, 1), (4000, 40), (40, 4000)], ids=str)
@pytest.mark.parametrize("num_steps", [1, 2, 300])
def test_photos_of_any_shape_and_searches_of_any_length_can_be_drawn(
    size: tuple[int, int], num_steps: int
):
    picture = draw_path_picture(Image.new("RGB", size), "title", optimum(num_steps))

    assert picture.height < 600
    assert picture.width < 1600


def test_it_is_written_as_a_picture(tmp_path: Path):
    write_path_picture(Image.new("RGB", (30, 20)), "title", optimum(), tmp_path / "path.png")

    with Image.open(tmp_path / "path.png") as written:
        assert written.format == "PNG"


def test_a_name_that_is_no_pictures_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="not a picture"):
        write_path_picture(Image.new("RGB", (30, 20)), "title", optimum(), tmp_path / "path.txt")
