"""Queries made from annotated boxes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipcrop.errors import InputError
from clipcrop.training.lite.__main__ import main
from clipcrop.training.lite.queries import by_synonyms, read_held_out


def test_a_query_is_asked_once_for_each_synonym():
    query = {"image": "a.jpg", "query": "car", "boxes": [[0, 0, 1, 1]]}

    asked = list(by_synonyms([query, {**query, "query": "dog"}], {"car": ["automobile", "jeep"]}))

    assert [one["query"] for one in asked] == ["automobile", "jeep"]
    assert all(one["boxes"] == query["boxes"] for one in asked)


def test_development_queries_are_of_every_sixth_photo(tmp_path: Path):
    boxes = tmp_path / "boxes.jsonl"
    boxes.write_text(
        "".join(
            json.dumps({"image": f"{number:02}.jpg", "boxes": [["dog", 0, 0, 1, 1]]}) + "\n"
            for number in range(13)
        )
    )

    code = main(["queries", str(boxes), "--output", str(tmp_path / "q.jsonl"), "--development"])

    lines = (tmp_path / "q.jsonl").read_text().splitlines()
    assert code == 0
    assert [json.loads(line)["image"] for line in lines] == ["00.jpg", "06.jpg", "12.jpg"]


def test_a_file_without_held_out_synonyms_is_refused(tmp_path: Path):
    (tmp_path / "names.json").write_text("{}")

    with pytest.raises(InputError, match="no held-out synonyms"):
        read_held_out(tmp_path / "names.json")
