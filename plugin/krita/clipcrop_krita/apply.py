"""What becomes of a crop."""

from __future__ import annotations

from typing import Any

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
    if how == "new_image":
        return _new_document(document, rect)
    if how == "selection":
        _note_selection_for_undo(document)
        select(document, rect)
    elif how == "guides":
        _add_guides(document, rect)
    else:
        _crop(document, rect, is_canvas_only=how == "canvas")
    return document


def select(document: Any, rect: Rect) -> None:
    """Nothing else is selected then; a script's selection is no step of undo in Krita."""
    chosen = Selection()
    chosen.select(*rect, _FULL)
    document.setSelection(chosen)


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


def _crop(document: Any, rect: Rect, *, is_canvas_only: bool) -> None:
    """One step of undo, with all layers and frames."""
    # A transform mask may show what lies beyond the crop, and would have nothing to show there.
    if is_canvas_only or _has_transform_mask(document.rootNode()):
        document.resizeImage(*rect)
    else:
        document.crop(*rect)
    document.waitForDone()


def _has_transform_mask(node: Any) -> bool:
    return any(
        child.type() == "transformmask" or _has_transform_mask(child) for child in node.childNodes()
    )


def _add_guides(document: Any, rect: Rect) -> None:
    """No step of undo in Krita."""
    across, down = document.horizontalGuides(), document.verticalGuides()
    document.setHorizontalGuides([*across, float(rect.y), float(rect.bottom)])
    document.setVerticalGuides([*down, float(rect.x), float(rect.right)])
    document.setGuidesVisible(True)


def _new_document(document: Any, rect: Rect) -> Any:
    """A copy, cropped; the document itself stays as it is."""
    copy = document.clone()
    copy.setFileName("")  # saving must not overwrite the original
    copy.setSelection(None)
    _crop(copy, rect, is_canvas_only=False)
    copy.setModified(True)  # it is nowhere but here
    Krita.instance().activeWindow().addView(copy)
    return copy
