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

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray, largest
from ..boxes import WHOLE_IMAGE_XYXY, area, as_boxes, clip_to_image, coverage, iou, union_box
from ..constraints import Constraints
from ..suggestions import WIDTHS, Width
from .candidates import candidates, fit, subject_targets, to_pixels
from .widths import DISTINCT_TIMES

logger = logging.getLogger(__name__)

WELL_FRAMED_MARGIN = 0.0
"""The whole image may be this much worse than the best frame and still count as well framed.

Chosen from the table that `python -m clipcrop.training.composition RATINGS.jsonl --folds 5` prints:
of the photos called well framed with it, .57 are (.49 of all are), and .25 of those that are get
called. A larger margin calls more, and is right hardly more often than chance.
"""

SAME_RATIO = 0.01
"""An image whose own ratio differs by no more than this has the ratio that was asked for."""

MAX_LOST = 0.15
"""Where no frame holds all of the subject, or few of the ratio that is asked for, those that lose
this much more of it than they have to are left out. Otherwise all that lose any of it are."""

KEPT = 0.99
"""A subject of which this share is in the frame is kept; boxes are not exact to the pixel."""

UPPER_PART = 0.3
"""Share of a subject's height, from its top, that is worse to lose than the rest, if it has no
face."""

VISIBLE = 0.02
"""An excluded thing of which no more than this is in the frame is out of it."""

MAX_IOUS = (0.75, 0.85, 0.92)
"""Frames in the list overlap by no more than the first; the others where too few would be left."""

MAX_IOU_ROUND = 0.85
"""Frames of a subject overlap by no more than this."""

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

FACE_INSIDE = 0.6
"""A face of which this share lies in a subject is that subject's, and it has a head round it."""

HAIR, EARS, CHIN = 0.45, 0.3, 0.25
"""How far a head is beyond the box of its face: above, on both sides, below, in units of the
height, the width and the height of the face."""

CLEARLY_BETTER = 1.7
"""A frame of another width is the first only if it is better than all medium ones by this factor,
or its width was asked for."""

MAX_PARTS = 4
"""So many subjects have frames of their own where not all of them fit in."""

BYSTANDER_IOU = 0.5
"""A person or an animal that overlaps a subject by more than this is that subject..."""

BYSTANDER_INSIDE = 0.8
"""...and one of which more than this lies in a subject belongs to it."""

BYSTANDER_COST = 0.35
"""A frame that ends in the middle of a person or an animal that was not asked for, or of its head,
loses this share of its quality if what is to be seen of it takes a tenth of the frame; less where
it takes less."""

MAX_LIKELY = 120
"""Of the frames of a subject so many, the best, are considered for the list..."""

CHANCE_POWER = 2.0
"""...and their quality to this power is how likely it is that a user has them in mind."""

FEW_FRAMES = 40
"""With fewer frames that keep the subject, others join them, ranked by what they keep."""

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

    widths: tuple[Width, ...]
    """[R] how wide each frame is; empty for general crops."""

    is_cut: BoolArray
    """[S] bool, the subjects of which the first frame shows a part only."""


class Surroundings(NamedTuple):
    """What of the photo makes crops of other things better or worse."""

    faces_xyxy: FloatArray
    """[A, 4] faces: their heads are kept whole."""

    bystanders_xyxy: FloatArray
    """[P, 4] people and animals: frames do not end in the middle of them."""


