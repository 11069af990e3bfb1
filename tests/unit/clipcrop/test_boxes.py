"""Box formats and box arithmetic, worked by hand."""

from __future__ import annotations

import torch

from clipcrop.boxes import (
    area,
    average_alike,
    clip_to_image,
    covered,
    cxcywh_to_xyxy,
    generalised_iou,
    intersection,
    iou,
    iou_of_pairs,
    non_maximum_suppression,
    union_box,
    xyxy_to_cxcywh,
)

UNIT = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
RIGHT_HALF = torch.tensor([[0.5, 0.0, 1.0, 1.0]])
INSIDE_OUT = torch.tensor([[0.8, 0.8, 0.2, 0.2]])


def test_formats_round_trip_and_mean_what_their_names_say():
    box_xyxy = torch.tensor([[0.1, 0.2, 0.5, 0.8]])

    box_cxcywh = xyxy_to_cxcywh(box_xyxy)

    torch.testing.assert_close(box_cxcywh, torch.tensor([[0.3, 0.5, 0.4, 0.6]]))
    torch.testing.assert_close(cxcywh_to_xyxy(box_cxcywh), box_xyxy)


def test_areas_and_overlaps():
    assert area(RIGHT_HALF).tolist() == [0.5]
    assert area(INSIDE_OUT).tolist() == [0.0]
    assert intersection(UNIT, RIGHT_HALF).tolist() == [[0.5]]
    assert iou(UNIT, RIGHT_HALF).tolist() == [[0.5]]
    assert iou(INSIDE_OUT, INSIDE_OUT).tolist() == [[0.0]]


def test_covered_is_a_share_of_the_first_box():
    assert covered(RIGHT_HALF, UNIT).tolist() == [[1.0]]
    assert covered(UNIT, RIGHT_HALF).tolist() == [[0.5]]


def test_a_union_box_holds_all_and_clipping_stays_in_the_image():
    boxes = torch.tensor([[-0.5, 0.2, 0.1, 0.3], [0.4, 0.0, 0.6, 0.9]])

    union = union_box(boxes)

    torch.testing.assert_close(union, torch.tensor([-0.5, 0.0, 0.6, 0.9]))
    torch.testing.assert_close(clip_to_image(union), torch.tensor([0.0, 0.0, 0.6, 0.9]))


def test_suppression_keeps_the_best_of_each_cluster_in_order():
    boxes = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0.9], [2, 2, 3, 3], [4, 4, 5, 5]]).float()
    scores = torch.tensor([0.5, 0.9, 0.7, 0.7])

    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == [1, 2, 3]
    assert non_maximum_suppression(boxes, scores, 0.5, max_count=2).tolist() == [1, 2]
    assert non_maximum_suppression(boxes[:0], scores[:0], 0.5).tolist() == []


def test_boxes_that_overlap_are_averaged_by_weight_and_others_left_alone():
    boxes = torch.tensor(
        [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.8], [3.0, 3.0, 4.0, 4.0], [5.0, 5.0, 5.0, 5.0]]
    )

    averaged = average_alike(boxes, torch.tensor([3.0, 1.0, 1.0, 1.0]), min_iou=0.6)

    torch.testing.assert_close(averaged[:2], torch.tensor([[0.0, 0.0, 1.0, 0.95]] * 2))
    torch.testing.assert_close(averaged[2:], boxes[2:])


def test_giou_of_pairs_by_hand():
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    others = torch.tensor([[1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 1.0, 1.0], [2.0, 0.0, 3.0, 1.0]])

    giou = generalised_iou(boxes, others)

    # shared 2 of union 6, hull 6; the same; apart with a hull of 3 around a union of 2
    torch.testing.assert_close(giou, torch.tensor([2 / 6, 1.0, 0.0 - 1 / 3]))


def test_iou_of_pairs_is_that_of_all_with_all():
    boxes, others = (torch.rand(5, 4, generator=torch.Generator().manual_seed(n)) for n in (1, 2))

    pairs = iou_of_pairs(boxes[:, None], others[None])

    torch.testing.assert_close(pairs, iou(boxes, others))


def test_giou_is_at_most_iou_and_lower_the_farther_apart():
    left = torch.tensor([0.0, 0.0, 0.1, 1.0])
    others = torch.tensor([[0.2, 0.0, 0.3, 1.0], [0.5, 0.0, 0.6, 1.0], [0.9, 0.0, 1.0, 1.0]])

    giou = generalised_iou(left, others)

    # A hull of .3, .6 and 1 round a union of .2
    torch.testing.assert_close(giou, torch.tensor([-0.1 / 0.3, -0.4 / 0.6, -0.8]))
