"""The pool of photos: which are in it, and how often each is drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from clipcrop.errors import InputError
from clipcrop.training.lite.photos import load_pool


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as the recipe expects it: seven photos with boxes, one without, a hold-out."""
    names = [f"coco/{number}.jpg" for number in range(7)]
    for name in [*names, "flickr8k/street.jpg", "coco_captioned_holdout/secret.jpg"]:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (900, 300), "teal").save(path)
    lines = (json.dumps({"image": name, "boxes": [["dog", 0, 0, 1, 1]]}) + "\n" for name in names)
    (tmp_path / "boxes_train.jsonl").write_text("".join(lines))
    pseudo = {name: [["dog", 0.9, [0, 0, 1, 1]]] for name in names[:6]}
    pseudo["coco/5.jpg"] = [["toaster", 0.9, [0, 0, 1, 1]]]
    (tmp_path / "pseudo_boxes.json").write_text(json.dumps(pseudo))
    return tmp_path


def test_hold_outs_and_development_photos_are_not_in_the_pool(data: Path):
    pool = load_pool(data)

    # Every sixth photo with boxes is kept out: 0 and 6.
    assert pool.names == (*(f"coco/{number}.jpg" for number in range(1, 6)), "flickr8k/street.jpg")
    assert {pixels.shape for pixels in pool.pixels} == {(171, 512, 3)}


def test_photos_with_rare_things_are_drawn_more_often(data: Path):
    pool = load_pool(data)

    weights = dict(zip(pool.names, pool.weights, strict=True))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["coco/5.jpg"] == pytest.approx(2.0 * weights["coco/1.jpg"])


def test_a_folder_without_the_data_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="no photos in"):
        load_pool(tmp_path)
