"""Without a window: the procedures, called as scripts do."""

from __future__ import annotations

from pathlib import Path

import pytest
from driver import Gimp

pytestmark = pytest.mark.gimp

ASK, REPEAT = "plug-in-clipcrop", "plug-in-clipcrop-repeat"
NEXT, PREVIOUS, APPLY = "plug-in-clipcrop-next", "plug-in-clipcrop-previous", "plug-in-clipcrop-apply"


@pytest.fixture
def photo(gimp: Gimp, astronaut_path: Path) -> int:
    """The number of an open photo."""
    return gimp.run("result = load(path).get_id()", path=str(astronaut_path))


def ask(gimp: Gimp, photo: int, **choices: object) -> dict:
    return gimp.run("result = call(name, image_of(photo), **choices)", name=ASK, photo=photo, choices=choices)


def test_the_best_suggestion_is_selected_and_all_are_returned(gimp: Gimp, photo: int):
    got = ask(gimp, photo, prompt="the woman", aspect="3:2")

    assert got["status"] == "success", got
    boxes = [got["boxes"][i : i + 4] for i in range(0, len(got["boxes"]), 4)]
    assert len(boxes) == got["num-suggestions"] == len(got["qualities"]) > 1
    assert gimp.run("result = selection(image_of(photo))", photo=photo) == boxes[0]
    assert (got["kind"], got["matched"]) == ("match", ["woman"])
    assert got["result"] == photo
