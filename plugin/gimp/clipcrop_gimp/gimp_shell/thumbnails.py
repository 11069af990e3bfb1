"""The reduced picture with a crop on it.

Drawn with GdkPixbuf alone: Python's cairo is not in every GIMP.
"""

from __future__ import annotations

from gi.repository import GdkPixbuf, GLib

from clipcrop_plugin.geometry import Rect, Size, fit
from clipcrop_plugin.picture import Picture

BOX = Size(132, 104)
"""What a thumbnail must fit in."""

_CHANNELS = {"rgb8": 3, "rgba8": 4}
_WHITE, _BLACK, _GRAY = 0xFFFFFFFF, 0x000000FF, 0x777777FF
_DIMMED = 150  # of 255
_EDGE_PX = 2


def reduce(picture: Picture) -> GdkPixbuf.Pixbuf:
    """A picture -> small pixels to draw on; for all its crops."""
    image = picture.raster.image
    channels = _CHANNELS[image.format]
    full = GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(picture.raster.pixels),
        GdkPixbuf.Colorspace.RGB,
        channels == 4,
        8,
        image.width_px,
        image.height_px,
        image.stride,
    )
    size = fit(Size(image.width_px, image.height_px), BOX)
    small = full.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)
    ground = _filled(size, _GRAY)
    _lay(small, ground, 255)
    return ground


def with_crop(pixels: GdkPixbuf.Pixbuf, crop: Rect) -> GdkPixbuf.Pixbuf:
    """Dark where the crop leaves out, framed where it cuts.

    Args:
        pixels: What `reduce` made.
        crop: In its pixels.
    """
    drawn = pixels.copy()
    _lay(_filled(Size(drawn.get_width(), drawn.get_height()), _BLACK), drawn, _DIMMED)
    x, y, width, height = crop
    drawn.new_subpixbuf(x, y, width, height).fill(_WHITE)
    edge = min(_EDGE_PX, (width - 1) // 2, (height - 1) // 2)
    inner = (x + edge, y + edge, width - 2 * edge, height - 2 * edge)
    pixels.copy_area(*inner, drawn, x + edge, y + edge)
    return drawn


def _filled(size: Size, colour: int) -> GdkPixbuf.Pixbuf:
    made = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, *size)
    made.fill(colour)
    return made


def _lay(upper: GdkPixbuf.Pixbuf, lower: GdkPixbuf.Pixbuf, opacity: int) -> None:
    """One over the other, of the same size."""
    size = (lower.get_width(), lower.get_height())
    nearest = GdkPixbuf.InterpType.NEAREST
    upper.composite(lower, 0, 0, *size, 0, 0, 1, 1, nearest, opacity)
