from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clipcrop.encoders.lite_colours import (
    COLOURS,
    colour_match,
    colour_of,
    colour_shares,
    name_colours,
)
from clipcrop.prompt.parser import Text

floats = partial(np.array, dtype=np.float32)

WHOLE = floats([[0.0, 0.0, 1.0, 1.0]])


def patch(red: int, green: int, blue: int) -> NDArray[np.uint8]:
    return np.full((64, 64, 3), [red, green, blue], np.uint8)


def photo(file: Path) -> NDArray[np.uint8]:
    with Image.open(file) as image:
        small = image.convert("RGB").resize((208, 208))
    return np.asarray(small)


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        pytest.param((12, 12, 14), "black", id="near black"),
        pytest.param((250, 248, 245), "white", id="near white"),
        pytest.param((225, 220, 212), "white", id="white fur"),
        pytest.param((128, 128, 130), "grey", id="grey"),
        pytest.param((220, 20, 30), "red", id="signal red"),
        pytest.param((128, 0, 0), "red", id="dark red"),
        pytest.param((250, 140, 10), "orange", id="orange"),
        pytest.param((250, 230, 30), "yellow", id="yellow"),
        pytest.param((30, 150, 50), "green", id="green"),
        pytest.param((0, 70, 20), "green", id="dark green"),
        pytest.param((30, 60, 200), "blue", id="blue"),
        pytest.param((0, 0, 90), "blue", id="navy"),
        pytest.param((135, 206, 235), "blue", id="sky blue"),
        pytest.param((130, 40, 180), "purple", id="purple"),
        pytest.param((250, 170, 190), "pink", id="pale pink"),
        pytest.param((255, 105, 180), "pink", id="hot pink"),
        pytest.param((110, 70, 30), "brown", id="brown"),
        pytest.param((210, 180, 140), "brown", id="tan"),
    ],
)
def test_a_patch_has_the_colour_that_people_call_it(rgb: tuple[int, int, int], colour: str) -> None:
    shares = colour_shares(patch(*rgb), WHOLE)[0]

    assert COLOURS[int(shares.argmax())] == colour
    assert shares.max() == 1.0


def test_every_colour_gets_exactly_one_name() -> None:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)

    names = name_colours(cube)

    assert names.shape == (len(cube),)
    assert set(names.tolist()) == set(range(len(COLOURS)))


def test_a_box_is_judged_by_its_own_centre() -> None:
    image = patch(250, 250, 250).copy()
    image[16:48, 32:64] = np.array([220, 20, 30], dtype=np.uint8)
    boxes = floats([[0.5, 0.25, 1.0, 0.75], [0.0, 0.0, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0]])

    red = colour_shares(image, boxes)[:, COLOURS.index("red")]

    assert red[0] == 1.0
    assert red[1] == 0.0
    assert 0.3 < red[2] < 0.6


def test_boxes_beyond_the_image_and_empty_boxes_are_no_problem() -> None:
    boxes = floats([[-1.0, -1.0, 2.0, 2.0], [0.5, 0.5, 0.5, 0.5]])

    shares = colour_shares(patch(30, 60, 200), boxes)

    assert shares.sum(axis=1).tolist() == pytest.approx([1.0, 1.0])
    assert shares[:, COLOURS.index("blue")].tolist() == [1.0, 1.0]


def test_no_boxes_give_no_rows() -> None:
    assert colour_shares(patch(0, 0, 0), np.zeros((0, 4), np.float32)).shape == (0, len(COLOURS))


def test_the_astronauts_suit_is_orange_and_her_hair_is_not(astronaut_path: Path) -> None:
    image = photo(astronaut_path)
    suit, face = [0.25, 0.55, 0.75, 1.0], [0.33, 0.02, 0.55, 0.4]

    orange = colour_match(colour_shares(image, floats([suit, face])), "orange")
    blue = colour_match(colour_shares(image, floats([suit, face])), "blue")

    assert orange[0] > 0.3
    assert blue.max() < 0.1


def test_a_colour_counts_what_is_taken_for_it_by_half() -> None:
    shares = np.zeros((1, len(COLOURS)), np.float32)
    shares[0, COLOURS.index("orange")] = 0.2
    shares[0, COLOURS.index("brown")] = 0.6

    assert colour_match(shares, "orange").item() == pytest.approx(0.5)
    assert colour_match(shares, "blue").item() == 0.0


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        pytest.param(Text("the white dog", "dog", ("white",)), "white", id="a modifier"),
        pytest.param(Text("a ginger cat", "cat", ("ginger",)), "orange", id="another word for it"),
        pytest.param(Text("the gray horse", "horse", ("gray",)), "grey", id="American spelling"),
        pytest.param(Text("big dog", "dog", ("big",)), None, id="no colour"),
        pytest.param(Text("the orange", "orange"), None, id="the fruit"),
        pytest.param(
            Text("the dog on the red couch", "dog"), None, id="the colour of something else"
        ),
        pytest.param(
            Text("black and white cat", "cat", ("black", "white")), None, id="two colours"
        ),
        pytest.param(Text("dark-red car", "car", ("dark-red",)), "red", id="a shade"),
        pytest.param(Text("red-haired boy", "boy", ("red-haired",)), None, id="a part's colour"),
        pytest.param(Text("white wine", "wine", ("white",)), None, id="a kind, not a colour"),
        pytest.param(Text("the brown dog"), "brown", id="without grammar"),
        pytest.param(
            Text("a dog that runs over the green grass"), None, id="a long text without grammar"
        ),
    ],
)
def test_the_colour_of_a_text_is_its_heads(text: Text, colour: str | None) -> None:
    assert colour_of(text) == colour
