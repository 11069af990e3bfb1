"""Labels of people, and the fit to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clipcrop.encoders.lite_people import NUM_PLACES
from clipcrop.errors import InputError
from clipcrop.training.lite.people import (
    FoundPeople,
    Labels,
    is_kept,
    queries,
    read_shards,
    train,
    write_shard,
)
from clipcrop.training.lite.people_head import PEOPLE_CHANNELS

LEFT, RIGHT, SMALL = [0.0, 0.0, 0.4, 0.9], [0.5, 0.0, 0.9, 0.9], [0.95, 0.0, 1.0, 0.2]


def found(*boxes: list[float], signal: tuple[float, ...] = ()) -> FoundPeople:
    """People at these places; the head is the box's upper fifth, one feature is the signal."""
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    heads = xyxy.copy()
    heads[:, 3] = heads[:, 1] + 0.2 * (heads[:, 3] - heads[:, 1])
    features = [
        np.zeros((len(xyxy), places, channels), np.float16)
        for places, channels in zip(NUM_PLACES, PEOPLE_CHANNELS, strict=True)
    ]
    for row, value in enumerate(signal):
        features[1][row, 2, 7] = value
    return FoundPeople(xyxy, heads, tuple(features))


def labels(folder: Path, **files: list[dict[str, Any]]) -> Labels:
    """Made files of labels; those not given are empty."""
    for name in ("captions_people", "faces", "people_by_eye"):
        lines = [json.dumps(line) + "\n" for line in files.get(name, [])]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return Labels(folder, folder / "people_by_eye.jsonl")


def caption(**said: int) -> dict[str, Any]:
    return {"image": "a.jpg", "male": 0, "female": 0, "child": 0, "adult": 0, "anyone": 5} | said


def test_captions_are_about_the_one_who_stands_out(tmp_path: Path):
    known = labels(tmp_path, captions_people=[caption(female=4, adult=3)])

    assert known.of("a.jpg", found(LEFT, SMALL)) == {0: ((1, 0), 0.9)}


def test_captions_of_several_count_less_and_only_where_all_agree(tmp_path: Path):
    known = labels(tmp_path, captions_people=[caption(male=5, child=2)])

    assert known.of("a.jpg", found(LEFT, RIGHT)) == {0: ((0, None), 0.4), 1: ((0, None), 0.4)}


def test_captions_that_say_both_label_nobody(tmp_path: Path):
    known = labels(tmp_path, captions_people=[caption(male=3, female=3)])

    assert known.of("a.jpg", found(LEFT)) == {}


def test_a_teachers_guess_counts_where_it_is_sure_of_a_clear_face(tmp_path: Path):
    faces = [
        [0.02, 0.0, 0.38, 0.17, 0.95, 0.97, 41.0],
        [0.52, 0.0, 0.88, 0.17, 0.95, 0.55, 25.0],
        [0.95, 0.0, 1.0, 0.04, 0.70, 0.99, 41.0],
    ]
    known = labels(tmp_path, faces=[{"image": "a.jpg", "faces": faces}])

    assert known.of("a.jpg", found(LEFT, RIGHT, SMALL)) == {0: ((1, 0), 0.5)}


def test_labels_by_eye_stand_alone(tmp_path: Path):
    known = labels(
        tmp_path,
        captions_people=[caption(male=5)],
        people_by_eye=[{"image": "a.jpg", "people": [{"box": RIGHT, "kind": "girl"}]}],
    )

    assert known.of("a.jpg", found(LEFT, RIGHT)) == {1: ((1, 1), 1.0)}


def test_a_missing_file_of_labels_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="captions_people"):
        Labels(tmp_path, labels(tmp_path) and tmp_path / "captions_people.jsonl_gone")


def test_shards_come_back_as_they_were_written(tmp_path: Path):
    people = found(LEFT, RIGHT, signal=(1.0, -1.0))
    write_shard(tmp_path / "people-0-00000.npz", ["a.jpg", "b.jpg"], [found(), people])

    (first, empty), (second, again) = read_shards(tmp_path)

    assert (first, second) == ("a.jpg", "b.jpg")
    assert len(empty.boxes_xyxy) == 0
    np.testing.assert_array_equal(again.boxes_xyxy, people.boxes_xyxy)
    np.testing.assert_array_equal(again.features[1], people.features[1])


def test_no_shards_are_named_with_what_makes_them(tmp_path: Path):
    with pytest.raises(InputError, match="people-cache"):
        next(read_shards(tmp_path))


def test_training_finds_the_feature_that_tells_and_leaves_kept_photos_out(tmp_path: Path):
    names = [f"{number}.jpg" for number in range(40)]
    by_eye = [
        {
            "image": name,
            "people": [{"box": LEFT, "kind": "woman"}, {"box": RIGHT, "kind": "boy"}],
        }
        for name in names
    ]
    known = labels(tmp_path, people_by_eye=by_eye)
    people = [
        # In kept photos the feature says the opposite.
        found(LEFT, RIGHT, signal=(-1.0, 1.0) if is_kept(name) else (1.0, -1.0))
        for name in names
    ]
    write_shard(tmp_path / "people-0-00000.npz", names, people)

    maps, report = train(known, tmp_path)

    assert report["female, pairs"] == 1.0
    assert report["child, pairs"] == 1.0
    layer = maps.maps[1]
    with torch.no_grad():
        evidence = layer(torch.eye(PEOPLE_CHANNELS[1])[7][None, :, None, None])[0, :, 0, 0]
        nothing = layer(torch.zeros(1, PEOPLE_CHANNELS[1], 1, 1))[0, :, 0, 0]
    told = (evidence - nothing).view(2, -1)
    assert told[0].argmax() == 2  # female, at that place
    assert told[1].argmin() == 2  # no child


def test_kept_photos_are_asked_for_each_kind_beside_another(tmp_path: Path):
    kept = next(name for name in (f"{number}.jpg" for number in range(99)) if is_kept(name))
    by_eye = [
        {
            "image": kept,
            "people": [{"box": LEFT, "kind": "man"}, {"box": RIGHT, "kind": "child"}],
        },
    ]

    asked = list(queries(labels(tmp_path, people_by_eye=by_eye)))

    assert asked == [
        {"image": kept, "query": "the man", "boxes": [LEFT]},
        {"image": kept, "query": "the child", "boxes": [RIGHT]},
    ]
