"""Constraints: what people write, and what it means."""

from __future__ import annotations

import pytest

from clipcrop.constraints import Constraints
from clipcrop.errors import InputError


@pytest.mark.parametrize(
    ("text", "aspect"),
    [
        ("free", None),
        (" Original ", "original"),
        ("16:9", 16 / 9),
        ("2.39:1", 2.39),
        ("3 : 2", 1.5),
    ],
)
def test_aspect_ratios_are_read_as_people_write_them(text, aspect):
    assert Constraints.parse(text).aspect == aspect


@pytest.mark.parametrize(
    "text", ["0:1", "3:0", "a:b", "-3:2", "3/2", "", "1:2:3", "nan:1", "1e3:1"]
)
def test_what_is_no_aspect_ratio_is_refused_with_what_is(text):
    with pytest.raises(InputError, match=r'no such aspect ratio.*write "free", "original"'):
        Constraints.parse(text)


def test_a_ratio_that_makes_no_picture_is_refused():
    with pytest.raises(InputError, match="must be from 1:100 to 100:1"):
        Constraints.parse("1000:1")


@pytest.mark.parametrize(
    ("text", "size_px"), [("", (1, 1)), ("1200x800", (1200, 800)), ("1200", (1200, 1200))]
)
def test_minimum_sizes_are_read_as_people_write_them(text, size_px):
    constraints = Constraints.parse("free", text)

    assert (constraints.min_width_px, constraints.min_height_px) == size_px


@pytest.mark.parametrize("text", ["0", "0x5", "-3", "12.5", "a lot", "1x2x3", "9999999999"])
def test_what_is_no_minimum_size_is_refused_with_what_is(text):
    with pytest.raises(InputError, match=r'no such minimum size.*"1200x800"'):
        Constraints.parse("free", text)


def test_a_minimum_below_one_pixel_is_refused():
    with pytest.raises(InputError, match="both sides must be at least 1"):
        Constraints(min_width_px=0)
