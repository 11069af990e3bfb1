"""Methods on annotated boxes: texts, times, figures, and what happens when a run is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from published_sets import write_photo

from clipcrop import Predictor
from clipcrop.arrays import FloatArray
from clipcrop.errors import InputError
from clipcrop.evaluation.journal import Journal
from clipcrop.evaluation.methods import WholeImage
from clipcrop.evaluation.subjects import (
    TimedEncoder,
    compare,
    parts_of,
    plural_where_several,
    read_subjects,
)
from clipcrop.imaging.images import LoadedImage

floats = partial(np.array, dtype=np.float32)

DOG, CAT = [0.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 1.0]
ENCODING_S = 30.0


@dataclass
class FakeEncoded:
    """What an encoder saw: only how long that took."""

    seconds: float = ENCODING_S


@dataclass
class FakePredictor:
    """Looks at photos and counts how often."""

    num_encoded: int = 0

    def encode(self, image: LoadedImage) -> FakeEncoded:
        self.num_encoded += 1
        return FakeEncoded()


@dataclass
class FakeMethod:
    """Gives one crop; looks at the photo first if it has a cached_encoder."""

    name: str = "made"
    needs_text: bool = False
    cached_encoder: TimedEncoder | None = None
    box: list[float] = field(default_factory=lambda: [0.0, 0.0, 1.0, 0.5])
    asked: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def crops(self, photo: LoadedImage, text: str) -> FloatArray:
        self.before()
        self.asked.append(text)
        if self.cached_encoder is not None:
            self.cached_encoder(photo)
        return floats([self.box])


@pytest.fixture
def predictor() -> FakePredictor:
    return FakePredictor()


@pytest.fixture
def cached_encoder(predictor: FakePredictor) -> TimedEncoder:
    return TimedEncoder(cast("Predictor", predictor))


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Two photos; a dog and a cat on the first, two cars on the second."""
    write_photo(tmp_path / "a.jpg")
    write_photo(tmp_path / "b.jpg")
    records = [
        {"image": "a.jpg", "query": "the dog", "boxes": [DOG]},
        {"image": "b.jpg", "query": "car", "boxes": [DOG, CAT]},
        {"image": "a.jpg", "query": "the cat", "boxes": [CAT]},
    ]
    path = tmp_path / "queries.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def test_boxes_are_read_as_they_stand_with_their_photo_and_line(queries: Path, tmp_path: Path):
    dog, cars, _ = read_subjects(queries, tmp_path)

    assert cars.photo == tmp_path / "b.jpg"
    assert cars.source == f"{queries}, line 2"
    assert cars.crops_xyxy((200, 100)).tolist() == [DOG, CAT]
    assert (dog.text, cars.text) == ("the dog", "every car")


@pytest.mark.parametrize(
    ("query", "num_boxes", "text"),
    [
        ("car", 1, "car"),
        ("car", 2, "every car"),
        ("the car", 3, "every car"),
        ("An apple", 2, "every apple"),
        ("cars", 2, "cars"),
        ("the cars", 2, "the cars"),
        ("people", 4, "people"),
        ("every car", 2, "every car"),
    ],
)
def test_a_singular_is_no_text_for_several_boxes(query: str, num_boxes: int, text: str):
    assert plural_where_several(query, num_boxes) == text


def test_all_methods_get_the_same_texts_and_are_measured_on_the_boxes(
    queries: Path, tmp_path: Path, cached_encoder: TimedEncoder
):
    made = FakeMethod()

    result = compare(
        read_subjects(queries, tmp_path),
        [WholeImage(), made],
        cached_encoder,
        Journal(None, {}),
        "made",
    )

    # once before to warm up, then photo by photo
    assert made.asked == ["the dog", "the dog", "the cat", "every car"]
    assert (result.num_photos, len(result.cases)) == (2, 3)
    means = {name: one.mean for name, one in result.estimates(seed=0)["made"].items()}
    # the upper half, on the dog: half of it, round its corner; on the cat: a quarter of each other
    # / (.5 + .5 - .25), its left edge in the centre; on both cars: half of the whole image
    assert means["IoU"] == pytest.approx((0.5 + 0.25 / 0.75 + 0.5) / 3)
    assert means["pointing"] == 1.0
    assert means["inside"] == pytest.approx((1 + 0.5 + 0.75) / 3)
    assert means["size"] == 0.5


