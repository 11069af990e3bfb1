"""The Hungarian algorithm: which predicted crop is to become which crop that people rated high.

Each rated crop gets one prediction, so that the sum of costs is least; the others go without
(section 3.3).

Axes beside those of `clipcrop.encoders.base`: T, rated crops of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..decoder.tensor_boxes import cxcywh_to_xyxy, generalised_iou
from ..errors import InputError
from ..extras import install_command

# The paper follows Jia et al., whose published code has these costs: of the sum of absolute
# differences of the four numbers (cxcywh), of the generalised IoU, and of the predicted class, here
# the quality; the last two are subtracted. Of two predictions as near, the one with the higher
# quality is matched. Jia's cost of a class has the form of a focal loss, as its loss has; the
# paper's loss is smooth L1, so the cost is linear, as DETR's.
L1_COST, GIOU_COST, QUALITY_COST = 5.0, 2.0, 2.0


@torch.no_grad()
def match(
    boxes_cxcywh: Tensor,
    quality: Tensor,
    target_boxes_cxcywh: Tensor,
    is_wanted: Tensor,
) -> Tensor:
    """Match the predictions of each image with its targets.

    Args:
        boxes_cxcywh: [B, M, 4] predicted crops.
        quality: [B, M] predicted quality, 0 to 1.
        target_boxes_cxcywh: [B, T, 4] rated crops.
        is_wanted: [B, T] bool, False for those that are not to be matched.

    Returns:
        [B, M] int64 each prediction's target, -1 for none. No target is there twice, and the
        smaller number of predictions and wanted targets of an image are matched.

    Raises:
        InputError: A prediction or a target is not a finite number: training has diverged.
    """
    solve = solver()
    cost = match_cost(boxes_cxcywh, quality, target_boxes_cxcywh)
    if not bool(cost.isfinite().all()):
        raise InputError(
            "a predicted or annotated crop is not a finite number, so it cannot be matched; check "
            "the annotations, or train with a lower learning rate"
        )
    matched = torch.full(quality.shape, -1, dtype=torch.int64)
    # Both leave the device once: a copy for every image would wait for it every time.
    for row, image_cost, wanted in zip(matched, cost.cpu(), is_wanted.cpu(), strict=True):
        numbers = wanted.nonzero()[:, 0]
        predictions, targets = solve(image_cost[:, numbers].numpy())
        row[torch.from_numpy(predictions)] = numbers[torch.from_numpy(targets)]
    return matched.to(boxes_cxcywh.device)


def solver() -> Callable[..., Any]:
    """The Hungarian algorithm of scipy, which nothing but training needs.

    Raises:
        InputError: scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as exc:
        raise InputError(
            f"training needs scipy, which is not installed; run `{install_command('train')}`"
        ) from exc
    found: Callable[..., Any] = linear_sum_assignment
    return found


def match_cost(boxes_cxcywh: Tensor, quality: Tensor, target_boxes_cxcywh: Tensor) -> Tensor:
    """[B, M, T] the cost of each pair; arguments as for `match`."""
    distance = torch.cdist(boxes_cxcywh, target_boxes_cxcywh, p=1)
    overlap = generalised_iou(
        cxcywh_to_xyxy(boxes_cxcywh)[:, :, None], cxcywh_to_xyxy(target_boxes_cxcywh)[:, None]
    )
    return L1_COST * distance - GIOU_COST * overlap - QUALITY_COST * quality[..., None]
