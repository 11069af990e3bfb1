"""Where the evidence for kinds of people is read, and what is made of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from clipcrop.encoders.lite_people import (
    NUM_PLACES,
    NUM_TRAITS,
    find_traits,
    kinds_of,
    person_parts,
)
from clipcrop.encoders.lite_words import KINDS

floats = partial(np.array, dtype=np.float32)

LEFT, RIGHT = (20.0, 20.0, 120.0, 320.0), (200.0, 20.0, 300.0, 320.0)


def test_the_head_is_the_face_that_lies_where_the_persons_face_is_expected():
    own, of_a_child_before, elsewhere = (50, 40, 90, 90), (30, 160, 60, 190), (230, 40, 260, 80)

    heads, _, bodies = person_parts(floats([LEFT]), floats([of_a_child_before, own, elsewhere]))

    assert heads.tolist() == [list(own)]
    assert bodies.tolist() == [list(LEFT)]


@pytest.mark.parametrize(
    "faces", [[], [(230, 40, 260, 80)], [(50, 250, 90, 300)]], ids=["none", "beside", "too low"]
)
def test_without_a_face_of_its_own_the_head_is_looked_for_at_the_top(faces: list[object]):
    heads, busts, _ = person_parts(floats([LEFT]), floats(faces).reshape(-1, 4))

    x0, y0, x1, y1 = heads[0]
    assert (x0 + x1) / 2 == pytest.approx(70)
    assert y0 == 20
    assert y1 < 20 + 0.4 * 300
    assert busts[0, 0] < x0
    assert busts[0, 3] > y1


def test_evidence_counts_for_the_person_whose_box_it_lies_in():
    maps = [
        np.zeros((NUM_TRAITS * places, 416 // stride, 416 // stride), np.float32)
        for stride, places in zip((8, 16, 32), NUM_PLACES, strict=True)
    ]
    for each, stride in zip(maps, (8, 16, 32), strict=True):
        each[: len(each) // 2, :, 160 // stride :] = 1.0  # female, in the right half
        each[len(each) // 2 :, :, : 160 // stride] = -1.0  # an adult, in the left half

    traits = find_traits(maps, floats([LEFT, RIGHT]), floats([]).reshape(-1, 4), (416, 416))

    assert traits[0, 0] == pytest.approx(0.5)
    assert traits[1, 0] > 0.99
    assert traits[0, 1] < 0.01
    assert traits[1, 1] == pytest.approx(0.5)


def test_a_person_at_the_edge_is_read_inside_the_photo():
    maps = [
        np.full((NUM_TRAITS * places, 416 // stride, 416 // stride), np.nan, np.float32)
        for stride, places in zip((8, 16, 32), NUM_PLACES, strict=True)
    ]
    for each, stride in zip(maps, (8, 16, 32), strict=True):
        each[:, : 224 // stride] = 0.0  # below it is padding

    traits = find_traits(
        maps, floats([[0, 0, 416, 208]]), floats([[150, 120, 300, 208]]), (416, 208)
    )

    assert np.isfinite(traits).all()


@pytest.mark.parametrize(
    ("female", "child", "kind"),
    [(0.1, 0.1, "man"), (0.9, 0.1, "woman"), (0.2, 0.8, "boy"), (0.8, 0.8, "girl")],
)
def test_the_likeliest_kind_fits_what_is_known(female: float, child: float, kind: str):
    kinds = kinds_of(floats([[female, child]]))[0]

    assert KINDS[int(kinds[:4].argmax())] == kind
    assert kinds[KINDS.index("child")] == pytest.approx(child)
    assert (kinds >= 0).all()
    assert (kinds <= 1).all()
