"""Ranking: candidates and their quality to few, different suggestions, best first.

The order of the list, from the strongest rule to the weakest: frames that keep the subject, frames
without what was excluded, the size that crops of such a subject usually have, composition. Quality
never rises along the list.

Small subjects. People rated crops that are half of their photo or more, so the composition score
knows nothing of a frame that is a tenth of the image. A frame round a small subject is therefore
judged in a *view*: the part of the image around the subject, handed to the scorer as if it were the
image. Views grow from that to the whole image; a frame is judged in the smallest one it lies in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from ..boxes import WHOLE_IMAGE_XYXY, area, as_boxes, coverage, iou
from ..constraints import Constraints
from .candidates import candidates, fit, to_pixels, usual_area

WELL_FRAMED_MARGIN = 0.0
"""The whole image may be this much worse than the best frame and still count as well framed.

Chosen from the table that `python -m clipcrop.training.composition RATINGS.jsonl --folds 5` prints:
of the photos called well framed with it, .57 are (.49 of all are), and .25 of those that are get
called. A larger margin calls more, and is right hardly more often than chance.
"""

SAME_RATIO = 0.01
"""An image whose own ratio differs by no more than this has the ratio that was asked for."""

MAX_LOST = 0.04
"""Where no frame holds all of the subject, those that lose so much more of it than they have to are
left out. Otherwise all that lose any of it are."""

KEPT = 0.98
"""A subject of which this share is in the frame is kept; boxes are not exact to the pixel."""

UPPER_PART = 0.3
"""Share of a subject's height, from its top, that is worse to lose than the rest."""

VISIBLE = 0.02
"""An excluded thing of which no more than this is in the frame is out of it."""

MAX_IOUS = (0.75, 0.85, 0.92)
"""Frames in the list overlap by no more than the first; the others where too few would be left."""

MAX_IOUS_ROUND = (0.65, 0.8, 0.92)
"""The same for frames of a subject: since all are about as wide, they differ less by themselves."""

SAME_OBJECT_IOU = 0.7
"""An object that overlaps a subject by more than this is that subject."""

VIEW_SCALE = 2.5
"""The smallest view is the union box, enlarged so many times."""

VIEW_STEP = 2.0
"""Each view is so many times longer than the one before it."""

MIN_VIEW = 0.4
"""The smallest view is at least this long, in units of the image."""

MAX_VIEW = 0.85
"""A longer view, in units of the image, is as good as the whole image."""

SHOWN = 0.2
"""An object of which less than this lies in the view is no object of the view."""

USUAL_SLACK = 1.1
"""Frames of the usual area, up to so many times more or less, are judged by composition alone..."""

USUAL_SPREAD = 0.2
"""...and at a distance of this from them, in units of ln(area), quality is halved."""

FEW_FRAMES = 40
"""With fewer frames that keep the subject, general ones join them, ranked by what they keep."""

MAX_REGIONS = 3
"""Parts of the image, free of what is excluded, that frames are looked for in."""

MAX_FRAMES = 450
"""Frames that are judged; of more, every second or third is taken."""


class Scorer(Protocol):
    """What judges frames: the composition score, or anything else with its signature."""

    def score(
        self,
        frames_xyxy: FloatArray,
        objects_xyxy: FloatArray,
        num_subjects: int,
        image_aspect: float,
    ) -> FloatArray:
        """See `clipcrop.composing.composition.CompositionScorer.score`."""


DECODER_SHARE = 0.5
"""What the decoder's quality counts for its own crops, beside the scorer's. Both estimate the same
opinions; one sees the pixels, the other is the same for all frames of the list."""


class Proposals(NamedTuple):
    """Crops that the decoder proposes from the pixels."""

    frames_xyxy: FloatArray
    """[P, 4] in the image; some may have no area."""

    quality: FloatArray
    """[P] 0 to 1."""


@dataclass(frozen=True)
class Ranking:
    """Suggested frames, best first."""

    frames_xyxy: FloatArray
    """[R, 4] frames, normalised; exactly those of ``frames_px``."""

    frames_px: IntArray
    """[R, 4] int64 the same in whole pixels of the image."""

    quality: FloatArray
    """[R] 0 to 1, never rising along the list."""

    is_well_framed: bool
    """The whole image is allowed, and as good as the best frame."""

    is_proposed: BoolArray
    """[R] bool, True for frames that come from the proposals."""


