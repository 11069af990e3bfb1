"""How sure a score is, by what gives it."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from clipcrop.arrays import FloatArray
from clipcrop.encoders.lite_calibration import (
    EMBEDDED_CALIBRATION,
    KINDS,
    Calibration,
    Curve,
    kinds,
)
from clipcrop.encoders.lite_words import (
    FACE,
    FIRST_KIND,
    FIRST_SCENE,
    NUM_COCO,
    NUM_CONCEPTS,
    PERSON,
)
from clipcrop.errors import CheckpointError

CAT, DOG, TABLE = 15, 16, 60
BREED = NUM_COCO + 151
DESK = FIRST_SCENE + 33
WOMAN = FIRST_KIND + 1

floats = partial(np.array, dtype=np.float32)


def weights(*concepts: dict[int, float]) -> FloatArray:
    """[K, E] a row for each."""
    rows = np.zeros((len(concepts), NUM_CONCEPTS), np.float32)
    for row, of_row in zip(rows, concepts, strict=True):
        row[list(of_row)] = list(of_row.values())
    return rows


@pytest.mark.parametrize(
    ("text", "token", "kind"),
    [
        pytest.param({DOG: 1}, {DOG: 0.8}, "objects", id="a dog"),
        pytest.param({DOG: 1}, {DOG: 0.3, CAT: 0.5}, "outshone objects", id="rather a cat"),
        pytest.param({DOG: 1, CAT: 1}, {DOG: 0.3, CAT: 0.5}, "objects", id="an animal"),
        pytest.param({TABLE: 1, DESK: 1}, {TABLE: 0.6}, "likened objects", id="a table for a desk"),
        pytest.param({DOG: 0.5, BREED: 1}, {DOG: 0.9}, "likened objects", id="a dog of any breed"),
        pytest.param({DOG: 0.5, BREED: 1}, {BREED: 0.4}, "classes", id="the breed"),
        pytest.param(
            {BREED: 1, DESK: 1}, {BREED: 0.4}, "likened classes", id="a class for scenery"
        ),
        pytest.param({TABLE: 1, DESK: 1}, {DESK: 0.6}, "scenery", id="scenery"),
        pytest.param({FACE: 1}, {FACE: 0.6}, "faces", id="a face"),
    ],
)
def test_the_kind_is_what_gives_most_of_the_score(
    text: dict[int, float], token: dict[int, float], kind: str
) -> None:
    found = kinds(weights(token)[None], weights(text))

    assert KINDS[found[0, 0, 0]] == kind


def test_each_kind_has_a_curve_of_its_own() -> None:
    curves = dict.fromkeys(KINDS, Curve((0.0, 1.0), (0.0, 1.0)))
    curves["faces"] = Curve((0.0, 0.5, 1.0), (0.0, 0.1, 0.9))
    tokens = weights({DOG: 0.75}, {FACE: 0.75})[None]
    texts = weights({DOG: 1}, {FACE: 1})

    sure = Calibration(curves).confidence(tokens, texts, texts @ tokens.swapaxes(1, 2))

    np.testing.assert_allclose(sure, [[[0.75, 0], [0, 0.5]]], atol=1e-6)


def test_a_higher_score_is_always_surer() -> None:
    calibration = Calibration.read(EMBEDDED_CALIBRATION)
    scores = np.linspace(0, 1, 101, dtype=np.float32)
    texts = weights({DOG: 1}, {FACE: 1}, {DESK: 1})
    tokens = np.concatenate([np.outer(scores, text > 0)[None] for text in texts])

    sure = calibration.confidence(floats(tokens), texts, texts @ floats(tokens).swapaxes(1, 2))

    for index in range(len(texts)):
        values = sure[index, index].tolist()
        assert all(low < high for low, high in pairwise(values))
        assert (values[0], values[-1]) == (0, pytest.approx(1, abs=0.1))


def test_a_person_of_any_looks_is_found_and_the_likelier_one_first() -> None:
    calibration = Calibration.read(EMBEDDED_CALIBRATION)
    asked = weights({PERSON: 0.2, WOMAN: 0.8})
    people = weights(
        {PERSON: 0.8, WOMAN: 0.7},
        {PERSON: 0.9, WOMAN: 0.1},
        {PERSON: 0.01, WOMAN: 0.005},
    )[None]

    found = calibration.confidence(people, asked, asked @ people.swapaxes(1, 2))[0, 0]

    likelier, unlikelier, hardly_a_person = found.tolist()
    assert likelier > unlikelier >= 0.7
    assert hardly_a_person < 0.3


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    curves = dict.fromkeys(KINDS, Curve((0.0, 0.25, 1.0), (0.0, 0.5, 0.875)))
    texts, tokens = weights({DOG: 1}), weights({DOG: 0.25})[None]

    Calibration(curves).write(file)

    sure = Calibration.read(file).confidence(tokens, texts, floats([[[0.25]]]))
    assert sure.tolist() == [[[0.5]]]


@pytest.mark.parametrize("text", ["", "{}", '{"objects": [[0]]}'])
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "table.json"
    file.write_text(text)

    with pytest.raises(CheckpointError, match=r"table\.json"):
        Calibration.read(file)
