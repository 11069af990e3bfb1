from __future__ import annotations

import numpy as np
import pytest

from clipcrop.arrays import FloatArray
from clipcrop.choosing import choose
from clipcrop.prompt.places import Place

LEFT, MIDDLE, RIGHT = 1, 2, 0
BOXES = np.array(
    [
        (0.70, 0.40, 0.80, 0.60),  # the surest is on the right
        (0.05, 0.45, 0.15, 0.65),
        (0.30, 0.10, 0.60, 0.90),
    ],
    np.float32,
)


def chosen(
    *places: Place, anchors: dict[str, FloatArray] | None = None, count: int | None = 1
) -> list[int] | None:
    return choose(BOXES, places, anchors or {}, count)


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        ("left", LEFT),
        ("right", RIGHT),
        ("middle", MIDDLE),
        ("biggest", MIDDLE),
        ("smallest", RIGHT),
        ("front", MIDDLE),
        ("back", RIGHT),
        ("bottom", LEFT),
    ],
)
def test_a_side_or_a_size_chooses(side: str, expected: int) -> None:
    assert chosen(Place((side,))) == [expected]


def test_ordinals_count_from_a_side() -> None:
    assert chosen(Place(("left",), rank=2)) == [MIDDLE]
    assert chosen(Place(("biggest",), rank=3)) == [LEFT]
    assert chosen(Place(("left",), rank=4)) is None


def test_a_count_takes_the_first_from_that_side() -> None:
    assert chosen(Place(("right",)), count=2) == [RIGHT, MIDDLE]


def test_a_plural_takes_those_in_that_half() -> None:
    assert sorted(chosen(Place(("left",)), count=None) or []) == [LEFT, MIDDLE]
    assert chosen(Place(("right",)), count=None) == [RIGHT]


def test_relations_choose_by_another_thing() -> None:
    car = np.array([(0.62, 0.4, 0.68, 0.6)], np.float32)

    assert chosen(Place(relation="left of", anchor="car"), anchors={"car": car}) == [MIDDLE]
    assert chosen(Place(relation="right of", anchor="car"), anchors={"car": car}) == [RIGHT]
    assert chosen(Place(relation="next to", anchor="car"), anchors={"car": car}) == [RIGHT]


def test_what_a_thing_has_chooses_the_one_that_holds_it() -> None:
    hat = np.array([(0.06, 0.45, 0.14, 0.5)], np.float32)

    assert chosen(Place(relation="with", anchor="hat"), anchors={"hat": hat}) == [LEFT]
    far = np.array([(0.9, 0.9, 1.0, 1.0)], np.float32)
    assert chosen(Place(relation="with", anchor="hat"), anchors={"hat": far}) == [0]


def test_without_the_other_thing_a_relation_cannot_choose() -> None:
    assert chosen(Place(relation="next to", anchor="car")) is None
    assert chosen(Place(relation="with", anchor="hat")) == [0]


def test_places_add_up() -> None:
    car = np.array([(0.62, 0.4, 0.68, 0.6)], np.float32)

    # Without the relation it would be the one on the right, without the size the one in the middle.
    both = chosen(
        Place(relation="left of", anchor="car"), Place(("smallest",)), anchors={"car": car}
    )

    assert both == [LEFT]
