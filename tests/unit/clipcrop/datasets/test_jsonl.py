from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from clipcrop.datasets import Example, RatedCrop, read_jsonl, write_jsonl
from clipcrop.errors import InputError

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)

LINE = {"image": "a.jpg", "crops": [[10, 20, 110, 120]]}


def written(path, *records):
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_line_with_the_least_is_read(tmp_path):
    path = written(tmp_path / "e.jsonl", "", LINE)

    (example,) = read_jsonl(path)

    assert example == Example(
        photo=tmp_path / "a.jpg",
        crops=(RatedCrop(box_xyxy_px=(10, 20, 110, 120)),),
        source=f"{path}, line 2",
    )


def test_a_line_with_everything_is_read(tmp_path):
    record = {
        "image": "in/a.jpg",
        "text": "the dog",
        "query_image": "dog.jpg",
        "split": "train",
        "width_px": 200,
        "height_px": 100,
        "crops": [[0, 0, 100, 100, 4.5], [0, 0, 200, 100, 1]],
        "objects_xyxy_px": [],
    }

    (example,) = read_jsonl(written(tmp_path / "e.jsonl", record), images=tmp_path / "photos")

    assert example.photo == tmp_path / "photos" / "in" / "a.jpg"
    assert example.query_image == tmp_path / "photos" / "dog.jpg"
    assert (example.text, example.split, example.size_px) == ("the dog", "train", (200, 100))
    assert example.ratings().tolist() == [4.5, 1.0]


def test_crops_are_normalised_to_the_annotated_size_and_else_to_the_photos():
    crop = RatedCrop(box_xyxy_px=(50, 25, 110, 50))
    example = Example(photo=None, crops=(crop,))
    annotated = Example(photo=None, crops=(crop,), size_px=(200, 100))

    assert_close(example.crops_xyxy((100, 50)), floats([[0.5, 0.5, 1.0, 1.0]]))
    assert_close(annotated.crops_xyxy((100, 50)), floats([[0.25, 0.25, 0.55, 0.5]]))


def test_what_is_written_is_read_again(tmp_path):
    examples = [
        Example(
            photo=tmp_path / "photos" / "a.jpg",
            crops=(RatedCrop(box_xyxy_px=(0.5, 0, 100, 100), rating=4.5),),
            text="a line\u2028break and ü",
            query_image=tmp_path / "elsewhere.jpg",
            split="val",
            size_px=(200, 100),
        ),
        Example(photo=tmp_path / "b.jpg", crops=(RatedCrop(box_xyxy_px=(0, 0, 9, 9)),)),
    ]
    path = tmp_path / "e.jsonl"

    write_jsonl(examples, path, images=tmp_path / "photos")
    again = read_jsonl(path, images=tmp_path / "photos")

    assert [one.source for one in again] == [f"{path}, line 1", f"{path}, line 2"]
    assert [vars(one) | {"source": ""} for one in again] == [vars(one) for one in examples]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("{", "not JSON: Expecting", id="not JSON"),
        pytest.param("[]", "expected a JSON object, got list", id="no object"),
        pytest.param({"crops": [[0, 0, 1, 1]]}, "no 'image' in it", id="no image"),
        pytest.param({**LINE, "crops": []}, "'crops' must be a list", id="no crops"),
        pytest.param(
            {**LINE, "crops": [[1, 2, 3]]}, "a crop must be 4 numbers", id="three numbers"
        ),
        pytest.param({**LINE, "crops": [[9, 0, 1, 1]]}, "left to right", id="turned round"),
        pytest.param({**LINE, "crops": [[0, 0, 1, float("nan")]]}, "left to right", id="NaN"),
        pytest.param({**LINE, "crops": [[0, 0, 1, 1, 6]]}, "rating must be 1 to 5", id="off scale"),
        pytest.param({**LINE, "width_px": 9}, "no 'height_px'", id="half a size"),
        pytest.param({**LINE, "text": 3}, "'text' must be a text, got 3", id="text is a number"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, reason):
    path = written(tmp_path / "e.jsonl", LINE, line)

    with pytest.raises(InputError, match=r"e\.jsonl, line 2: not an example: .*" + reason):
        read_jsonl(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.jsonl"):
        read_jsonl(tmp_path / "none.jsonl")