NO_SURROUNDINGS = Surroundings(as_boxes([]), as_boxes([]))


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
    *,
    surroundings: Surroundings = NO_SURROUNDINGS,
    width: Width | None = None,
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
        surroundings: Faces, people and animals in the image.
        width: Of the first frame, where one of that width keeps the subjects as well as others;
            by default medium, where others are not clearly better.

    Returns:
        The suggestions. Close, medium and wide are among the first four, where the image has room
        for frames that differ so. What the quality of each is made of is logged: composition,
        by the scorer and the decoder; surround, the share left for how much of the image round the
        subjects is shown and what of others is cut; lost, the share of the subjects outside.

    Raises:
        InputError: The minimum size is larger than any frame of the image.
    """
    whole_xyxy, parts_xyxy = _with_heads(subjects_xyxy, surroundings.faces_xyxy)
    if union_box_xyxy is not None:
        union_box_xyxy = union_box(np.concatenate([union_box_xyxy[None], whole_xyxy]))
    frames = _find_frames(union_box_xyxy, excluded_xyxy, constraints, width_px, height_px)
    if len(frames) and _lost(whole_xyxy, parts_xyxy, frames).min() > 0:
        frames = np.concatenate(
            [frames, *_frames_round_parts(parts_xyxy, constraints, width_px, height_px)]
        )
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
    quality[is_proposed] += DECODER_SHARE * (proposed.quality[which] - quality[is_proposed])
    composition, widths = quality.copy(), None
    if union_box_xyxy is not None:
        aims = subject_targets(union_box_xyxy, constraints, width_px, height_px)
        widths = aims.width_of(frames)
        wanted = WIDTHS.index(width or "medium")
        quality *= aims.likeness(frames, wanted)
        quality *= 1 - BYSTANDER_COST * _cut_bystanders(surroundings, whole_xyxy, frames)
    surround = quality / np.maximum(composition, 1e-9)
    lost = _lost(whole_xyxy, parts_xyxy, frames)
    rank_key, quality, is_visible = _apply_wishes(frames, quality, lost, excluded_xyxy)
    is_well_framed = allows_whole and bool(rank_key[-1] >= rank_key.max() - WELL_FRAMED_MARGIN)
    whole_faces = _whole_faces(surroundings.faces_xyxy, subjects_xyxy, frames)
    is_offered = whole_faces == whole_faces.max()
    least_lost = lost[is_offered].min()
    is_whole = is_offered & (lost <= 0)
    has_choice = is_whole.any() and (ratio is None or is_whole.sum() >= FEW_FRAMES)
    is_offered = is_whole if has_choice else is_offered & (lost <= MAX_LOST + least_lost)
    offered = np.flatnonzero(is_offered)
    frames, rank_key, quality = frames[offered], rank_key[offered], quality[offered]
    first: list[int] = []
    if widths is not None:
        widths = widths[offered]
        best, usual = rank_key.argmax(), rank_key[widths == wanted]
        if width is None and len(usual) and rank_key[best] > CLEARLY_BETTER * usual.max() > 0:
            wanted = int(widths[best])
        first = _best_of_widths(frames, widths, rank_key, is_visible[offered], wanted)[:count]
    if first:
        first = pick_representative(frames, rank_key, count, first).tolist()
    picked = pick_different(frames, rank_key, count, first=first)
    frames_px = to_pixels(
        frames[picked],
        width_px,
        height_px,
        ratio,
        (constraints.min_width_px, constraints.min_height_px),
    )
    # In an image of a few pixels, different frames can be rounded to the same crop.
    different = np.sort(np.unique(frames_px, axis=0, return_index=True)[1])
    picked, frames_px = picked[different], frames_px[different]
    size_px = np.array([width_px, height_px, width_px, height_px], np.float32)
    frames_xyxy = (frames_px / size_px).astype(np.float32)
    for number, index in enumerate(picked, start=1):
        logger.debug(
            "crop.ranked number=%d quality=%.3f composition=%.3f surround=%.3f lost=%.3f",
            number,
            quality[index],
            *(part[offered[index]] for part in (composition, surround, lost)),
        )
    return Ranking(
        frames_xyxy=frames_xyxy,
        frames_px=frames_px,
        quality=np.minimum.accumulate(quality[picked]),
        is_well_framed=is_well_framed,
        is_proposed=is_proposed[offered[picked]],
        widths=() if widths is None else tuple(WIDTHS[index] for index in widths[picked]),
        is_cut=coverage(whole_xyxy, frames_xyxy[:1])[:, 0] < KEPT,
    )


def _best_of_widths(
    frames_xyxy: FloatArray, widths: IntArray, key: FloatArray, is_visible: BoolArray, wanted: int
) -> list[int]:
    """The best frame of the width that is asked for, and then of each other width.

    Args:
        frames_xyxy: [F, 4] frames.
        widths: [F] index of each frame's width.
        key: [F] how good each one is.
        is_visible: [F] whether what was excluded is to be seen.
        wanted: The index that is asked for; where there is none, the nearest one is the first.
    """
    sizes = area(frames_xyxy)
    allowed = is_visible == is_visible[key.argmax()]
    nearest = min(widths[allowed].tolist(), key=lambda width: abs(width - wanted))
    best: list[int] = []
    for width in sorted(range(len(WIDTHS)), key=lambda width: width != nearest):
        is_open = allowed & (widths == width)
        for other in best:
            times = sizes / sizes[other] if width > widths[other] else sizes[other] / sizes
            is_open &= times >= DISTINCT_TIMES
        if is_open.any():
            best.append(int(np.where(is_open, key, -np.inf).argmax()))
    return [*best[:1], *sorted(best[1:], key=lambda at: -float(key[at]))]


def _with_heads(subjects_xyxy: FloatArray, faces_xyxy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What is to be kept of subjects.

    Returns:
        [S, 4] the subjects, each with the whole heads of its faces, and [S, 4] what matters most
        of each one: its heads, or its upper part.
    """
    upper_xyxy = subjects_xyxy.copy()
    upper_xyxy[:, 3] -= (1 - UPPER_PART) * (subjects_xyxy[:, 3] - subjects_xyxy[:, 1])
    if not len(subjects_xyxy) or not len(faces_xyxy):
        return subjects_xyxy, upper_xyxy
    width, height = (faces_xyxy[:, 2:] - faces_xyxy[:, :2]).T
    grown = np.stack([EARS * width, HAIR * height, -EARS * width, -CHIN * height], axis=1)
    heads_xyxy = clip_to_image(faces_xyxy - grown)
    is_theirs = coverage(faces_xyxy, subjects_xyxy).T >= FACE_INSIDE  # [S, A]
    low = np.where(is_theirs[..., None], heads_xyxy[:, :2], 1.0).min(axis=1)
    high = np.where(is_theirs[..., None], heads_xyxy[:, 2:], 0.0).max(axis=1)
    heads_xyxy = np.concatenate([low, high], axis=1)  # [S, 4], inside out where there is none
    whole_xyxy = np.concatenate(
        [np.minimum(subjects_xyxy[:, :2], low), np.maximum(subjects_xyxy[:, 2:], high)], axis=1
    )
    return whole_xyxy, np.where(is_theirs.any(axis=1)[:, None], heads_xyxy, upper_xyxy)


