from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcrop.arrays import FloatArray
from clipcrop.encoders.base import Encoder, ImageTokens
from clipcrop.errors import InputError
from clipcrop.evaluation.grounding import (
    GROUPS,
    evaluate_grounding,
    measure,
    queries_from_boxes,
    read_cases,
)
from clipcrop.evaluation.grounding_metrics import Answer
from clipcrop.prompt.parser import Text

floats = partial(np.array, dtype=np.float32)

PERSON, LARGE, SMALL, ALL = GROUPS
LEFT_HALF = [0.0, 0.0, 0.5, 1.0]
RIGHT_HALF = [0.5, 0.0, 1.0, 1.0]


def write_lines(path: Path, *records: object) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


class FakeEncoder(Encoder):
    """An encoder to which everything on the left is a person and everything on the right a dog; it
    knows no third word, and is never sure of a cup."""

    name = "fake"
    min_score = 0.1
    sure_score = 0.5
    min_query_score = 0.1

    def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
        boxes = floats([[[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]]])
        classes = floats([[[0.9, 0.0, 0.05], [0.0, 0.8, 0.0]]])
        mask = np.ones((1, 2), bool)
        return ImageTokens(None, classes, boxes, mask.astype(np.float32), mask)

    def encode_texts(self, texts: Sequence[Text]) -> FloatArray:
        rows = np.zeros((len(texts), 3), np.float32)
        for row, text in enumerate(texts):
            if text.head in ("person", "dog", "cup"):
                rows[row, ("person", "dog", "cup").index(text.head)] = 1
        return rows

    def encode_image_query(self, image: Image.Image) -> FloatArray:
        return np.zeros((1, 3), np.float32)

    def fingerprint(self) -> str:
        return "fake"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one grey photo, "a.png"."""
    Image.new("RGB", (32, 24), "grey").save(tmp_path / "a.png")
    return tmp_path


def test_an_encoder_is_measured_by_group_beside_the_baselines(photos: Path) -> None:
    path = write_lines(
        photos / "queries.jsonl",
        {"image": "a.png", "query": "person", "boxes": [LEFT_HALF]},
        {"image": "a.png", "query": "dog", "boxes": [[0.5, 0.0, 1.0, 0.5]]},
        {"image": "a.png", "query": "cup", "boxes": [[0.9, 0.9, 1.0, 1.0]]},
        {"image": "a.png", "query": "zorb", "boxes": [[0.0, 0.9, 0.1, 1.0]]},
    )

    report = evaluate_grounding(path, photos, FakeEncoder())

    rows = {group: report.figures[group]["fake"] for group in GROUPS}
    # n, pointing, IoU, share >= .5, union IoU, wrong subject, called general
    assert rows[PERSON] == (1, 1.0, 1.0, 1.0, 1.0, 0.0, 0)
    # The centre of the right half lies on the border of its upper half.
    assert rows[LARGE] == (1, 1.0, 0.5, 1.0, 0.5, 0.0, 0)
    # The cup is dropped, yet measured by its best box, the person's; the zorb has none.
    assert rows[SMALL] == (2, 0.0, 0.0, 0.0, 0.0, 0.5, 2)
    assert rows[ALL] == (4, 0.5, 0.375, 0.5, 0.375, 0.25, 2)
    # The whole photo's centre lies on the border of the left half, an IoU of a half.
    assert report.figures[PERSON]["whole image"] == (1, 1.0, 0.5, 1.0, 0.5, 0.0, 0)
    # A quarter of the photo, half of it in the left half: .125 / (.5 + .25 - .125).
    assert report.figures[PERSON]["centre 50 %"].mean_iou == pytest.approx(0.2)


def test_what_is_found_though_it_is_not_there_counts_against_what_is_right(photos: Path) -> None:
    path = write_lines(
        photos / "queries.jsonl",
        {"image": "a.png", "query": "person", "boxes": [LEFT_HALF]},
        {"image": "a.png", "query": "dog", "boxes": []},
        {"image": "a.png", "query": "cup", "boxes": []},
    )

    report = evaluate_grounding(path, photos, FakeEncoder())

    # Of two that are not there one is found: half, as if there were one of each.
    assert report.trust == (1, 2, (1, 1, 1), (0, 0, 0))
    assert report.figures[ALL]["fake"].n == 1
    assert "right: 0.667" in report.to_text()


def test_what_is_perhaps_there_is_counted_apart(photos: Path) -> None:
    class Unsure(FakeEncoder):
        sure_score = 0.85

    path = write_lines(
        photos / "queries.jsonl",
        {"image": "a.png", "query": "person", "boxes": [LEFT_HALF]},
        {"image": "a.png", "query": "dog", "boxes": [LEFT_HALF]},
    )

    report = evaluate_grounding(path, photos, Unsure())

    assert report.trust == (2, 0, (1, 1, 0), (1, 0, 0))
    assert report.to_json()["trust"]["perhaps"]["right_share"] == 0


def test_a_category_selects_all_of_its_instances(photos: Path) -> None:
    path = write_lines(
        photos / "queries.jsonl",
        {"image": "a.png", "query": "person", "boxes": [LEFT_HALF, RIGHT_HALF]},
    )

    class Twins(FakeEncoder):
        def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
            tokens = super().encode_images(images)
            return tokens._replace(class_embeddings=np.full((1, 2, 3), 0.9))

    report = evaluate_grounding(path, photos, Twins())

    assert report.figures[PERSON]["fake"].union_iou == pytest.approx(1.0)


def test_lines_with_the_same_query_are_not_each_others_wrong_subject(photos: Path) -> None:
    path = write_lines(
        photos / "queries.jsonl",
        {"image": "a.png", "query": "dog", "boxes": [LEFT_HALF]},
        {"image": "a.png", "query": "dog", "boxes": [[0.9, 0.9, 1.0, 1.0]]},
    )
    left = floats(LEFT_HALF)

    def ask(_: Path, queries: Sequence[str]) -> list[Answer]:
        return [Answer(left, left, is_general=False)] * len(queries)

    report = measure(read_cases(path), photos, ask, "left")

    assert (report.figures[ALL]["left"].pointing, report.figures[ALL]["left"].wrong_subject) == (
        1,
        0,
    )


def test_report_is_a_table_and_json_without_empty_figures(photos: Path) -> None:
    path = write_lines(
        photos / "queries.jsonl", {"image": "a.png", "query": "person", "boxes": [LEFT_HALF]}
    )

    report = evaluate_grounding(path, photos, FakeEncoder())

    assert math.isnan(report.figures[SMALL]["fake"].pointing)
    assert "| person | fake | 1 | 1.000 | 1.000 | 1.000 | 1.000 | 0.000 | 0 |" in report.to_text()
    assert SMALL not in report.to_table()
    record = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert record["groups"][PERSON]["fake"]["mean_iou"] == 1
    assert record["groups"][SMALL]["fake"]["mean_iou"] is None
    assert (record["model"], record["num_images"]) == ("fake", 1)


GOOD = {"image": "a.png", "query": "dog", "boxes": [LEFT_HALF]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("{", "not JSON", id="not JSON"),
        pytest.param("[1]", "expected a JSON object, got list", id="not an object"),
        pytest.param(
            json.dumps({"image": "a.png", "boxes": [LEFT_HALF]}), "no 'query' in it", id="no query"
        ),
        pytest.param(
            json.dumps({**GOOD, "query": " "}), "'query' must be a text", id="blank query"
        ),
        pytest.param(
            json.dumps({**GOOD, "image": 3}), "'image' must be a text", id="image is a number"
        ),
        pytest.param(json.dumps({**GOOD, "boxes": []}), "must be a list with a box", id="no boxes"),
        pytest.param(json.dumps({**GOOD, "boxes": [[0, 1]]}), "a box must be", id="short box"),
        pytest.param(json.dumps({**GOOD, "boxes": [["0", 0, 1, 1]]}), "four numbers", id="text"),
        pytest.param(
            json.dumps({**GOOD, "boxes": [[0, 0, math.nan, 1]]}), "four numbers", id="NaN"
        ),
        pytest.param(json.dumps({**GOOD, "boxes": [[0, 0, 40, 30]]}), "lie in 0..1", id="pixels"),
        pytest.param(
            json.dumps({**GOOD, "boxes": [[0.5, 0, 0.2, 1]]}), "left to right", id="turned"
        ),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n", encoding="utf-8")

    with pytest.raises(InputError, match=r"queries\.jsonl, line 3: .*" + reason):
        read_cases(path)


def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    with pytest.raises(InputError, match=r"empty\.jsonl holds no queries"):
        read_cases(empty)
    with pytest.raises(InputError, match=r"cannot read .*missing\.jsonl"):
        read_cases(tmp_path / "missing.jsonl")


def test_a_photo_that_is_not_there_is_named_with_its_line(photos: Path) -> None:
    path = write_lines(photos / "queries.jsonl", GOOD, {**GOOD, "image": "b.png"})

    with pytest.raises(InputError, match=r"queries\.jsonl, line 2: no such image: .*b\.png"):
        evaluate_grounding(path, photos, FakeEncoder())


def test_annotated_boxes_become_queries_by_category(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "boxes.jsonl",
        {
            "image": "a.png",
            "boxes": [["dog", *LEFT_HALF], ["cup", *LEFT_HALF], ["dog", *RIGHT_HALF]],
        },
    )

    queries = queries_from_boxes(path)

    assert queries == [
        {"image": "a.png", "query": "dog", "boxes": [LEFT_HALF, RIGHT_HALF]},
        {"image": "a.png", "query": "cup", "boxes": [LEFT_HALF]},
    ]
    assert len(read_cases(write_lines(tmp_path / "queries.jsonl", *queries))) == 2


def test_a_bad_line_of_boxes_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "boxes.jsonl", {"image": "a.png", "boxes": [["dog", 0.5]]})

    with pytest.raises(
        InputError, match=r"boxes\.jsonl, line 1: not an annotated photo: a box must"
    ):
        queries_from_boxes(path)
