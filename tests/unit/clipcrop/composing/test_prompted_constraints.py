from __future__ import annotations

import numpy as np
import pytest

from clipcrop.composing.prompted_constraints import at_least, obey, with_room
from clipcrop.constraints import Constraints
from clipcrop.prompt.instructions import Instructions


@pytest.mark.parametrize(
    ("aspect", "size_px", "ratio"),
    [
        ("4:5", (300, 200), 0.8),
        ("portrait", (300, 200), 2 / 3),
        ("portrait", (200, 300), 2 / 3),
        ("portrait", (200, 200), 0.8),
        ("landscape", (200, 300), 1.5),
    ],
)
def test_a_ratio_in_words_is_obeyed(aspect: str, size_px: tuple[int, int], ratio: float) -> None:
    framing = obey(Instructions(aspect=aspect), Constraints(), *size_px)

    assert framing.constraints.aspect == pytest.approx(ratio)
    assert framing.aspect == aspect
    assert framing.notes == ()


def test_an_option_wins_and_the_words_are_named() -> None:
    framing = obey(Instructions(aspect="4:5"), Constraints(aspect=1.0), 300, 200)

    assert (framing.constraints.aspect, framing.aspect) == (1.0, "")
    assert "4:5" in framing.notes[0]


def test_a_size_is_a_ratio_and_a_smallest_size_where_the_photo_has_it() -> None:
    said = Instructions(aspect="4:5", min_size_px=(1080, 1350))

    large = obey(said, Constraints(), 4000, 3000)
    small = obey(said, Constraints(), 800, 600)

    assert (large.constraints.min_width_px, large.constraints.min_height_px) == (1080, 1350)
    assert (small.constraints.min_width_px, small.constraints.aspect) == (1, 0.8)
    assert "1080" in small.notes[0]


def test_a_ratio_that_no_picture_has_is_named() -> None:
    framing = obey(Instructions(aspect="99999:100"), Constraints(), 300, 200)

    assert framing.constraints == Constraints()
    assert "99999:100" in framing.notes[0]


def test_room_is_made_on_the_sides_that_have_it() -> None:
    box = np.array([0.0, 0.5, 0.2, 1.0], np.float32)

    larger, sides = with_room(box, ("above", "left"))

    assert sides == ("above",)
    assert larger.tolist() == pytest.approx([0.0, 0.2, 0.2, 1.0])


def test_a_least_share_keeps_the_ratio() -> None:
    limits = at_least(0.25, Constraints(aspect=1.0), 400, 200)

    assert limits is not None
    assert limits.min_width_px == limits.min_height_px == 141
    assert at_least(0.9, Constraints(aspect=1.0), 400, 200) is None
