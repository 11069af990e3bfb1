"""What a prompt says about the crop -> constraints, and room around what was found."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import FloatArray
from ..constraints import MAX_ASPECT, Constraints, parse_aspect
from ..errors import InputError
from ..prompt.instructions import Instructions, Side

ROOM = 0.6
"""How much room "leave space above" asks for, in units of the subject's own height or width."""

MIN_ROOM = 0.1
"""With less, in the same units, the photo has no room on that side."""

UPRIGHT = 4 / 5
"""The portrait format of a square photo."""


@dataclass(frozen=True)
class Framing:
    """The instructions of a prompt, as far as this photo and the options allow."""

    constraints: Constraints
    """With the ratio and the size of the prompt, where no option says otherwise."""

    aspect: str
    """The ratio that the prompt asks for, as it was obeyed; empty where none was."""

    notes: tuple[str, ...]
    """What could not be obeyed, for people."""


def obey(
    instructions: Instructions, constraints: Constraints, width_px: int, height_px: int
) -> Framing:
    """Bring what a prompt asks for together with the options, which win.

    Args:
        instructions: the prompt's.
        constraints: the options.
        width_px: width of the photo.
        height_px: height of the photo.
    """
    said = instructions.aspect
    if not said:
        return Framing(constraints, "", ())
    if constraints.aspect is not None:
        wanted = _ratio(said, width_px / height_px)
        chosen = constraints.ratio(width_px, height_px)
        if wanted and chosen and abs(wanted / chosen - 1) < 0.01:
            return Framing(constraints, said, ())
        return Framing(constraints, "", (f"not used: {said}, since an aspect ratio is chosen",))
    ratio = _ratio(said, width_px / height_px)
    if ratio is None:
        return Framing(constraints, "", (f"not used: {said}, which is no ratio of a picture",))
    found = replace(constraints, aspect=ratio)
    try:
        found.check_fits(width_px, height_px)
    except InputError:
        note = f"not used: {said}, since the smallest size does not allow it"
        return Framing(constraints, "", (note,))
    if instructions.min_size_px is None or constraints.min_width_px * constraints.min_height_px > 1:
        return Framing(found, said, ())
    wide, high = instructions.min_size_px
    sized = replace(found, min_width_px=wide, min_height_px=high)
    try:
        sized.check_fits(width_px, height_px)
    except InputError:
        note = f"the photo is too small for {wide} x {high} pixels; the crops have that ratio only"
        return Framing(found, said, (note,))
    return Framing(sized, said, ())


def _ratio(said: str, image_aspect: float) -> float | None:
    """Width over height; "portrait" and "landscape" are the photo's own ratio, turned."""
    if said == "portrait":
        return min(image_aspect, 1 / image_aspect) if abs(image_aspect - 1) > 0.02 else UPRIGHT
    if said == "landscape":
        return max(image_aspect, 1 / image_aspect) if abs(image_aspect - 1) > 0.02 else 1 / UPRIGHT
    ratio = parse_aspect(said)
    assert isinstance(ratio, float)
    return ratio if 1 / MAX_ASPECT <= ratio <= MAX_ASPECT else None


def with_room(
    union_box_xyxy: FloatArray, sides: tuple[Side, ...]
) -> tuple[FloatArray, tuple[Side, ...]]:
    """Enlarge the box that crops must hold on some sides.

    Args:
        union_box_xyxy: [4] round what was found.
        sides: where there should be room.

    Returns:
        [4] the larger box, inside the photo, and the sides on which the photo has room.
    """
    box = union_box_xyxy.astype(np.float32)
    width, height = np.maximum(box[2:] - box[:2], 1e-6).tolist()
    possible: list[Side] = []
    for side in sides:
        at, size, outward = {
            "left": (0, width, -1),
            "above": (1, height, -1),
            "right": (2, width, 1),
            "below": (3, height, 1),
        }[side]
        edge = float(np.clip(union_box_xyxy[at] + outward * ROOM * size, 0, 1))
        if abs(edge - float(union_box_xyxy[at])) >= MIN_ROOM * size:
            box[at] = edge
            possible.append(side)
    return box, tuple(possible)


def at_least(
    share: float, constraints: Constraints, width_px: int, height_px: int
) -> Constraints | None:
    """The constraints, and crops of at least this share of the photo; None where none is so large.

    Args:
        share: of the photo's area, 0 to 1.
        constraints: ratio and smallest size.
        width_px: width of the photo.
        height_px: height of the photo.
    """
    ratio = constraints.ratio(width_px, height_px) or width_px / height_px
    wide = math.sqrt(share * width_px * height_px * ratio)
    found = replace(
        constraints,
        min_width_px=max(constraints.min_width_px, math.floor(wide)),
        min_height_px=max(constraints.min_height_px, math.floor(wide / ratio)),
    )
    try:
        found.check_fits(width_px, height_px)
    except InputError:
        return None
    return found
