"""One document of Krita's: read its pixels, select on it, crop it."""

from __future__ import annotations

from typing import Any, Callable, Iterator, NamedTuple

from clipcrop_plugin.choices import SELECTION_EXAMPLE, Choices
from clipcrop_plugin.errors import BadChoice, NothingToCrop
from clipcrop_plugin.geometry import Placement, Rect, Size
from clipcrop_plugin.picture import Picture, Raster, reduced_size
from clipcrop_plugin.preview import Seen
from clipcrop_plugin.texts import _, isolated
from krita import Krita, Selection

from .qt import QtCore, QtGui

_SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")  # Krita's own name of sRGB
_FORMAT = QtGui.QImage.Format.Format_ARGB32  # bytes B, G, R, A; not multiplied
_FULL = 255

# Read at once; more is read in strips, so that a huge image does not need its memory twice.
_MAX_STRIP_PX = 32 * 1024 * 1024

_WITHOUT_PIXELS = ("filterlayer", "adjustmentlayer")
_MASKS = ("mask",)  # how the types of all masks end

_Read = Callable[[Rect], Any]
"""A rectangle of the canvas -> a QImage of it."""


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
        return Seen(Picture(_raster(found.read, found.placement.area), found.placement), found.note)

    def read_example(self, choices: Choices) -> Raster:
        """See `Canvas`."""
        if choices.example != SELECTION_EXAMPLE:
            return _raster_of_file(choices.example_file)
        selected = self.selected()
        if selected is None:
            raise BadChoice(
                "example",
                _("Select the part of the image that shows what to look for, then try again."),
            )
        found = self._find(choices.source)
        part = found.placement.area.intersect(selected)
        if part is None:
            raise BadChoice(
                "example", _("The selection lies outside the layer. Select a part of it.")
            )
        return _raster(found.read, part)

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
        chosen = Selection()
        chosen.select(*rect, _FULL)
        self.document.setSelection(chosen)

    def apply(self, rect: Rect, how: str) -> Any:
        """See `Canvas`; returns the document that the crop is in."""
        if how == "selection":
            self.show(rect)
        elif how == "crop":
            self.document.crop(*rect)
        elif how == "guides":
            self._add_guides(rect)
        else:
            return self._new_document(rect)
        return self.document

    def _add_guides(self, rect: Rect) -> None:
        document = self.document
        across, down = document.horizontalGuides(), document.verticalGuides()
        document.setHorizontalGuides([*across, float(rect.y), float(rect.bottom)])
        document.setVerticalGuides([*down, float(rect.x), float(rect.right)])
        document.setGuidesVisible(True)

    def _new_document(self, rect: Rect) -> Any:
        """A copy, cropped; the document itself stays as it is."""
        copy = self.document.clone()
        copy.setFileName("")  # saving must not overwrite the original
        copy.setSelection(None)
        copy.crop(*rect)
        copy.waitForDone()
        copy.setModified(True)  # it is nowhere but here
        Krita.instance().activeWindow().addView(copy)
        return copy

    def _find(self, source: str) -> _Found:
        """What to look at, and how to read it."""
        if not self.document.topLevelNodes():
            raise NothingToCrop(_("This image has no layer to look at. Add one, or open a photo."))
        visible = Placement.of_canvas(self.size)
        if source == "visible":
            return _Found(visible, self._read_visible, "")
        nodes = self._chosen_nodes()
        if len(nodes) != 1:
            return _Found(visible, self._read_visible, _several(len(nodes)))
        node = _layer_of(nodes[0])
        if node is None or node.type() in _WITHOUT_PIXELS:
            note = _("This layer has no pixels of its own: the visible image was looked at.")
            return _Found(visible, self._read_visible, note)
        return _Found(self._placement(node), _reader(self.document, node), "")

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

    def _read_visible(self, area: Rect) -> Any:
        return self.document.projection(*area)


class _Found(NamedTuple):
    placement: Placement
    read: _Read
    note: str


def _several(number: int) -> str:
    if number:
        return _("Several layers are selected: the visible image was looked at.")
    return _("No layer is selected: the visible image was looked at.")


