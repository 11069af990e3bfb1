"""The reduced picture with a crop on it."""

from __future__ import annotations

from typing import Any

from clipcrop_plugin.geometry import Rect, Size, fit
from clipcrop_plugin.picture import Picture

from .qt import QtCore, QtGui

BOX = Size(112, 84)
"""What a thumbnail must fit in."""

_GROUND = QtGui.QColor(119, 119, 119)
_DIM = QtGui.QColor(0, 0, 0, 150)
_EDGE = QtGui.QColor(255, 255, 255)
_EDGE_PX = 2


def reduce(picture: Picture, scale: float) -> Any:
    """A picture -> a small QImage to draw on; for all its crops.

    Args:
        picture: As a canvas was read.
        scale: Pixels of the screen in one of Qt's, so that it is sharp on every screen.
    """
    image = picture.raster.image
    full = QtGui.QImage(
        picture.raster.pixels,
        image.width_px,
        image.height_px,
        image.stride,
        QtGui.QImage.Format.Format_ARGB32,
    )
    box = Size(round(BOX.width_px * scale), round(BOX.height_px * scale))
    size = fit(Size(image.width_px, image.height_px), box)
    small = full.scaled(
        *size,
        QtCore.Qt.AspectRatioMode.IgnoreAspectRatio,
        QtCore.Qt.TransformationMode.SmoothTransformation,
    )
    ground = QtGui.QImage(*size, QtGui.QImage.Format.Format_RGB32)
    ground.fill(_GROUND)  # where the picture is transparent
    painter = QtGui.QPainter(ground)
    painter.drawImage(0, 0, small)
    painter.end()
    return ground


def with_crop(small: Any, crop: Rect, scale: float) -> Any:
    """Dark where the crop leaves out, framed where it cuts -> a QPixmap.

    Args:
        small: What `reduce` made.
        crop: In its pixels.
        scale: As for `reduce`.
    """
    # Painted before it becomes a pixmap: Qt's cache takes pixmaps of one image for the same.
    drawn = small.copy()
    painter = QtGui.QPainter(drawn)
    x, y, width, height = crop
    right, bottom = x + width, y + height
    for dark in (
        QtCore.QRect(0, 0, drawn.width(), y),
        QtCore.QRect(0, bottom, drawn.width(), drawn.height() - bottom),
        QtCore.QRect(0, y, x, height),
        QtCore.QRect(right, y, drawn.width() - right, height),
    ):
        painter.fillRect(dark, _DIM)
    edge = max(1, min(round(_EDGE_PX * scale), (min(width, height) - 1) // 2))
    for side in (
        QtCore.QRect(x, y, width, edge),
        QtCore.QRect(x, bottom - edge, width, edge),
        QtCore.QRect(x, y, edge, height),
        QtCore.QRect(right - edge, y, edge, height),
    ):
        painter.fillRect(side, _EDGE)
    painter.end()
    drawn.setDevicePixelRatio(scale)
    return QtGui.QPixmap.fromImage(drawn)
