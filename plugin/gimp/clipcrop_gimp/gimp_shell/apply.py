"""What becomes of a crop: each is one step of undo, and leaves all else as it was."""

from __future__ import annotations

from typing import Callable

from gi.repository import Gimp

from clipcrop_plugin.errors import NothingToCrop
from clipcrop_plugin.geometry import Rect
from clipcrop_plugin.texts import _, isolated

from .selection import one_undo


def apply_crop(image: Gimp.Image, rect: Rect, how: str) -> Gimp.Image:
    """Do it, and return the image that the crop is in now.

    Args:
        image: Its selection is the user's own again.
        rect: On its canvas.
        how: One of `clipcrop_plugin.choices.APPLIES`.

    Raises:
        NothingToCrop: GIMP refuses.
    """
    return _WAYS[how](image, rect)


def _select(image: Gimp.Image, rect: Rect) -> Gimp.Image:
    _check(image.select_rectangle(Gimp.ChannelOps.REPLACE, *rect))
    return image


def _crop(image: Gimp.Image, rect: Rect) -> Gimp.Image:
    with one_undo(image):
        _check(image.crop(rect.width_px, rect.height_px, rect.x, rect.y))
    return image


def _crop_canvas(image: Gimp.Image, rect: Rect) -> Gimp.Image:
    """Layers keep what lies beyond."""
    with one_undo(image):
        _check(image.resize(rect.width_px, rect.height_px, -rect.x, -rect.y))
    return image


def _add_guides(image: Gimp.Image, rect: Rect) -> Gimp.Image:
    with one_undo(image):
        for x in (rect.x, rect.right):
            image.add_vguide(x)
        for y in (rect.y, rect.bottom):
            image.add_hguide(y)
    return image


def _new_image(image: Gimp.Image, rect: Rect) -> Gimp.Image:
    """A copy, cropped, with nothing to undo; the image itself stays as it is."""
    copy = image.duplicate()
    copy.undo_disable()
    Gimp.Selection.none(copy)
    _check(copy.crop(rect.width_px, rect.height_px, rect.x, rect.y))
    copy.undo_enable()
    return copy


_WAYS: dict[str, Callable[[Gimp.Image, Rect], Gimp.Image]] = {
    "selection": _select,
    "crop": _crop,
    "canvas": _crop_canvas,
    "guides": _add_guides,
    "new_image": _new_image,
}
"""One of `clipcrop_plugin.choices.APPLIES` -> what does it."""


def _check(is_done: bool) -> None:
    """What fails in GIMP does not raise in Python."""
    if not is_done:
        reason = Gimp.get_pdb().get_last_error().strip().rstrip(".")
        raise NothingToCrop(_("GIMP declined: {reason}.").format(reason=isolated(reason)))
