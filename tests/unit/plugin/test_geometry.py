from __future__ import annotations

import random

import pytest

from clipcrop_plugin.errors import NothingToCrop
from clipcrop_plugin.geometry import Placement, Rect, Size, fit

CANVAS = Size(400, 300)


def a_canvas_and_a_layer(chance):
    canvas = Size(chance.choice([1, 2, 7, 400]), chance.choice([1, 3, 300]))
    low = chance.choice([0, -1, -50, canvas.width_px - 1, 5000])
    area = Rect(low, chance.randint(-40, 40), chance.choice([1, 2, 999]), chance.choice([1, 800]))
    return canvas, area


def a_crop(chance, area):
    left, right = sorted(chance.randint(-5, area.width_px + 5) for _ in range(2))
    top, bottom = sorted(chance.randint(-5, area.height_px + 5) for _ in range(2))
    return left, top, right, bottom


@pytest.mark.parametrize("seed", range(200))
def test_a_crop_is_never_empty_and_never_outside_of_the_canvas(seed):
    chance = random.Random(seed)
    canvas, area = a_canvas_and_a_layer(chance)

    rect = Placement(area, canvas).crop(a_crop(chance, area))

    assert rect.width_px >= 1
    assert rect.height_px >= 1
    assert Rect(0, 0, *canvas).intersect(rect) == rect


@pytest.mark.parametrize("seed", range(200))
def test_what_is_seen_of_a_layer_lies_in_it_and_on_the_canvas(seed):
    chance = random.Random(seed)
    canvas, area = a_canvas_and_a_layer(chance)
    try:
        placement = Placement.of(area, canvas)
    except NothingToCrop:
        assert area.intersect(Rect(0, 0, *canvas)) is None
        return

    seen = placement.area
    crop = a_crop(chance, seen)
    rect = placement.crop(crop)

    assert seen.intersect(area) == seen
    assert seen.intersect(Rect(0, 0, *canvas)) == seen
    assert rect.intersect(seen) == rect
    assert placement.crop((0, 0, seen.width_px, seen.height_px)) == seen


@pytest.mark.parametrize("seed", range(100))
def test_a_crop_inside_the_canvas_keeps_its_size(seed):
    chance = random.Random(seed)
    area = Rect(chance.randint(0, 50), chance.randint(0, 50), 200, 100)
    left, top = chance.randint(0, 199), chance.randint(0, 99)
    right, bottom = chance.randint(left + 1, 200), chance.randint(top + 1, 100)

    rect = Placement(area, CANVAS).crop((left, top, right, bottom))

    assert rect == Rect(area.x + left, area.y + top, right - left, bottom - top)


@pytest.mark.parametrize(
    ("area", "crop_px", "expected"),
    [
        pytest.param(Rect(0, 0, 400, 300), (0, 0, 400, 300), Rect(0, 0, 400, 300), id="whole"),
        pytest.param(Rect(0, 0, 400, 300), (10, 20, 30, 60), Rect(10, 20, 20, 40), id="plain"),
        pytest.param(Rect(100, 50, 80, 60), (0, 0, 80, 60), Rect(100, 50, 80, 60), id="offset"),
        pytest.param(Rect(-20, -10, 80, 60), (0, 0, 80, 60), Rect(0, 0, 60, 50), id="negative"),
        pytest.param(Rect(350, 250, 800, 600), (0, 0, 800, 600), Rect(350, 250, 50, 50), id="over"),
        pytest.param(Rect(-50, 0, 80, 60), (0, 0, 10, 60), Rect(0, 0, 1, 60), id="left of it"),
        pytest.param(Rect(390, 0, 80, 60), (20, 0, 30, 60), Rect(399, 0, 1, 60), id="right of it"),
        pytest.param(Rect(0, 0, 400, 300), (7, 7, 7, 7), Rect(7, 7, 1, 1), id="empty"),
        pytest.param(Rect(0, 0, 400, 300), (9, 9, 2, 2), Rect(9, 9, 1, 1), id="inside out"),
        pytest.param(Rect(0, 0, 400, 300), (-9, 0, 999, 999), Rect(0, 0, 400, 300), id="too large"),
    ],
)
def test_a_crop_lies_where_its_layer_lies(area, crop_px, expected):
    assert Placement(area, CANVAS).crop(crop_px) == expected


def test_one_pixel_can_be_cropped():
    placement = Placement.of_canvas(Size(1, 1))

    assert placement.crop((0, 0, 1, 1)) == Rect(0, 0, 1, 1)
    assert placement.is_whole_canvas


def test_a_layer_beside_the_canvas_is_refused_with_a_sentence():
    with pytest.raises(NothingToCrop, match="Choose another layer"):
        Placement.of(Rect(400, 0, 10, 10), CANVAS)


def test_a_layer_that_is_larger_than_the_canvas_shows_all_of_it():
    assert Placement.of(Rect(-5, -5, 999, 999), CANVAS) == Placement.of_canvas(CANVAS)
    assert not Placement.of(Rect(1, 0, 999, 999), CANVAS).is_whole_canvas


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        (Size(8000, 6000), Size(1024, 1024), Size(1024, 768)),
        (Size(640, 480), Size(1024, 1024), Size(640, 480)),
        (Size(1, 1), Size(1024, 1024), Size(1, 1)),
        (Size(100_000, 1), Size(1024, 1024), Size(1024, 1)),
        (Size(1, 262_144), Size(96, 64), Size(1, 64)),
        (Size(3, 2), Size(2, 2), Size(2, 1)),
    ],
)
def test_a_size_fits_in_its_box_and_is_never_enlarged(size, box, expected):
    assert fit(size, box) == expected


@pytest.mark.parametrize("seed", range(200))
def test_in_a_thumbnail_a_crop_is_seen_and_inside(seed):
    chance = random.Random(seed)
    area = Rect(chance.randint(-99, 99), 3, chance.choice([1, 9, 5000]), chance.choice([1, 4000]))
    placement = Placement(area, Size(6000, 5000))
    thumbnail = fit(Size(area.width_px, area.height_px), Size(96, 96))

    rect = placement.in_thumbnail(placement.crop(a_crop(chance, area)), thumbnail)

    assert rect.width_px >= 1
    assert rect.height_px >= 1
    assert rect.intersect(Rect(0, 0, *thumbnail)) == rect


def test_in_a_thumbnail_the_whole_picture_is_the_whole_thumbnail():
    placement = Placement(Rect(50, 60, 300, 200), CANVAS)

    assert placement.in_thumbnail(placement.area, Size(96, 64)) == Rect(0, 0, 96, 64)
    assert placement.in_thumbnail(Rect(200, 160, 75, 50), Size(96, 64)) == Rect(48, 32, 24, 16)
