"""What the heads are told about the teacher: dense distillation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from ...decoder.tensor_boxes import cxcywh_to_xyxy, generalised_iou
from .network import Classifier, DenseOutput, decode_boxes
from .shards import Targets

OBJECT_WEIGHT = 10.0
"""A cell with an object counts this much more for objectness than an empty one."""

BOX_WEIGHT = 3.0
"""Weight of the box loss beside objectness and classes."""

DRIFT_WEIGHT = 2.0
"""Weight of holding the ImageNet classifier where it was, once the trunk is trained."""

DRIFT_CELLS = 40
"""Cells of a batch, for each view, at which the classifier is compared; all would cost more."""

MIN_BOX_OBJECTNESS = 0.1
"""Where the teacher is less sure than this, its boxes teach nothing."""


class Losses(NamedTuple):
    """Scalars; the total is what is minimised."""

    total: Tensor
    objectness: Tensor
    classes: Tensor
    boxes: Tensor
    drift: Tensor
    """Of the ImageNet classifier; 0 while the trunk is as it was."""


def distillation_losses(
    output: DenseOutput, targets: Targets, corners: Tensor, strides: Tensor
) -> Losses:
    """Cross-entropy with the teacher's probabilities, GIoU with its boxes.

    Each is a mean weighted by the teacher's objectness, so that a view full of objects and an empty
    one count for what is in them.

    Args:
        output: Predictions for the batch.
        targets: The teacher's.
        corners: [N, 2] and
        strides: [N] of the cells, from `cell_grid`.
    """
    num_objects = targets.objectness.sum().clamp(min=1.0)
    objectness = binary_cross_entropy_with_logits(
        output.objectness, targets.objectness, reduction="none"
    )
    objectness = (objectness * (1 + (OBJECT_WEIGHT - 1) * targets.objectness)).sum()

    weights = targets.objectness[targets.view, targets.cell]  # [K]
    classes = binary_cross_entropy_with_logits(
        output.classes[targets.view, targets.cell], targets.classes, reduction="none"
    )
    classes = (classes.sum(dim=1) * weights).sum()

    sure = weights >= MIN_BOX_OBJECTNESS
    view, cell = targets.view[sure], targets.cell[sure]
    overlap = generalised_iou(
        cxcywh_to_xyxy(decode_boxes(output.boxes[view, cell], corners[cell], strides[cell])),
        cxcywh_to_xyxy(decode_boxes(targets.boxes[sure], corners[cell], strides[cell])),
    )
    boxes = ((1 - overlap) * weights[sure]).sum()

    objectness, classes, boxes = (loss / num_objects for loss in (objectness, classes, boxes))
    total = objectness + classes + BOX_WEIGHT * boxes
    return Losses(total, objectness, classes, boxes, drift=torch.zeros(()))


def classifier_drift(classifier: Classifier, stride32: Tensor, before: Tensor) -> Tensor:
    """How far the classifier has moved from what it said of the untouched trunk's features.

    Args:
        classifier: ImageNet's, not trained.
        stride32: [B, 320, H, W] features now.
        before: [B, 320, H, W] features of the trunk as published.

    Returns:
        Kullback-Leibler divergence, mean over random cells.
    """
    cells = torch.randperm(stride32.shape[2] * stride32.shape[3])[:DRIFT_CELLS]
    now, was = (
        classifier(features.flatten(2)[:, :, cells, None]).float().log_softmax(dim=1)
        for features in (stride32, before)
    )
    divergence = torch.nn.functional.kl_div(now, was.detach(), log_target=True, reduction="none")
    return divergence.sum(dim=1).mean()
