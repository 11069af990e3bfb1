"""Box arithmetic that gradients flow through, worked by hand and held against NumPy's."""

from __future__ import annotations

import pytest
import torch

from clipcrop import boxes
from clipcrop.decoder import tensor_boxes
from clipcrop.decoder.tensor_boxes import generalised_iou, iou, iou_of_pairs


@pytest.mark.parametrize(
    "name", ["area", "clip_to_image", "coverage", "cxcywh_to_xyxy", "intersection", "iou"]
)
def test_tensors_and_arrays_give_the_same(name: str):
    draw = torch.Generator().manual_seed(0)
    given = [torch.rand(6, 4, generator=draw) * 1.4 - 0.2, torch.rand(5, 4, generator=draw)]
    if name in ("area", "clip_to_image", "cxcywh_to_xyxy"):
        given = given[:1]

    in_numpy = getattr(boxes, name)(*(one.numpy() for one in given))

    torch.testing.assert_close(getattr(tensor_boxes, name)(*given), torch.from_numpy(in_numpy))


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
