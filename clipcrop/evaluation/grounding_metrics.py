"""How well one answer to one query fits the true boxes."""

from __future__ import annotations

from typing import NamedTuple

from ..arrays import FloatArray
from ..boxes import iou, union_box


class Answer(NamedTuple):
    """What a model says to a query."""

    best_box_xyxy: FloatArray | None
    """[4] its strongest box; None where it knows nothing of the query."""

    union_box_xyxy: FloatArray | None
    """[4] the smallest box round all that it selects; None as above."""

    is_general: bool
    """Whether it would tell the user that nothing was found."""

    is_sure: bool = True
    """Whether it would call this found; else it is perhaps there."""


class CaseScore(NamedTuple):
    """One query's contribution to the means."""

    is_pointing: bool
    """The centre of the best box lies in a true box, its border included."""

    best_iou: float
    """IoU of the best box and the true box that it fits best."""

    is_half: bool
    """That IoU is at least 0.5."""

    union_iou: float
    """IoU of two boxes: the smallest round all that was selected, and the smallest round all true
    boxes. Not of the areas inside them: crops are made from those two boxes."""

    is_wrong_subject: bool
    """The centre of the best box lies in a box of another query, and in none of its own."""

    is_general: bool
    """As in the answer."""


def score_case(answer: Answer, own_xyxy: FloatArray, others_xyxy: FloatArray) -> CaseScore:
    """Compare an answer with the truth; one without a box misses, and takes no wrong subject.

    Args:
        answer: the model's.
        own_xyxy: [K, 4], K >= 1: the true boxes of the query.
        others_xyxy: [L, 4] the true boxes of the other queries of the photo.
    """
    if answer.best_box_xyxy is None:
        return CaseScore(False, 0.0, False, 0.0, False, answer.is_general)
    best_xyxy = answer.best_box_xyxy
    selected_xyxy = best_xyxy if answer.union_box_xyxy is None else answer.union_box_xyxy
    best_iou = float(iou(best_xyxy[None], own_xyxy).max())
    centre = (best_xyxy[:2] + best_xyxy[2:]) / 2
    is_pointing = _lies_in_any(centre, own_xyxy)
    return CaseScore(
        is_pointing=is_pointing,
        best_iou=best_iou,
        is_half=best_iou >= 0.5,
        union_iou=float(iou(selected_xyxy[None], union_box(own_xyxy)[None])[0, 0]),
        is_wrong_subject=not is_pointing and _lies_in_any(centre, others_xyxy),
        is_general=answer.is_general,
    )


def _lies_in_any(point: FloatArray, boxes_xyxy: FloatArray) -> bool:
    """Whether [2] x and y lie in one of [K, 4]; a border belongs to its box."""
    is_inside = (boxes_xyxy[:, :2] <= point) & (point <= boxes_xyxy[:, 2:])  # [K, 2]
    return bool(is_inside.all(axis=1).any())