def _layer_of(node: Any) -> Any:
    """The layer that a mask is on; None for one on the whole image."""
    while node is not None and node.type().endswith(_MASKS):
        node = node.parentNode()
    return None if node is None or node.parentNode() is None else node


def _reader(document: Any, node: Any) -> _Read:
    """Reads a layer of any kind with its masks, in sRGB; the user's own is never converted."""
    space = (node.colorModel(), node.colorDepth(), node.colorProfile())

    def read(area: Rect) -> Any:
        pixels = node.projectionPixelData(*area)
        if space != _SRGB:
            # A layer that is in no document: Krita converts what is on it.
            converter = document.createNode("clipcrop", "paintlayer")
            converter.setColorSpace(*space)
            converter.setPixelData(pixels, *area)
            converter.setColorSpace(*_SRGB)
            pixels = converter.pixelData(*area)
        data = bytes(pixels)
        stride = 4 * area.width_px
        # A copy: the image only borrows the bytes.
        return QtGui.QImage(data, area.width_px, area.height_px, stride, _FORMAT).copy()

    return read


def _raster(read: _Read, area: Rect) -> Raster:
    """A part of the canvas, reduced."""
    size = reduced_size(area.width_px, area.height_px)
    if area.width_px * area.height_px <= _MAX_STRIP_PX:
        return _raster_of(_reduced(read(area), size))
    whole = QtGui.QImage(*size, _FORMAT)
    whole.fill(0)
    painter = QtGui.QPainter(whole)
    painter.setCompositionMode(QtGui.QPainter.CompositionMode.CompositionMode_Source)
    try:
        for part, top, height in _strips(area, size):
            strip = _reduced(read(part), Size(size.width_px, height))
            painter.drawImage(0, top, strip)
    finally:
        painter.end()
    return _raster_of(whole)


def _strips(area: Rect, size: Size) -> Iterator[tuple[Rect, int, int]]:
    """Parts of the area, from top to bottom, and the rows of the reduced image that each fills."""
    number = -(-area.width_px * area.height_px // _MAX_STRIP_PX)
    rows = -(-size.height_px // number)
    for top in range(0, size.height_px, rows):
        bottom = min(top + rows, size.height_px)
        first = top * area.height_px // size.height_px
        last = max(first + 1, bottom * area.height_px // size.height_px)
        yield Rect(area.x, area.y + first, area.width_px, last - first), top, bottom - top


def _reduced(image: Any, size: Size) -> Any:
    if (image.width(), image.height()) != size:
        smooth = QtCore.Qt.TransformationMode.SmoothTransformation
        ignore = QtCore.Qt.AspectRatioMode.IgnoreAspectRatio
        image = image.scaled(*size, ignore, smooth)
    return image.convertToFormat(_FORMAT)


def _raster_of(image: Any) -> Raster:
    bits = image.constBits()
    bits.setsize(image.bytesPerLine() * image.height())
    return Raster(bytes(bits), image.width(), image.height(), "bgra8")


def _raster_of_file(path: str) -> Raster:
    """An image file, as the example: with Qt if it can, else with all that Krita can open."""
    reader = QtGui.QImageReader(path)
    reader.setAutoTransform(True)
    image = reader.read()
    if image.isNull():
        reason = reader.errorString()
        image = _image_of_document(path)
        if image is None:
            raise BadChoice(
                "example",
                _("The example cannot be opened: {path}: {reason}.").format(
                    path=isolated(path), reason=isolated(reason.strip().rstrip("."))
                ),
            )
    elif image.colorSpace().isValid():
        image.convertToColorSpace(QtGui.QColorSpace(QtGui.QColorSpace.NamedColorSpace.SRgb))
    return _raster_of(_reduced(image, reduced_size(image.width(), image.height())))


def _image_of_document(path: str) -> Any:
    """What Krita makes of a file, without a window or a question; None if it cannot."""
    app = Krita.instance()
    was_batch = app.batchmode()
    app.setBatchmode(True)
    try:
        document = app.openDocument(path) if QtCore.QFile.exists(path) else None
        if document is None:
            return None
        document.waitForDone()
        image = document.projection(0, 0, document.width(), document.height())
        document.close()
        return None if image.isNull() else image
    finally:
        app.setBatchmode(was_batch)
