"""The wire's values <-> the library's: pixels, constraints, suggestions.

Nothing is decided here. What goes out is cut to the wire's limits, so that no reply fails on a
long word or on the last digit of a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipcrop.constraints import Constraints
from clipcrop.suggestions import Detection, Suggestions, Understood
from clipcrop_wire import messages
from clipcrop_wire.messages import (
    MAX_COUNT,
    MAX_DETECTIONS,
    MAX_PROMPT_CHARS,
    SuggestReply,
    SuggestRequest,
)

if TYPE_CHECKING:
    from PIL.Image import Image as Pixels

    from .model_pool import Resident

_MAX_SENTENCE_CHARS = 200
_MAX_NOTES = 8
_MAX_TEXTS = 16

_MODES = {
    "gray8": ("L", "L"),
    "rgb8": ("RGB", "RGB"),
    "rgba8": ("RGBA", "RGBA"),
    "bgra8": ("RGBA", "BGRA"),
}
"""Format on the wire -> Pillow's mode, and how its bytes are arranged."""


def decode_pixels(image: messages.Image, data: memoryview) -> Pixels:
    """Bytes -> RGB as models take it: opaque, reduced; a copy.

    Raises:
        InvalidImage: It cannot be used as an image.
    """
    from PIL import Image  # slow to load

    from clipcrop.imaging.images import prepare_image

    mode, arrangement = _MODES[image.format]
    size_px = (image.width_px, image.height_px)
    pixels = Image.frombuffer(
        mode,
        size_px,
        data,  # type: ignore[arg-type]  # any buffer will do
        "raw",
        arrangement,
        image.stride,
        1,
    )
    return prepare_image(pixels).rgb


def original_size_px(request: SuggestRequest) -> tuple[int, int]:
    """Width and height of what the user edits."""
    image = request.image
    return (
        request.original_width_px or image.width_px,
        request.original_height_px or image.height_px,
    )


def constraints_of(request: SuggestRequest) -> Constraints:
    """What crops must keep to.

    Raises:
        InputError: No crop of this image can.
    """
    aspect = request.aspect
    constraints = Constraints(
        aspect="original" if isinstance(aspect, str) else aspect,
        min_width_px=request.min_width_px,
        min_height_px=request.min_height_px,
    )
    constraints.check_fits(*original_size_px(request))
    return constraints


def suggest_reply(
    found: Suggestions, resident: Resident, *, is_image_cached: bool, seconds: dict[str, float]
) -> SuggestReply:
    """What the client is told."""
    return SuggestReply(
        model=resident.name,
        device=resident.device,
        kind=found.kind,
        is_well_framed=found.is_well_framed,
        is_image_cached=is_image_cached,
        matched=tuple(_detection(one) for one in found.matched[:MAX_DETECTIONS]),
        dropped=tuple(
            messages.Dropped(
                _text(one.text),
                _share(one.score),
                one.reason[:_MAX_SENTENCE_CHARS],
                one.is_unknown,
            )
            for one in found.dropped[:MAX_DETECTIONS]
        ),
        excluded=tuple(_detection(one) for one in found.excluded[:MAX_DETECTIONS]),
        suggestions=tuple(
            messages.Suggestion(
                _box(one.crop_xyxy), one.crop_px, _share(one.quality), one.width or ""
            )
            for one in found.crops[:MAX_COUNT]
        ),
        seconds=seconds,
        notes=notes_of(resident, found),
        understood=_understood(found.understood),
    )


def _understood(found: Understood) -> messages.Understood:
    def texts(several: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_text, several[:_MAX_TEXTS]))

    return messages.Understood(
        kept=texts(found.kept),
        whole=texts(found.whole),
        left_out=texts(found.left_out),
        aspect=found.aspect,
        width=found.width,
        space=found.space,
        corrected=tuple(texts(pair) for pair in found.corrected[:_MAX_TEXTS]),
    )


def notes_of(resident: Resident, found: Suggestions | None = None) -> tuple[str, ...]:
    """For the user: about the model, then about the prompt."""
    notes = resident.notes if found is None else (*resident.notes, *found.notes)
    return tuple(note[:_MAX_SENTENCE_CHARS] for note in notes[:_MAX_NOTES])


def _detection(found: Detection) -> messages.Detection:
    return messages.Detection(
        _text(found.text), _share(found.score), _box(found.box_xyxy), found.is_sure
    )


def _text(text: str) -> str:
    return text[:MAX_PROMPT_CHARS]


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _box(box_xyxy: tuple[float, float, float, float]) -> tuple[float, ...]:
    return tuple(map(_share, box_xyxy))
