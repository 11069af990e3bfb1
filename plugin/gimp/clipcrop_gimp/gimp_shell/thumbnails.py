"""The reduced picture with a crop on it."""

from __future__ import annotations

from typing import Any

from clipcrop_plugin.geometry import Rect, Size, fit
from clipcrop_plugin.picture import Picture
from gi.repository import Gdk, GdkPixbuf, GLib, Gtk

BOX = Size(132, 104)
"""What a thumbnail must fit in."""

_CHANNELS = {"rgb8": 3, "rgba8": 4}
_DIMMED, _EDGE_PX = 0.55, 2.0


def reduce(picture: Picture) -> GdkPixbuf.Pixbuf:
    """A picture -> small pixels to draw; for all its crops."""
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
    return full.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)


class Thumbnail(Gtk.DrawingArea):
    """Dark where the crop leaves out, framed where it cuts."""

    def __init__(self, pixels: GdkPixbuf.Pixbuf, crop: Rect) -> None:
        """Take what `reduce` made, and a crop in its pixels."""
        super().__init__()
        self._pixels, self._crop = pixels, crop
        self.set_size_request(pixels.get_width(), pixels.get_height())
        self.set_valign(Gtk.Align.CENTER)
        self.set_halign(Gtk.Align.CENTER)
        self.connect("draw", self._draw)

    def _draw(self, widget: Gtk.Widget, context: Any) -> bool:
        width, height = self._pixels.get_width(), self._pixels.get_height()
        # Where there was more room than asked for.
        allocated = self.get_allocation()
        context.translate((allocated.width - width) // 2, (allocated.height - height) // 2)
        Gdk.cairo_set_source_pixbuf(context, self._pixels, 0, 0)
        context.paint()
        context.rectangle(0, 0, width, height)
        context.clip()
        x, y, crop_width, crop_height = self._crop
        context.set_source_rgba(0, 0, 0, _DIMMED)
        for part in (
            (0, 0, width, y),
            (0, y + crop_height, width, height - y - crop_height),
            (0, y, x, crop_height),
            (x + crop_width, y, width - x - crop_width, crop_height),
        ):
            context.rectangle(*part)
        context.fill()
        context.set_source_rgb(1, 1, 1)
        context.set_line_width(_EDGE_PX)
        half = _EDGE_PX / 2
        context.rectangle(x + half, y + half, crop_width - _EDGE_PX, crop_height - _EDGE_PX)
        context.stroke()
        return True