def rank(
    union_box_xyxy: FloatArray | None,
    subjects_xyxy: FloatArray,
    objects_xyxy: FloatArray,
    excluded_xyxy: FloatArray,
    constraints: Constraints,
    width_px: int,
    height_px: int,
    scorer: Scorer,
    count: int = 8,
    proposals: Proposals | None = None,
) -> Ranking:
    """Find and rank frames of an image.

    Args:
        union_box_xyxy: [4] smallest box round the subjects; None for general crops.
        subjects_xyxy: [S, 4] what was asked for.
        objects_xyxy: [K, 4] whatever else is in the image, best first.
        excluded_xyxy: [X, 4] what must not be in the frame.
        constraints: Ratio and minimum size.
        width_px: Width of the image.
        height_px: Height of the image.
        scorer: Judges the frames.
        count: Frames to suggest; fewer where there are not so many different ones.
        proposals: Crops that join the candidates; they obey the same rules.

    Returns:
        The suggestions.

    Raises:
        InputError: The minimum size is larger than any frame of the image.
    """
    frames = _find_frames(union_box_xyxy, excluded_xyxy, constraints, width_px, height_px)
    proposed = proposals or Proposals(as_boxes([]), np.zeros(0, np.float32))
    fitted, which = fit(proposed.frames_xyxy, constraints, width_px, height_px)
    frames = np.concatenate([fitted, frames])
    ratio = constraints.ratio(width_px, height_px)
    image_aspect = width_px / height_px
    allows_whole = ratio is None or abs(ratio / image_aspect - 1) <= SAME_RATIO
    if allows_whole:
        frames = np.concatenate([frames, as_boxes(WHOLE_IMAGE_XYXY)])
    objects = _join(subjects_xyxy, objects_xyxy)
    quality = judge(frames, union_box_xyxy, objects, len(subjects_xyxy), image_aspect, scorer)
    is_proposed = np.arange(len(frames)) < len(which)
    decoded = proposed.quality[which]
    if union_box_xyxy is not None:
        decoded = decoded * _usualness(fitted, union_box_xyxy)
    quality[is_proposed] += DECODER_SHARE * (decoded - quality[is_proposed])
    lost = _lost(subjects_xyxy, frames)
    rank_key, quality = _apply_wishes(frames, quality, lost, excluded_xyxy)
    is_well_framed = allows_whole and bool(rank_key[-1] >= rank_key.max() - WELL_FRAMED_MARGIN)
    is_offered = lost <= (MAX_LOST + lost.min() if lost.min() > 0 else 0.0)
    frames, rank_key, quality = frames[is_offered], rank_key[is_offered], quality[is_offered]
    is_proposed = is_proposed[is_offered]
    max_ious = MAX_IOUS if union_box_xyxy is None else MAX_IOUS_ROUND
    picked = pick_different(frames, rank_key, count, max_ious)
    frames_px = to_pixels(
        frames[picked],
        width_px,
        height_px,
        ratio,
        (constraints.min_width_px, constraints.min_height_px),
    )
    # In an image of a few pixels, different frames can be rounded to the same crop.
    first = np.sort(np.unique(frames_px, axis=0, return_index=True)[1])
    picked, frames_px = picked[first], frames_px[first]
    size_px = np.array([width_px, height_px, width_px, height_px], np.float32)
    return Ranking(
        frames_xyxy=(frames_px / size_px).astype(np.float32),
        frames_px=frames_px,
        quality=np.minimum.accumulate(quality[picked]),
        is_well_framed=is_well_framed,
        is_proposed=is_proposed[picked],
    )


def judge(
    frames_xyxy: FloatArray,
    union_box_xyxy: FloatArray | None,
    objects_xyxy: FloatArray,
    num_subjects: int,
    image_aspect: float,
    scorer: Scorer,
) -> FloatArray:
    """Quality of frames, each in the smallest view that it lies in.

    Args:
        frames_xyxy: [F, 4] frames.
        union_box_xyxy: [4] smallest box round the subjects; None where nothing was asked for.
        objects_xyxy: [K, 4] objects, the subjects first.
        num_subjects: The first so many objects are the subjects.
        image_aspect: Width over height in pixels.
        scorer: Judges the frames of one view.

    Returns:
        [F] quality, 0 to 1.
    """
    quality = np.zeros(len(frames_xyxy), np.float32)
    is_open = np.ones(len(frames_xyxy), dtype=bool)
    for view in views(union_box_xyxy):
        inside = (frames_xyxy[:, :2] >= view[:2] - 1e-4) & (frames_xyxy[:, 2:] <= view[2:] + 1e-4)
        here = np.flatnonzero(is_open & inside.all(axis=1))
        if not len(here):
            continue
        is_open[here] = False
        quality[here] = judge_in_view(
            frames_xyxy[here], view, objects_xyxy, num_subjects, image_aspect, scorer
        )
    if union_box_xyxy is not None:
        quality *= _usualness(frames_xyxy, union_box_xyxy)
    return quality


