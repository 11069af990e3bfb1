"""GIMP's image as a canvas: any kind of image and layer -> pixels as the daemon wants them."""

from __future__ import annotations

from typing import Callable

from gi.repository import Gimp, Gio, GLib

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.geometry import Placement, Rect, Size
from clipcrop_plugin.messages import (
    no_layer,
    not_one_layer,
    nothing_selected,
    selection_outside,
    unreadable_example,
)
from clipcrop_plugin.picture import Picture, Raster
from clipcrop_plugin.preview import Seen

from . import pixels, selection
from .apply import apply_crop


class GimpCanvas:
    """An image that is open in GIMP, as `clipcrop_plugin.preview.Canvas`."""

    def __init__(self, image: Gimp.Image) -> None:
        """Touch nothing yet."""
        self.image = image
        self._kept: selection.KeptSelection | None = None

    @property
    def is_open(self) -> bool:
        """See `Canvas`."""
        return bool(self.image.is_valid())

    @property
    def size(self) -> Size:
        """See `Canvas`."""
        return selection.size_of(self.image)

    @property
    def name(self) -> str:
        """Of the image's file, or what GIMP calls it."""
        file = self.image.get_file() or self.image.get_imported_file()
        return str(self.image.get_name() if file is None else file.get_basename())

    def read_picture(self, source: str) -> Seen:
        """The part of the canvas that the layer, or all that is visible, covers."""
        image, canvas = self.image, self.size
        if not image.get_layers():
            raise no_layer()
        layers = image.get_selected_layers()
        if source == "layer" and len(layers) == 1:
            area = _area_of(layers[0])
            placement = Placement.of(area, canvas)
            raster = pixels.of_layer(layers[0], _inside(area, placement.area))
            return Seen(Picture(raster, placement), "")
        placement = Placement.of_canvas(canvas)
        picture = Picture(pixels.of_visible(image, placement.area), placement)
        is_as_asked = source == "visible"
        return Seen(picture, "" if is_as_asked else not_one_layer(len(layers)))

    def read_example(self, choices: Choices) -> Raster:
        """What is selected, or a file."""
        if choices.example_file:
            return _read_file(choices.example_file)
        return self._read_selected(choices.source)

    def selected(self) -> Rect | None:
        """See `Canvas`."""
        return selection.bounds(self.image)

    def keep_selection(self) -> Callable[[], None]:
        """See `Canvas`."""
        return self._putting_back(selection.KeptSelection.of(self.image))

    def leave_selection(self) -> int:
        """Leave what was kept last to another process -> its number for `find_selection`."""
        return 0 if self._kept is None else self._kept.leave()

    def find_selection(self, number: int) -> Callable[[], None]:
        """What another process has kept, as `keep_selection`."""
        return self._putting_back(selection.KeptSelection.of_number(number, self.size))

    def _putting_back(self, kept: selection.KeptSelection) -> Callable[[], None]:
        self._kept = kept

        def put_back() -> None:
            kept.put_back(self.image)
            Gimp.displays_flush()  # GIMP's menus look at it then, too

        return put_back

    def show(self, rect: Rect) -> None:
        """See `Canvas`."""
        selection.show(self.image, rect)
        Gimp.displays_flush()

    def apply(self, rect: Rect, how: str) -> Gimp.Image:
        """See `Canvas`."""
        return apply_crop(self.image, rect, how)

    def _read_selected(self, source: str) -> Raster:
        selected = self.selected()
        if selected is None:
            raise nothing_selected()
        layers = self.image.get_selected_layers()
        if source == "layer" and len(layers) == 1:
            area = _area_of(layers[0])
            part = area.intersect(selected)
            if part is None:
                raise selection_outside()
            return pixels.of_layer(layers[0], _inside(area, part))
        return pixels.of_visible(self.image, selected)


def _read_file(path: str) -> Raster:
    """An image file, as the example of what to look for."""
    reason = ""
    try:
        image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(path))
    except GLib.Error as exc:  # which of the two it is depends on what went wrong
        image, reason = None, exc.message
    if image is None:
        raise unreadable_example(path, reason or Gimp.get_pdb().get_last_error())
    try:
        return pixels.of_visible(image, Rect(0, 0, *selection.size_of(image)))
    finally:
        image.delete()


def _area_of(layer: Gimp.Layer) -> Rect:
    """Where it is on the canvas; it may reach out of it."""
    _ok, x, y = layer.get_offsets()
    return Rect(x, y, layer.get_width(), layer.get_height())


def _inside(area: Rect, part: Rect) -> Rect:
    """A part of a layer's area on the canvas, in the layer's own pixels."""
    return Rect(part.x - area.x, part.y - area.y, part.width_px, part.height_px)
