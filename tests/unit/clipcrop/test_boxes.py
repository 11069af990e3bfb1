"""Box formats and box arithmetic, worked by hand."""

from __future__ import annotations

from functools import partial

import numpy as np

from clipcrop.boxes import (
    area,
    clip_to_image,
    coverage,
    cxcywh_to_xyxy,
    intersection,
    iou,
    non_maximum_suppression,
    union_box,
    weighted_box_merge,
    xyxy_to_cxcywh,
)

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)

UNIT = floats([[0.0, 0.0, 1.0, 1.0]])
RIGHT_HALF = floats([[0.5, 0.0, 1.0, 1.0]])
INSIDE_OUT = floats([[0.8, 0.8, 0.2, 0.2]])


def test_formats_round_trip_and_mean_what_their_names_say():
    box_xyxy = floats([[0.1, 0.2, 0.5, 0.8]])

    box_cxcywh = xyxy_to_cxcywh(box_xyxy)

    assert_close(box_cxcywh, floats([[0.3, 0.5, 0.4, 0.6]]))
    assert_close(cxcywh_to_xyxy(box_cxcywh), box_xyxy)


def test_areas_and_overlaps():
    assert area(RIGHT_HALF).tolist() == [0.5]
    assert area(INSIDE_OUT).tolist() == [0.0]
    assert intersection(UNIT, RIGHT_HALF).tolist() == [[0.5]]
    assert iou(UNIT, RIGHT_HALF).tolist() == [[0.5]]
    assert iou(INSIDE_OUT, INSIDE_OUT).tolist() == [[0.0]]


def test_coverage_is_a_share_of_the_first_box():
    assert coverage(RIGHT_HALF, UNIT).tolist() == [[1.0]]
    assert coverage(UNIT, RIGHT_HALF).tolist() == [[0.5]]


def test_a_union_box_holds_all_and_clipping_stays_in_the_image():
    boxes = floats([[-0.5, 0.2, 0.1, 0.3], [0.4, 0.0, 0.6, 0.9]])

    union = union_box(boxes)

    assert_close(union, floats([-0.5, 0.0, 0.6, 0.9]))
    assert_close(clip_to_image(union), floats([0.0, 0.0, 0.6, 0.9]))


def test_suppression_keeps_the_best_of_each_cluster_in_order():
    boxes = floats([[0, 0, 1, 1], [0, 0, 1, 0.9], [2, 2, 3, 3], [4, 4, 5, 5]]).astype(np.float32)
    scores = floats([0.5, 0.9, 0.7, 0.7])

    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert non_maximum_suppression(boxes, scores, 0.5, max_count=2).tolist() == [1, 2]
    assert non_maximum_suppression(boxes[:0], scores[:0], 0.5).tolist() == []


def test_boxes_that_overlap_are_averaged_by_weight_and_others_left_alone():
    boxes = floats(
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.8], [3.0, 3.0, 4.0, 4.0], [5.0, 5.0, 5.0, 5.0]]
    )

    averaged = weighted_box_merge(boxes, floats([3.0, 1.0, 1.0, 1.0]), min_iou=0.6)

    assert_close(averaged[:2], floats([[0.0, 0.0, 1.0, 0.95]] * 2))
    assert_close(averaged[2:], boxes[2:])
