"""Views for the scene head: labels and faces move with the pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from clipcrop.training.lite.scene_photos import OTHER_FOLDERS, list_photos, make_view

NO_FACES = np.empty((0, 4), np.float32)


def halves(width: int, height: int) -> np.ndarray:
    """A mask with class 1 left and class 2 right."""
    mask = np.ones((height, width), np.uint8)
    mask[:, width // 2 :] = 2
    return mask


def test_a_view_fills_its_long_side_and_leaves_the_padding_unlabelled():
    view = make_view(np.zeros((100, 200, 3), np.uint8), halves(400, 200), NO_FACES)

    assert view.pixels[207, 0].tolist() == [0, 0, 0]
    assert view.pixels[208, 0].tolist() == [114, 114, 114]
    assert np.unique(view.labels[:52, :52]).tolist() == [1]
    assert np.unique(view.labels[:52, 52:]).tolist() == [2]
    assert not view.labels[52:].any()


def test_a_mirrored_view_mirrors_labels_and_faces():
    faces = np.array([[0.0, 0.0, 0.25, 0.5]], np.float32)

    view = make_view(np.zeros((100, 200, 3), np.uint8), halves(200, 100), faces, is_mirrored=True)

    assert view.labels[0, 0] == 2
    assert view.faces_px.tolist() == [[312.0, 0.0, 416.0, 104.0]]


def test_a_crop_keeps_the_faces_whose_centre_is_in_it():
    faces = np.array([[0.5, 0.0, 0.75, 0.5], [0.0, 0.0, 0.25, 0.5]], np.float32)

    view = make_view(
        np.zeros((100, 100, 3), np.uint8), halves(100, 100), faces, crop_xyxy=(0.5, 0.0, 1.0, 1.0)
    )

    assert np.unique(view.labels[:, :52]).tolist() == [2]
    assert view.faces_px.tolist() == [[0.0, 0.0, 104.0, 208.0]]


def test_every_sixth_photo_of_a_folder_is_kept_from_training(tmp_path: Path):
    for folder in ("ade20k", *OTHER_FOLDERS):
        (tmp_path / "photos" / folder).mkdir(parents=True)
    for number in range(12):
        Image.new("RGB", (4, 4)).save(tmp_path / "photos" / "ade20k" / f"{number:02}.png")
    face = {"image": "ade20k/01.png", "faces": [[0.1, 0.2, 0.3, 0.4, 0.9, None, None]]}
    (tmp_path / "faces.jsonl").write_text(json.dumps(face) + "\n")
    (tmp_path / "boxes_train.jsonl").write_text("")

    training, development = list_photos(tmp_path)

    assert [photo.name for photo in development] == ["ade20k/00.png", "ade20k/06.png"]
    assert len(training) == 10
    assert training[0].faces_xyxy == ((0.1, 0.2, 0.3, 0.4),)
    assert training[0].has_mask