def test_a_photo_is_encoded_once_and_its_time_counted_for_each_method(
    queries: Path, tmp_path: Path, cached_encoder: TimedEncoder, predictor: FakePredictor
):
    seeing = [
        FakeMethod("one", cached_encoder=cached_encoder),
        FakeMethod("other", cached_encoder=cached_encoder),
    ]

    result = compare(
        read_subjects(queries, tmp_path),
        [*seeing, FakeMethod()],
        cached_encoder,
        Journal(None, {}),
        "made",
    )

    seconds = result.seconds()
    assert predictor.num_encoded == 3  # one of them to warm up
    for name in ("one", "other"):
        assert ENCODING_S < seconds[name].median < ENCODING_S + 10
    assert seconds["made"].high < 10
    assert seconds["made"].n == 3


def test_a_run_that_is_cut_goes_on_where_it_was(
    queries: Path, tmp_path: Path, cached_encoder: TimedEncoder
):
    examples = read_subjects(queries, tmp_path)
    path = tmp_path / "answers.jsonl"
    calls = iter(range(100))

    def stop() -> None:
        if next(calls) == 3:  # to warm up, the dog, the cat, and now
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(examples, [FakeMethod(before=stop)], cached_encoder, Journal(path, {}), "made")

    rest = FakeMethod()
    result = compare(examples, [rest], cached_encoder, Journal(path, {}), "made")

    assert rest.asked == ["the dog", "every car"]  # the first again, to warm up
    uncut = compare(examples, [FakeMethod()], cached_encoder, Journal(None, {}), "made")
    assert result.estimates(seed=0) == uncut.estimates(seed=0)
    assert len(result.cases) == 3


def test_a_photo_that_is_not_there_is_left_out_for_all_and_listed(
    queries: Path, tmp_path: Path, cached_encoder: TimedEncoder
):
    (tmp_path / "a.jpg").unlink()

    result = compare(
        read_subjects(queries, tmp_path), [WholeImage()], cached_encoder, Journal(None, {}), "made"
    )

    assert [case.example.photo.name for case in result.cases] == ["b.jpg"]
    first, second = result.left_out
    assert first.startswith(f"{queries}, line 1: no such image")
    assert second.startswith(f"{queries}, line 3: no such image")


def test_queries_for_large_and_for_small_things_have_parts_of_their_own(
    queries: Path, tmp_path: Path, cached_encoder: TimedEncoder
):
    with queries.open("a") as file:
        file.write('{"image": "b.jpg", "query": "a cup", "boxes": [[0, 0, 0.1, 0.49]]}\n')
        file.write('{"image": "b.jpg", "query": "a jug", "boxes": [[0, 0, 0.1, 0.501]]}\n')
        file.write('{"image": "b.jpg", "query": "pens", "boxes": [[0, 0, 0.1, 0.4]]}\n')

    result = compare(
        read_subjects(queries, tmp_path), [WholeImage()], cached_encoder, Journal(None, {}), "made"
    )

    large, small = parts_of(result)
    assert large.name == "made: the largest box takes at least 5% of the photo"
    assert [case.example.text for case in large.cases] == [
        "the dog",
        "the cat",
        "every car",
        "a jug",
    ]
    assert small.name == "made: the largest box takes less than 5% of the photo"
    assert [case.example.text for case in small.cases] == ["a cup", "pens"]
    assert large.estimates(seed=0)["whole image"]["inside"].n == 4


def test_nothing_to_measure_is_an_error(
    queries: Path, tmp_path: Path, cached_encoder: TimedEncoder
):
    with pytest.raises(InputError, match=r"nothing of made could be measured; .*no such image"):
        compare(
            read_subjects(queries, tmp_path / "elsewhere"),
            [WholeImage()],
            cached_encoder,
            Journal(None, {}),
            "made",
        )
