"""Reads the canvas: any kind of image and layer -> pixels as the daemon wants them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, NamedTuple

from gi.repository import Gegl, Gimp, Gio, GLib

from clipcrop_plugin.errors import BadChoice, NothingToCrop
from clipcrop_plugin.geometry import Placement, Rect, Size
from clipcrop_plugin.picture import Picture, Raster, reduced_size
from clipcrop_plugin.texts import _, isolated


class Seen(NamedTuple):
    """What was read."""

    picture: Picture
    note: str
    """What the user should know about it; mostly empty."""


def read_picture(image: Gimp.Image, source: str) -> Seen:
    """The part of the canvas that the layer, or all that is visible, covers.

    Raises:
        NothingToCrop: there is nothing to look at.
    """
    if not image.get_layers():
        raise NothingToCrop(_("This image has no layer to look at. Add one, or open a photo."))
    canvas = Size(image.get_width(), image.get_height())
    layers = image.get_selected_layers()
    if source == "layer" and len(layers) == 1:
        area = _area_of(layers[0])
        placement = Placement.of(area, canvas)
        return Seen(_picture(layers[0], area, placement), "")
    with _visible(image) as layer:
        picture = _picture(layer, Rect(0, 0, *canvas), Placement.of_canvas(canvas))
    is_as_asked = source == "visible"
    return Seen(picture, "" if is_as_asked else _several(len(layers)))


def read_selected_example(image: Gimp.Image, source: str) -> Raster:
    """What is selected, as the example of what to look for.

    Raises:
        BadChoice: nothing is selected there.
        NothingToCrop: there is nothing to look at.
    """
    _ok, is_some, x1, y1, x2, y2 = Gimp.Selection.bounds(image)
    if not is_some:
        raise BadChoice(
            "example",
            _("Select the part of the image that shows what to look for, then try again."),
        )
    selected = Rect(x1, y1, x2 - x1, y2 - y1)
    layers = image.get_selected_layers()
    if source == "layer" and len(layers) == 1:
        return _example(layers[0], _area_of(layers[0]), selected)
    with _visible(image) as layer:
        return _example(layer, Rect(0, 0, image.get_width(), image.get_height()), selected)


def read_file_example(path: str) -> Raster:
    """An image file, as the example of what to look for.

    Raises:
        BadChoice: GIMP cannot open it.
    """
    reason = ""
    try:
        image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(path))
    except GLib.Error as exc:  # which of the two it is depends on what went wrong
        image, reason = None, exc.message
    if image is None:
        reason = reason or Gimp.get_pdb().get_last_error()
        raise BadChoice(
            "example",
            _("The example cannot be opened: {path}: {reason}.").format(
                path=isolated(path), reason=isolated(reason.strip().rstrip("."))
            ),
        )
    try:
        with _visible(image) as layer:
            whole = Rect(0, 0, image.get_width(), image.get_height())
            return _example(layer, whole, whole)
    finally:
        image.delete()


def _several(number: int) -> str:
    if number:
        return _("Several layers are selected: the visible image was looked at.")
    return _("No layer is selected: the visible image was looked at.")


def _area_of(layer: Gimp.Layer) -> Rect:
    """Where it is on the canvas; it may reach out of it."""
    _ok, x, y = layer.get_offsets()
    return Rect(x, y, layer.get_width(), layer.get_height())


@contextmanager
def _visible(image: Gimp.Image) -> Iterator[Gimp.Layer]:
    """What the canvas shows, as a layer that is in no image."""
    layer = Gimp.Layer.new_from_visible(image, image, "clipcrop")
    try:
        yield layer
    finally:
        layer.delete()


def _picture(layer: Gimp.Layer, area: Rect, placement: Placement) -> Picture:
    pixels, size, name = _read(layer, area, placement.area)
    return Picture.of(pixels, size.width_px, size.height_px, name, placement)


def _example(layer: Gimp.Layer, area: Rect, wanted: Rect) -> Raster:
    part = area.intersect(wanted)
    if part is None:
        raise BadChoice("example", _("The selection lies outside the layer. Select a part of it."))
    pixels, size, name = _read(layer, area, part)
    return Raster(pixels, size.width_px, size.height_px, name)


def _read(layer: Gimp.Layer, area: Rect, part: Rect) -> tuple[bytes, Size, str]:
    """A part of a layer, reduced; the primed format means sRGB, whatever the image's own is."""
    size = reduced_size(part.width_px, part.height_px)
    # One scale for both sides; the longer one has it more exactly.
    scale = max(size) / max(part.width_px, part.height_px)
    x, y = round((part.x - area.x) * scale), round((part.y - area.y) * scale)
    has_alpha = layer.has_alpha()
    pixels = layer.get_buffer().get(
        Gegl.Rectangle.new(x, y, size.width_px, size.height_px),
        scale,
        "R'G'B'A u8" if has_alpha else "R'G'B' u8",
        Gegl.AbyssPolicy.CLAMP,
    )
    return bytes(pixels), size, "rgba8" if has_alpha else "rgb8"
