from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from clipcrop.datasets.ratings import mos_to_quality, read_ratings
from clipcrop.errors import InputError

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)

GOOD = {
    "image": "a.jpg",
    "width_px": 200,
    "height_px": 100,
    "objects_xyxy_px": [[20, 10, 100, 50]],
    "person_xyxy_px": [20, 10, 40, 50],
    "crops": [[0, 0, 200, 100, 1.0], [50, 25, 150, 75, 5.0]],
}


def test_boxes_are_normalised_to_their_photo(tmp_path):
    path = tmp_path / "ratings.jsonl"
    path.write_text(json.dumps(GOOD) + "\n\n", encoding="utf-8")

    (image,) = read_ratings(path)

    assert (image.image, image.aspect) == ("a.jpg", 2.0)
    assert_close(image.objects_xyxy, floats([[0.1, 0.1, 0.5, 0.5]]))
    assert_close(image.person_xyxy, floats([0.1, 0.1, 0.2, 0.5]))
    assert_close(image.crops_xyxy, floats([[0.0, 0.0, 1.0, 1.0], [0.25, 0.25, 0.75, 0.75]]))
    assert image.mos.tolist() == [1.0, 5.0]


def test_a_photo_without_objects_and_person_is_read(tmp_path):
    path = tmp_path / "ratings.jsonl"
    path.write_text(
        json.dumps({**GOOD, "objects_xyxy_px": [], "person_xyxy_px": None}), encoding="utf-8"
    )

    (image,) = read_ratings(path)

    assert image.objects_xyxy.shape == (0, 4)
    assert image.person_xyxy is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param("{", "Expecting", id="not JSON"),
        pytest.param("[1]", "expected a JSON object, got list", id="not an object"),
        pytest.param({**GOOD, "width_px": 0}, "width_px is 0", id="no width"),
        pytest.param({**GOOD, "height_px": "100"}, "height_px is '100'", id="height as text"),
        pytest.param({**GOOD, "crops": [[0, 0, 9, 9, 3.0]]}, "crops holds 1", id="a single crop"),
        pytest.param(
            {**GOOD, "crops": [[0, 0, 9, 9, 3.0], [0, 0, 9, 9]]}, "5 numbers", id="no rating"
        ),
        pytest.param(
            {**GOOD, "crops": [[0, 0, 9, 9, 3.0], [0, 0, 9, 9, 7.0]]},
            "outside 1 to 5",
            id="a rating of 7",
        ),
        pytest.param(
            {**GOOD, "crops": [[0, 0, 9, 9, 3.0], [9, 0, 0, 9, 3.0]]}, "no area", id="turned over"
        ),
        pytest.param({**GOOD, "objects_xyxy_px": "none"}, "expected a list", id="objects as text"),
        pytest.param(
            {key: value for key, value in GOOD.items() if key != "crops"},
            "no 'crops' in it",
            id="no crops",
        ),
    ],
)
def test_a_wrong_line_is_named_with_its_reason(tmp_path, line, reason):
    path = tmp_path / "ratings.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_text(f"{json.dumps(GOOD)}\n{text}\n", encoding="utf-8")

    with pytest.raises(InputError, match=r"ratings\.jsonl, line 2: ") as caught:
        read_ratings(path)

    assert reason in str(caught.value)


def test_an_empty_file_is_no_ratings(tmp_path):
    path = tmp_path / "ratings.jsonl"
    path.write_text("\n", encoding="utf-8")

    with pytest.raises(InputError, match="holds no rated images"):
        read_ratings(path)


def test_ratings_of_1_to_5_become_qualities_of_0_to_1():
    assert mos_to_quality(floats([1.0, 2.0, 5.0])).tolist() == [0.0, 0.25, 1.0]
