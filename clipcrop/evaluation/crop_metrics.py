"""How good crops are, against what people drew, rated or marked; one photo and text at a time.

All boxes are normalised xyxy. IoU is the same in pixels; displacement is in units of the photo's
width and height, as it is usually given.
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray
from ..boxes import area, coverage, iou
from .grounding_metrics import Answer, score_case
from .metrics import nth_best, pearson, spearman, top_accuracy

K_RETURNED = (1, 2, 3, 4)
N_GOOD = (5, 10)

MIN_IOUS = (0.85, 0.9)
"""A made crop that overlaps a rated one by at least this is taken for it. The paper names none for
its Table 3; the code of Jia et al., whom it follows, scans .85 to .95 and has .9 as its default."""


def score_drawn(crops_xyxy: FloatArray, drawn_xyxy: FloatArray) -> dict[str, float]:
    """The first crop against the crops that annotators drew.

    Args:
        crops_xyxy: [R, 4], R >= 1, best first.
        drawn_xyxy: [A, 4], A >= 1, one for each annotator.

    Returns:
        By name:
        "IoU-Mean": mean IoU with all drawn crops (the paper's Tables 1, 2, 4, 5; Horanyi et al.);
        "IoU-Max": IoU with the one that it fits best (the same tables; "IoU" for FLMS and FCDB);
        "displacement": mean distance of the four edges from those of that drawn crop, the nearest
        of them where several fit equally: (|dx0| + |dx1| + |dy0| + |dy1|) / 4, each in units of the
        photo's width or height.
    """
    overlaps = iou(crops_xyxy[:1], drawn_xyxy)[0]  # [A]
    distances = np.abs(crops_xyxy[:1] - drawn_xyxy).mean(axis=1)
    is_best = overlaps >= overlaps.max() - 1e-6
    return {
        "IoU-Mean": float(overlaps.mean()),
        "IoU-Max": float(overlaps.max()),
        "displacement": float(distances[is_best].min()),
    }


def score_rated(
    crops_xyxy: FloatArray, rated_xyxy: FloatArray, mos: FloatArray
) -> dict[str, float]:
    """Made crops against rated ones.

    Args:
        crops_xyxy: [R, 4], R >= 1, best first.
        rated_xyxy: [C, 4] the rated crops.
        mos: [C] their mean opinion scores.

    Returns:
        For each IoU u of `MIN_IOUS`, "best in N @u" (`is_best_found`), which the paper's figures
        can be compared with; "any best in N @u", which takes each crop of the highest rating for
        the best; and "Acc K/N @u" (`made_accuracy`).
    """
    best_xyxy = rated_xyxy[[mos.argmax()]]
    all_best_xyxy = rated_xyxy[mos == mos.max()]
    figures = {}
    for least in MIN_IOUS:
        for name, good_xyxy in (("best", best_xyxy), ("any best", all_best_xyxy)):
            for n in N_GOOD:
                found = is_best_found(crops_xyxy, good_xyxy, n, least)
                figures[f"{name} in {n} @{least:.2f}"] = float(found)
        for n in N_GOOD:
            for k in K_RETURNED:
                name = f"Acc {k}/{n} @{least:.2f}"
                figures[name] = made_accuracy(crops_xyxy, rated_xyxy, mos, k, n, least)
    return figures


def score_asked(crops_xyxy: FloatArray, asked_xyxy: FloatArray) -> dict[str, float]:
    """The first crop against the boxes of what was asked for.

    Args:
        crops_xyxy: [R, 4], R >= 1, best first.
        asked_xyxy: [K, 4], K >= 1: all instances in the photo.

    Returns:
        By name:
        "IoU": with the smallest box round all of them;
        "pointing": 1 if the crop's centre lies in one of them, border included, else 0;
        "inside": share of a box's area that lies in the crop, mean over the boxes;
        "size": share of the photo's area that the crop takes.
    """
    first_xyxy = crops_xyxy[0]
    fit = score_case(Answer(first_xyxy, first_xyxy, is_general=False), asked_xyxy, asked_xyxy[:0])
    return {
        "IoU": fit.union_iou,
        "pointing": float(fit.is_pointing),
        "inside": float(coverage(asked_xyxy, first_xyxy[None]).mean()),
        "size": float(area(first_xyxy)),
    }


def made_accuracy(
    crops_xyxy: FloatArray, rated_xyxy: FloatArray, mos: FloatArray, k: int, n: int, min_iou: float
) -> float:
    """Acc K/N for crops that are made, not chosen among the rated ones.

    A returned crop counts when it overlaps one of people's best N by at least ``min_iou``; as in
    `clipcrop.evaluation.metrics.top_accuracy`, crops that tie with the N-th are among them. The
    result is the share of K: a method that returns fewer has misses in their place.

    Args:
        crops_xyxy: [R, 4] best first.
        rated_xyxy: [C, 4] the rated crops.
        mos: [C] their mean opinion scores.
        k: crops that are returned.
        n: rated crops that are good enough.
        min_iou: the least overlap.
    """
    good_xyxy = rated_xyxy[mos >= nth_best(mos, n)]
    overlaps = iou(crops_xyxy[:k], good_xyxy)  # [min(K, R), good]
    return float((overlaps.max(axis=1) >= min_iou - 1e-6).sum()) / k


def is_best_found(crops_xyxy: FloatArray, best_xyxy: FloatArray, n: int, min_iou: float) -> bool:
    """Whether the crop that people rated best is among the first N made ones.

    This is the accuracy at 5 and 10 of the published code of Jia et al., whom the paper compares
    with in its Table 3: one of the first N predictions overlaps the best rated crop by at least
    ``min_iou``. There the best crop is one: of crops with equal ratings the first after sorting,
    which is the first of the annotation file. It is easier than `made_accuracy` with K = 1, so
    figures of the two kinds must not be compared.

    Args:
        crops_xyxy: [R, 4] best first.
        best_xyxy: [A, 4] what counts as the best rated crop; one, or all with the highest rating.
        n: made crops that are looked at.
        min_iou: the least overlap.
    """
    return bool((iou(crops_xyxy[:n], best_xyxy) >= min_iou - 1e-6).any())


def score_judged(quality: FloatArray, mos: FloatArray) -> dict[str, float]:
    """A scorer's qualities of the rated crops themselves against their ratings.

    Args:
        quality: [C] what the scorer says.
        mos: [C] mean opinion scores.

    Returns:
        "SRCC", "PCC" (NaN where all are equal), and "Acc K/N chosen" (`metrics.top_accuracy`, the
        GAICD paper's own definition).
    """
    figures = {"SRCC": spearman(quality, mos), "PCC": pearson(quality, mos)}
    for n in N_GOOD:
        for k in K_RETURNED:
            figures[f"Acc {k}/{n} chosen"] = top_accuracy(quality, mos, k, n)
    return figures


def grid_frames(image_aspect: float) -> FloatArray:
    """[F, 4] the frames of GAICD's grid: what its crops were taken from, at most 90.

    The photo is cut into 12 x 12 cells. A frame's first corner is the centre of one of the first
    four cells each way, its second that of one of the last four; it has at least half of the
    photo's area and a ratio of sides between 1:2 and 2:1 in pixels, as in the published code of
    Zeng et al.

    Args:
        image_aspect: Width over height of the photo in pixels.
    """
    cells, near, far = 12, np.arange(4), np.arange(8, 12)
    left, top, right, bottom = (
        axis.ravel() for axis in np.meshgrid(near, near, far, far, indexing="ij")
    )
    width, height = right - left, bottom - top
    ratio = width / height * image_aspect
    is_frame = (width * height >= 0.4999 * cells**2) & (ratio > 0.5) & (ratio < 2.0)
    corners = np.stack([left, top, right, bottom], axis=1)[is_frame]
    return ((corners + 0.5) / cells).astype(np.float32)