def _usualness(frames_xyxy: FloatArray, union_box_xyxy: FloatArray) -> FloatArray:
    """[F, 4], [4] -> [F] 1 for frames of about the usual area, less for others."""
    away = np.abs(np.log(np.maximum(area(frames_xyxy), 1e-9) / usual_area(union_box_xyxy)))
    strain = np.maximum(away - np.log(USUAL_SLACK), 0) / USUAL_SPREAD
    result: FloatArray = 1 / (1 + np.square(strain))
    return result


def judge_in_view(
    frames_xyxy: FloatArray,
    view_xyxy: FloatArray,
    objects_xyxy: FloatArray,
    num_subjects: int,
    image_aspect: float,
    scorer: Scorer,
) -> FloatArray:
    """Quality of frames as if the view were the image: [F, 4], [4], [K, 4] -> [F]."""
    is_shown = coverage(objects_xyxy, view_xyxy[None])[:, 0] >= SHOWN
    is_shown[:num_subjects] = True
    width, height = (view_xyxy[2:] - view_xyxy[:2]).tolist()
    return scorer.score(
        _seen_in(frames_xyxy, view_xyxy),
        _seen_in(objects_xyxy[is_shown], view_xyxy),
        num_subjects,
        image_aspect * width / height,
    )


def views(union_box_xyxy: FloatArray | None) -> list[FloatArray]:
    """[4] -> the views of an image, each [4], from the one round a small subject to the whole."""
    whole = np.array(WHOLE_IMAGE_XYXY, np.float32)
    if union_box_xyxy is None:
        return [whole]
    centre = (union_box_xyxy[:2] + union_box_xyxy[2:]) / 2
    longest = float((union_box_xyxy[2:] - union_box_xyxy[:2]).max())
    # A square in normalised units has the image's own shape. It is moved inside, not cut.
    side = max(longest * VIEW_SCALE, MIN_VIEW)
    found = []
    while side <= MAX_VIEW:
        corner = np.clip(centre - side / 2, 0.0, 1.0 - side)
        found.append(np.concatenate([corner, corner + side]))
        side *= VIEW_STEP
    return [*found, whole]


def pick_different(
    frames_xyxy: FloatArray,
    key: FloatArray,
    count: int,
    max_ious: tuple[float, ...] = MAX_IOUS,
) -> IntArray:
    """The best frames of which no two are nearly the same.

    Args:
        frames_xyxy: [F, 4] frames.
        key: [F] how good each one is.
        count: As many as this are picked; fewer where there are not so many.
        max_ious: Picked frames overlap by no more than the first; the others follow in turn where
            too few would be left.

    Returns:
        [picked] int64 indices, best first; equal ones keep their order.
    """
    picked: list[int] = []
    overlaps = np.zeros(len(frames_xyxy), np.float32)  # with the nearest of the picked
    for max_iou in max_ious:
        left = np.where(overlaps > max_iou, -np.inf, key)
        left[picked] = -np.inf
        while len(picked) < count:
            index = int(left.argmax())
            if left[index] == -np.inf:
                break
            picked.append(index)
            overlap = iou(frames_xyxy[index, None], frames_xyxy)[0]
            overlaps = np.maximum(overlaps, overlap)
            left[overlap > max_iou] = -np.inf
            left[index] = -np.inf
        if len(picked) >= count:
            break
    return np.array(sorted(picked, key=lambda index: -float(key[index])), dtype=np.int64)


