"""Views: the same for the same numbers, and crops stay on what they show."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image, ImageChops

from clipcrop.datasets import Example, RatedCrop
from clipcrop.errors import InputError
from clipcrop.training.config import TrainConfig
from clipcrop.training.views import ViewMaker, plain_view

RED = (255, 0, 0)


@pytest.fixture
def red_squares(tmp_path):
    """Grey photos with a red square, which their only crop is."""
    examples = []
    for number in range(5):
        image = Image.new("RGB", (160, 120), (90, 90, 90))
        box = (40, 20, 80, 60)
        if number == 0:
            image.paste(RED, box)
        path = tmp_path / f"{number}.png"
        image.save(path)
        crop = RatedCrop(box_xyxy_px=box, rating=5)
        examples.append(Example(photo=path, text="the red square", crops=(crop,)))
    return examples


@pytest.mark.parametrize("number", range(12))
def test_a_crop_stays_on_what_it_shows(red_squares, number):
    maker = ViewMaker(red_squares, TrainConfig(side_px=160, jitter=0.0))

    view = maker.make(0, number)

    crop_px = (view.crops_xyxy[0] * torch.tensor([*view.image.size] * 2)).round().tolist()
    red, green, _ = view.image.split()
    found = ImageChops.subtract(red, green).point(lambda level: 255 * (level > 80)).getbbox()
    assert max(abs(a - b) for a, b in zip(found, crop_px, strict=True)) <= 2


def test_mosaics_of_all_sizes_are_as_frequent(red_squares):
    maker = ViewMaker(red_squares, TrainConfig(side_px=32, jitter=0.0))

    views = [maker.make(index % 5, number) for index in range(5) for number in range(60)]

    sides = [
        round(1 / (view.crops_xyxy[0, 2] - view.crops_xyxy[0, 0]).item() / 4) for view in views
    ]
    counts = [sides.count(side) for side in (1, 2, 3)]
    assert sum(counts) == 300
    assert all(75 < count < 125 for count in counts)
    assert [view.is_mosaic for view in views] == [side > 1 for side in sides]


def test_the_same_numbers_give_the_same_view(examples):
    config = TrainConfig(side_px=96)
    first, second = (ViewMaker(examples, config).make(1, 7) for _ in range(2))

    assert ImageChops.difference(first.image, second.image).getbbox() is None
    torch.testing.assert_close(first.crops_xyxy, second.crops_xyxy)


def test_another_number_and_another_seed_give_other_views(examples):
    views = [
        ViewMaker(examples, TrainConfig(side_px=96, seed=seed)).make(1, number).image.tobytes()
        for seed, number in ((0, 0), (0, 1), (1, 0))
    ]

    assert len(set(views)) == 3


def test_kept_views_come_again(examples):
    maker = ViewMaker(examples, TrainConfig(views=3))

    assert [maker.number_of(epoch) for epoch in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_views_that_are_not_kept_are_new_in_every_epoch(examples):
    assert [ViewMaker(examples, TrainConfig()).number_of(epoch) for epoch in (0, 5)] == [0, 5]


def test_a_single_photo_gives_no_mosaics(examples):
    maker = ViewMaker(examples[:1], TrainConfig(side_px=64))

    assert not any(maker.make(0, number).is_mosaic for number in range(20))


def test_no_photo_stands_beside_itself(red_squares):
    """Another text of the same photo would make two right answers of one."""
    twice = [red_squares[0], replace(red_squares[0], text="a square"), red_squares[1]]
    maker = ViewMaker(twice, TrainConfig(side_px=160, jitter=0.0, mosaic_sides=(2,)))

    for number in range(10):
        colours = maker.make(0, number).image.getcolors(9999)
        counts = {colour: count for count, colour in colours}
        assert counts[RED] < 2 * 20 * 20  # one square, of a quarter of its size


def test_a_text_with_a_side_keeps_its_photo_as_it_is(red_squares):
    left = [replace(one, text="the square on the left") for one in red_squares]
    maker = ViewMaker(left, TrainConfig(side_px=160, jitter=0.0, flip=1.0, mosaic_sides=(1,)))

    assert maker.make(0, 0).crops_xyxy[0].tolist() == pytest.approx([1 / 4, 1 / 6, 1 / 2, 1 / 2])


def test_a_plain_view_is_the_photo_itself(examples):
    view = plain_view(examples[1], 96)

    assert max(view.image.size) == 96
    assert not view.is_mosaic
    assert view.quality[0] == 1.0


def test_a_photo_that_cannot_be_read_is_named_with_its_line(examples, tmp_path):
    lost = replace(examples[0], photo=tmp_path / "lost.jpg", source="texts.jsonl, line 7")

    with pytest.raises(InputError, match=r"texts.jsonl, line 7: no such image: .*lost.jpg"):
        plain_view(lost, 96)
