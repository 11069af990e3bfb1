"""Where things are in a mosaic, and which boxes belong to its target."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from clipcrop.training.mosaic import compose, into_tile, keeps

RED, BLUE = (255, 0, 0), (0, 0, 255)
CROP = torch.tensor([0.5, 0.0, 1.0, 0.5])


@pytest.mark.parametrize("side", [1, 2, 3])
def test_the_target_is_where_its_boxes_say(side):
    target = Image.new("RGB", (40, 20), RED)
    others = [Image.new("RGB", (30, 70), BLUE)] * (side**2 - 1)
    for place in range(side**2):
        mosaic = compose(target, others, place)

        box = into_tile(torch.tensor([0.0, 0.0, 1.0, 1.0]), place, side)
        left, top, right, bottom = (box * torch.tensor([*mosaic.size] * 2)).round().int().tolist()

        assert mosaic.size == (40 * side, 20 * side)
        assert (right - left, bottom - top) == target.size
        assert mosaic.crop((left, top, right, bottom)).getcolors() == [(800, RED)]
        reds = [count for count, colour in mosaic.getcolors() if colour == RED]
        assert reds == [800]


def test_the_other_photos_fill_their_tiles():
    target = Image.new("RGB", (10, 10), RED)

    mosaic = compose(
        target, [Image.new("RGB", size, BLUE) for size in [(5, 50), (70, 7), (1, 1)]], 0
    )

    assert sorted(mosaic.getcolors()) == [(100, RED), (300, BLUE)]


def test_a_mosaic_is_a_square_of_tiles():
    with pytest.raises(ValueError, match="got 3"):
        compose(Image.new("RGB", (2, 2)), [Image.new("RGB", (2, 2))] * 2, 0)


@pytest.mark.parametrize(
    ("box", "inside", "literal"),
    [
        pytest.param([0.6, 0.1, 0.8, 0.3], True, False, id="a thing in the crop"),
        pytest.param([0.5, 0.0, 0.95, 0.45], True, True, id="a thing that fills the crop"),
        pytest.param([0.1, 0.1, 0.3, 0.3], False, False, id="a thing in another tile"),
        pytest.param([0.2, 0.0, 0.75, 0.4], False, False, id="its centre lies outside"),
        pytest.param([0.45, 0.0, 1.0, 0.7], True, True, id="larger, and mostly inside"),
        pytest.param([0.3, 0.0, 1.0, 0.8], False, True, id="the crop is less than half of it"),
    ],
)
def test_boxes_of_other_tiles_are_dropped(box, inside, literal):
    boxes = torch.tensor([box])

    assert keeps(boxes, CROP, "inside").tolist() == [inside]
    assert keeps(boxes, CROP, "literal").tolist() == [literal]
    assert keeps(boxes, CROP, "none").tolist() == [True]