def _find_frames(
    union_box_xyxy: FloatArray | None,
    excluded_xyxy: FloatArray,
    constraints: Constraints,
    width_px: int,
    height_px: int,
) -> FloatArray:
    """[F, 4] frames of the whole image, and of its parts that are free of what is excluded."""
    found = candidates(union_box_xyxy, constraints, width_px, height_px)
    if union_box_xyxy is not None and len(found) < FEW_FRAMES:
        found = np.concatenate([found, candidates(None, constraints, width_px, height_px)])
    free = [
        candidates(union_box_xyxy, constraints, width_px, height_px, within_xyxy=region)
        for region in _regions_without(excluded_xyxy, union_box_xyxy)
    ]
    found = np.concatenate([*free, found])
    return found[:: -(-len(found) // MAX_FRAMES)]


def _regions_without(
    excluded_xyxy: FloatArray, union_box_xyxy: FloatArray | None
) -> list[FloatArray]:
    """The largest parts of the image beside the excluded boxes that hold most of the union box."""
    regions = [np.array(WHOLE_IMAGE_XYXY, np.float32)]
    for box in excluded_xyxy:
        parts = []
        for region in regions:
            if coverage(box[None], region[None])[0, 0] <= VISIBLE:
                parts.append(region)
                continue
            for edge, value in ((2, box[0]), (3, box[1]), (0, box[2]), (1, box[3])):
                part = region.copy()
                part[edge] = np.clip(value, 0, 1)
                parts.append(part)
        regions = [part for part in parts if bool((part[2:] - part[:2] > 0.02).all())]
        if union_box_xyxy is not None:
            regions = [
                part for part in regions if coverage(union_box_xyxy[None], part[None])[0, 0] >= KEPT
            ]
        regions = sorted(regions, key=lambda part: -float(area(part)))[:MAX_REGIONS]
    return [region for region in regions if float(area(region)) < 1.0] if len(excluded_xyxy) else []


def _lost(subjects_xyxy: FloatArray, frames_xyxy: FloatArray) -> FloatArray:
    """[S, 4], [F, 4] -> [F] how much of the subjects each frame loses, 0 to 1.

    Shares are squared, so that half a subject is worth much less than half: where not all of them
    fit in, some are kept whole. Of one that does not fit in, the upper part
    is kept first: heads.
    """
    if not len(subjects_xyxy):
        return np.zeros(len(frames_xyxy), np.float32)
    upper_xyxy, top = subjects_xyxy.copy(), subjects_xyxy[:, 1]
    upper_xyxy[:, 3] = top + UPPER_PART * (subjects_xyxy[:, 3] - top)
    kept, kept_upper = (
        np.minimum(coverage(boxes_xyxy, frames_xyxy) / KEPT, 1)  # [S, F]
        for boxes_xyxy in (subjects_xyxy, upper_xyxy)
    )
    result: FloatArray = 1 - np.square(kept * kept_upper**2).mean(axis=0)
    return result


def _apply_wishes(
    frames_xyxy: FloatArray, quality: FloatArray, lost: FloatArray, excluded_xyxy: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """[F] quality -> [F] the key that frames are ranked by, and [F] quality that users see."""
    visible = np.zeros(len(frames_xyxy), np.float32)
    if len(excluded_xyxy):
        visible = coverage(excluded_xyxy, frames_xyxy).max(axis=0)
    is_visible = visible > VISIBLE
    # Quality is at most 1: nothing makes up for a subject lost or an excluded thing shown.
    key = quality * (1 - lost) - 3 * lost - is_visible * (1 + visible)
    return key, quality * (1 - lost) * np.where(is_visible, 0.5 * (1 - visible), 1.0)


def _join(subjects_xyxy: FloatArray, objects_xyxy: FloatArray) -> FloatArray:
    """[S, 4], [K, 4] -> the subjects, then the objects that are none of them."""
    if not len(subjects_xyxy) or not len(objects_xyxy):
        return np.concatenate([subjects_xyxy, objects_xyxy])
    is_other = iou(objects_xyxy, subjects_xyxy).max(axis=1) <= SAME_OBJECT_IOU
    return np.concatenate([subjects_xyxy, objects_xyxy[is_other]])


def _seen_in(boxes_xyxy: FloatArray, view_xyxy: FloatArray) -> FloatArray:
    """[N, 4] boxes of the image -> [N, 4] their parts in the view, normalised to the view."""
    origin, size = np.tile(view_xyxy[:2], 2), np.tile(view_xyxy[2:] - view_xyxy[:2], 2)
    return np.clip((boxes_xyxy - origin) / size, 0, 1)
