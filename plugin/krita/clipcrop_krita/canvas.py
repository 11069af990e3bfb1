"""One document of Krita's: what to look at in it, and what is selected."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from clipcrop_plugin.choices import SELECTION_EXAMPLE, Choices
from clipcrop_plugin.errors import NothingToCrop
from clipcrop_plugin.geometry import Placement, Rect, Size
from clipcrop_plugin.messages import no_layer, not_one_layer, nothing_selected, selection_outside
from clipcrop_plugin.picture import Picture, Raster
from clipcrop_plugin.preview import Seen
from clipcrop_plugin.texts import _
from krita import Krita

from .apply import apply_crop, select
from .pixels import Read, layer_reader, raster, raster_of_file

_WITHOUT_PIXELS = ("filterlayer", "adjustmentlayer")
_MASKS = ("mask",)  # how the types of all masks end


class KritaCanvas:
    """A `clipcrop_plugin.preview.Canvas`."""

    def __init__(self, document: Any) -> None:
        self.document = document

    @property
    def is_open(self) -> bool:
        """See `Canvas`; a copy that was made by a script has a view, but is not listed."""
        app = Krita.instance()
        if any(one == self.document for one in app.documents()):
            return True
        return any(view.document() == self.document for view in app.views())

    @property
    def size(self) -> Size:
        """See `Canvas`."""
        return Size(self.document.width(), self.document.height())

    def read_picture(self, source: str) -> Seen:
        """See `Canvas`."""
        found = self._find(source)
        picture = Picture(raster(found.read, found.placement.area), found.placement)
        notes = (found.note, self._note_of_selection_mask())
        return Seen(picture, " ".join(note for note in notes if note))

    def read_example(self, choices: Choices) -> Raster:
        """See `Canvas`."""
        if choices.example != SELECTION_EXAMPLE:
            return raster_of_file(choices.example_file)
        selected = self.selected()
        if selected is None:
            raise nothing_selected()
        found = self._find(choices.source)
        part = found.placement.area.intersect(selected)
        if part is None:
            raise selection_outside()
        return raster(found.read, part)

    def selected(self) -> Rect | None:
        """See `Canvas`."""
        found = self.document.selection()
        if found is None or not found.width() or not found.height():
            return None
        return Rect(found.x(), found.y(), found.width(), found.height())

    def keep_selection(self) -> Callable[[], None]:
        """See `Canvas`."""
        kept = self.document.selection()  # Krita makes another one when that is replaced
        return lambda: self.document.setSelection(kept)

    def show(self, rect: Rect) -> None:
        """See `Canvas`; a script's selection is no step of undo in Krita."""
        select(self.document, rect)

    def apply(self, rect: Rect, how: str) -> Any:
        """See `Canvas`; returns the document that the crop is in."""
        return apply_crop(self.document, rect, how)

    def _find(self, source: str) -> _Found:
        """What to look at, and how to read it."""
        if not self.document.topLevelNodes():
            raise no_layer()
        visible = Placement.of_canvas(self.size)
        if source == "visible":
            return _Found(visible, self._read_visible, "")
        nodes = self._chosen_nodes()
        if len(nodes) != 1:
            return _Found(visible, self._read_visible, not_one_layer(len(nodes)))
        node = _layer_of(nodes[0])
        if node is None or node.type() in _WITHOUT_PIXELS:
            note = _("This layer has no pixels of its own: the visible image was looked at.")
            return _Found(visible, self._read_visible, note)
        return _Found(self._placement(node), layer_reader(self.document, node), "")

    def _chosen_nodes(self) -> list[Any]:
        """Of the view in front, if it shows this document; else the one that is active."""
        window = Krita.instance().activeWindow()
        view = window.activeView() if window is not None else None
        if view is not None and view.document() == self.document:
            chosen = list(view.selectedNodes())
            if len(chosen) > 1:
                return chosen
        node = self.document.activeNode()
        return [] if node is None else [node]

    def _placement(self, node: Any) -> Placement:
        """What the canvas shows of a layer."""
        if any(child.type() == "transformmask" for child in node.childNodes()):
            return Placement.of_canvas(self.size)  # it may be anywhere
        bounds = node.bounds()
        if bounds.isEmpty():
            raise NothingToCrop(_("This layer is empty. Choose another layer."))
        area = Rect(bounds.x(), bounds.y(), bounds.width(), bounds.height())
        return Placement.of(area, self.size)

    def _note_of_selection_mask(self) -> str:
        """Krita shows the selection of the active layer's mask, if it has one, and no other."""
        layer = _layer_of(self.document.activeNode())
        children = [] if layer is None else layer.childNodes()
        if any(child.type() == "selectionmask" and child.visible() for child in children):
            return _(
                "This layer's selection mask may hide what is suggested. Hide the mask to see it."
            )
        return ""

    def _read_visible(self, area: Rect) -> Any:
        return self.document.projection(*area)


class _Found(NamedTuple):
    placement: Placement
    read: Read
    note: str


def _layer_of(node: Any) -> Any:
    """The layer that a mask is on; None for one on the whole image."""
    while node is not None and node.type().endswith(_MASKS):
        node = node.parentNode()
    return None if node is None or node.parentNode() is None else node
