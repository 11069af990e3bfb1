"""What one process leaves for the next."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.geometry import Rect, Size
from clipcrop_plugin.session import Suggestion
from clipcrop_plugin.snapshot import Snapshot

SNAPSHOT = Snapshot(
    Choices(prompt="größer 🐕", aspect="3:2"),
    Size(40, 20),
    (Suggestion(Rect(0, 0, 30, 20), 0.75, "wide"), Suggestion(Rect(5, 5, 3, 2), 0.5)),
    1,
    Rect(5, 5, 3, 2),
)


@pytest.mark.parametrize(
    "snapshot",
    [
        pytest.param(SNAPSHOT, id="shown"),
        pytest.param(replace(SNAPSHOT, shown=None), id="not shown"),
    ],
)
def test_a_note_says_all_of_it(snapshot: Snapshot):
    text = snapshot.to_json()

    assert text.isascii()
    assert Snapshot.from_json(text) == snapshot


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"version": 99}, id="newer"),
        pytest.param({"index": 2}, id="beyond the end"),
        pytest.param({"index": "first"}, id="no number"),
        pytest.param({"canvas": [40]}, id="half a size"),
        pytest.param({"canvas": None}, id="no size"),
        pytest.param({"suggestions": []}, id="no suggestion"),
        pytest.param({"suggestions": [[1, 2, 3]]}, id="half a suggestion"),
        pytest.param({"shown": [1]}, id="half a rectangle"),
    ],
)
def test_a_note_that_is_of_no_use_counts_as_none(changes: dict[str, object]):
    values = json.loads(SNAPSHOT.to_json())

    assert Snapshot.from_json(json.dumps({**values, **changes})) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}"])
def test_what_is_no_note_counts_as_none(text: str):
    assert Snapshot.from_json(text) is None
