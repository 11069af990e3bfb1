"""Regions: connected parts of class maps as boxes."""

from __future__ import annotations

import numpy as np

from clipcrop.encoders.lite_regions import DOUBTFUL, find_faces, find_regions, label_parts


def logits_of(mask: np.ndarray, certainty: float) -> np.ndarray:
    """[2, H, W] logits: class 0 where the mask is, class 1 elsewhere."""
    return np.where(np.stack([mask, ~mask]), certainty, 0).astype(np.float32)


def test_a_region_is_a_connected_part_of_the_image_without_the_padding():
    mask = np.zeros((8, 16), bool)
    mask[:4, 2:6] = True
    mask[:4, 10:14] = True
    mask[6:] = True  # below the image

    found = find_regions(logits_of(mask, 12.0), width_px=128, height_px=48)

    left, right = sorted(found.boxes_xyxy[found.classes == 0].tolist())
    np.testing.assert_allclose(left, [2 / 16, 0, 6 / 16, 4 / 6], atol=0.05)
    np.testing.assert_allclose(right, [10 / 16, 0, 14 / 16, 4 / 6], atol=0.05)
    assert (found.scores > 0.9).all()


def test_a_region_in_doubt_scores_too_little_to_be_found():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True

    logits = logits_of(mask, 12.0)
    logits[1][mask] = 13.5

    found = find_regions(logits, 64, 64)

    assert 0 < found.scores[found.classes == 0].max() < DOUBTFUL


def test_a_face_has_the_box_that_its_cells_agree_on():
    predictions = np.full((5, 8, 8), -9.0, np.float32)
    predictions[1:] = 0.0  # 32 px to each side
    predictions[0, 4, 3:5] = 6.0

    boxes, scores = find_faces(predictions, width_px=64, height_px=64)

    assert len(boxes) == 2
    np.testing.assert_allclose(boxes[0], [0.0, 0.06, 1.0, 1.0], atol=0.1)
    assert (scores > 0.9).all()


def test_a_photo_without_regions_and_faces_has_none():
    uniform = np.zeros((150, 4, 4), np.float32)

    assert len(find_regions(uniform, 32, 32).scores) == 0
    assert len(find_faces(np.full((5, 4, 4), -9.0, np.float32), 32, 32)[1]) == 0


def test_cells_that_share_a_side_are_one_part_and_corners_do_not_connect():
    classes = np.array([[[1, 1, 0], [0, 0, 1], [1, 0, 1]]])

    parts = label_parts(classes)

    assert parts.tolist() == [[[1, 1, 0], [0, 0, 6], [7, 0, 6]]]


def test_neighbours_of_another_class_are_another_part():
    assert label_parts(np.array([[[2, 2, 3]]])).tolist() == [[[1, 1, 3]]]


def test_planes_are_not_connected():
    assert len(np.unique(label_parts(np.ones((2, 1, 2), bool)))) == 2


def test_a_spiral_is_one_part():
    spiral = np.array(
        [
            [1, 1, 1, 1, 1],
            [0, 0, 0, 0, 1],
            [1, 1, 1, 0, 1],
            [1, 0, 0, 0, 1],
            [1, 1, 1, 1, 1],
        ]
    )

    assert np.unique(label_parts(spiral[None])).tolist() == [0, 1]
