"""What becomes of a crop."""

from __future__ import annotations

from typing import Any, Callable

from clipcrop_plugin.geometry import Rect
from krita import Krita, Selection

_FULL = 255


def apply_crop(document: Any, rect: Rect, how: str) -> Any:
    """Do it, and return the document that the crop is in.

    Args:
        document: Its selection is the user's own again.
        rect: On its canvas.
        how: One of `clipcrop_plugin.choices.APPLIES`.
    """
    return _WAYS[how](document, rect)


def select(document: Any, rect: Rect) -> None:
    """Nothing else is selected then; a script's selection is no step of undo in Krita."""
    chosen = Selection()
    chosen.select(*rect, _FULL)
    document.setSelection(chosen)


def _select(document: Any, rect: Rect) -> Any:
    _note_selection_for_undo(document)
    select(document, rect)
    return document


def _note_selection_for_undo(document: Any) -> None:
    """Add a step of undo that brings today's selection back.

    It is one of Krita's own, so to redo it is to select nothing, or all.
    """
    app = Krita.instance()
    window = app.activeWindow()
    view = window.activeView() if window is not None else None
    if view is not None and view.document() == document:  # what actions are about
        is_any = document.selection() is not None
        app.action("deselect" if is_any else "select_all").trigger()
        document.waitForDone()


def _crop(document: Any, rect: Rect) -> Any:
    """One step of undo, with all layers and frames."""
    # A transform mask may show what lies beyond the crop, and would have nothing to show there.
    if _has_transform_mask(document.rootNode()):
        return _crop_canvas(document, rect)
    document.crop(*rect)
    document.waitForDone()
    return document


def _crop_canvas(document: Any, rect: Rect) -> Any:
    """One step of undo; layers keep what lies beyond."""
    document.resizeImage(*rect)
    document.waitForDone()
    return document


def _has_transform_mask(node: Any) -> bool:
    return any(
        child.type() == "transformmask" or _has_transform_mask(child) for child in node.childNodes()
    )


def _add_guides(document: Any, rect: Rect) -> Any:
    """No step of undo in Krita."""
    across, down = document.horizontalGuides(), document.verticalGuides()
    document.setHorizontalGuides([*across, float(rect.y), float(rect.bottom)])
    document.setVerticalGuides([*down, float(rect.x), float(rect.right)])
    document.setGuidesVisible(True)
    return document


def _new_document(document: Any, rect: Rect) -> Any:
    """A copy, cropped; the document itself stays as it is."""
    copy = document.clone()
    copy.setFileName("")  # saving must not overwrite the original
    copy.setSelection(None)
    _crop(copy, rect)
    copy.setModified(True)  # it is nowhere but here
    Krita.instance().activeWindow().addView(copy)
    return copy


_WAYS: dict[str, Callable[[Any, Rect], Any]] = {
    "selection": _select,
    "crop": _crop,
    "canvas": _crop_canvas,
    "guides": _add_guides,
    "new_image": _new_document,
}
"""One of `clipcrop_plugin.choices.APPLIES` -> what does it."""
