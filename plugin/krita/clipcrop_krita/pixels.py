"""Pixels of a document, a layer, or an image file -> what is sent: small, in sRGB."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from clipcrop_plugin.geometry import Rect, Size
from clipcrop_plugin.messages import unreadable_example
from clipcrop_plugin.picture import Raster, reduced_size
from krita import Krita

from .qt import QtCore, QtGui

_SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")  # Krita's own name of sRGB
_FORMAT = QtGui.QImage.Format.Format_ARGB32  # bytes B, G, R, A; not multiplied

# Read at once; more is read in strips, so that a huge image does not need its memory twice.
_MAX_STRIP_PX = 32 * 1024 * 1024

Read = Callable[[Rect], Any]
"""A rectangle of the canvas -> a QImage of it."""


def layer_reader(document: Any, node: Any) -> Read:
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


def raster(read: Read, area: Rect) -> Raster:
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


def raster_of_file(path: str) -> Raster:
    """An image file, as the example: with Qt if it can, else with all that Krita can open."""
    reader = QtGui.QImageReader(path)
    reader.setAutoTransform(True)
    image = reader.read()
    if image.isNull():
        reason = reader.errorString()
        image = _image_of_document(path)
        if image is None:
            raise unreadable_example(path, reason)
    elif image.colorSpace().isValid():
        image.convertToColorSpace(QtGui.QColorSpace(QtGui.QColorSpace.NamedColorSpace.SRgb))
    return _raster_of(_reduced(image, reduced_size(image.width(), image.height())))


def _image_of_document(path: str) -> Any:
    """What Krita makes of a file, without a window or a request; None if it cannot."""
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