def _whole_faces(
    faces_xyxy: FloatArray, subjects_xyxy: FloatArray, frames_xyxy: FloatArray
) -> IntArray:
    """[A, 4], [S, 4], [F, 4] -> [F] how many faces of the subjects are whole in each frame."""
    if len(faces_xyxy) and len(subjects_xyxy):
        is_theirs = coverage(faces_xyxy, subjects_xyxy).max(axis=1) >= FACE_INSIDE
        faces_xyxy = faces_xyxy[is_theirs]
    result: IntArray = (coverage(faces_xyxy, frames_xyxy) >= KEPT).sum(axis=0)
    return result


def _frames_round_parts(
    parts_xyxy: FloatArray, constraints: Constraints, width_px: int, height_px: int
) -> list[FloatArray]:
    """[S, 4] what matters most -> frames round all of it, and round each part."""
    boxes = [union_box(parts_xyxy), *parts_xyxy[:MAX_PARTS]] if len(parts_xyxy) > 1 else parts_xyxy
    found = [candidates(box, constraints, width_px, height_px) for box in boxes]
    return [frames[:: -(-len(frames) * len(found) // MAX_FRAMES)] for frames in found]


def _cut_bystanders(
    surroundings: Surroundings, subjects_xyxy: FloatArray, frames_xyxy: FloatArray
) -> FloatArray:
    """[S, 4], [F, 4] -> [F] how badly the worst of those not asked for is cut, 0 to 1."""
    faces_xyxy, bystanders_xyxy = surroundings
    if len(bystanders_xyxy) and len(subjects_xyxy):
        is_other = iou(bystanders_xyxy, subjects_xyxy).max(axis=1) <= BYSTANDER_IOU
        is_other &= coverage(bystanders_xyxy, subjects_xyxy).max(axis=1) <= BYSTANDER_INSIDE
        bystanders_xyxy = bystanders_xyxy[is_other]
    if not len(bystanders_xyxy):
        return np.zeros(len(frames_xyxy), np.float32)
    bystanders_xyxy, parts_xyxy = _with_heads(bystanders_xyxy, faces_xyxy)
    shown = coverage(bystanders_xyxy, frames_xyxy)  # [P, F]
    head_shown = coverage(parts_xyxy, frames_xyxy)
    of_frame = shown * area(bystanders_xyxy)[:, None] / np.maximum(area(frames_xyxy), 1e-9)
    cut = np.maximum(4 * shown * (1 - shown), 4 * head_shown * (1 - head_shown))
    result: FloatArray = (np.minimum(of_frame / 0.1, 1) * cut).max(axis=0)
    return result


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
    return quality


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
    first: Sequence[int] = (),
) -> IntArray:
    """The best frames of which no two are nearly the same.

    Args:
        frames_xyxy: [F, 4] frames.
        key: [F] how good each one is.
        count: As many as this are picked; fewer where there are not so many.
        max_ious: Picked frames overlap by no more than the first; the others follow in turn where
            too few would be left.
        first: Indices that are picked before all others, whatever their key.

    Returns:
        [picked] int64 indices: ``first``, then best first; equal ones keep their order.
    """
    picked = list(first)
    overlaps = np.zeros(len(frames_xyxy), np.float32)  # with the nearest of the picked
    if picked:
        overlaps = iou(frames_xyxy[picked], frames_xyxy).max(axis=0)
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
    others = sorted(picked[len(first) :], key=lambda index: -float(key[index]))
    return np.array([*first, *others], dtype=np.int64)


def pick_representative(
    frames_xyxy: FloatArray, key: FloatArray, count: int, first: Sequence[int]
) -> IntArray:
    """Frames such that one of them is probably near the crop that the user has in mind.

    What the user has in mind is unknown; the better a frame, the likelier it is that. Each pick
    adds most to the expected IoU of the nearest one in the list.

    Args:
        frames_xyxy: [F, 4] frames.
        key: [F] how good each one is.
        count: As many as this are picked; fewer where there are not so many.
        first: Indices that are picked before all others.

    Returns:
        [picked] int64 indices: ``first``, then best first.
    """
    likely = np.union1d(largest(key, MAX_LIKELY), first)
    frames, chance = frames_xyxy[likely], np.maximum(key[likely], 0) ** CHANCE_POWER
    overlaps = iou(frames, frames)
    picked = np.searchsorted(likely, first).tolist()
    nearest = overlaps[picked].max(axis=0)
    is_open = nearest <= MAX_IOU_ROUND
    while len(picked) < count and is_open.any():
        gain = np.maximum(overlaps - nearest, 0) @ chance
        best = int(np.where(is_open, gain, -1.0).argmax())
        picked.append(best)
        nearest = np.maximum(nearest, overlaps[best])
        is_open &= nearest <= MAX_IOU_ROUND
    chosen = likely[picked]
    others = sorted(chosen[len(first) :].tolist(), key=lambda index: -float(key[index]))
    return np.array([*first, *others], dtype=np.int64)


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
        candidates(union_box_xyxy, constraints, width_px, height_px, region)
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


def _lost(subjects_xyxy: FloatArray, parts_xyxy: FloatArray, frames_xyxy: FloatArray) -> FloatArray:
    """[S, 4], [S, 4], [F, 4] -> [F] how much of the subjects each frame loses, 0 to 1.

    Shares are squared, so that half a subject is worth much less than half: where not all of them
    fit in, some are kept whole. Of one that does not fit in, what matters most is kept first.
    """
    if not len(subjects_xyxy):
        return np.zeros(len(frames_xyxy), np.float32)
    kept, kept_part = (
        np.minimum(coverage(boxes_xyxy, frames_xyxy) / KEPT, 1)  # [S, F]
        for boxes_xyxy in (subjects_xyxy, parts_xyxy)
    )
    result: FloatArray = 1 - np.square(kept * kept_part**2).mean(axis=0)
    return result


def _apply_wishes(
    frames_xyxy: FloatArray, quality: FloatArray, lost: FloatArray, excluded_xyxy: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """[F] quality -> [F] the key of ranking, [F] quality for users, [F] is an exclusion visible."""
    visible = np.zeros(len(frames_xyxy), np.float32)
    if len(excluded_xyxy):
        visible = coverage(excluded_xyxy, frames_xyxy).max(axis=0)
    is_visible = visible > VISIBLE
    # Quality is at most 1: nothing makes up for a subject lost or an excluded thing shown.
    key = quality * (1 - lost) - 3 * lost - is_visible * (1 + visible)
    quality = quality * (1 - lost) * np.where(is_visible, 0.5 * (1 - visible), 1.0)
    return key, quality, is_visible


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
