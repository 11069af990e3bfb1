"""GIMP's image as a canvas: any kind of image and layer -> pixels as the daemon wants them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator

from gi.repository import Gegl, Gimp, Gio, GLib

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.errors import BadChoice, NothingToCrop
from clipcrop_plugin.geometry import Placement, Rect, Size
from clipcrop_plugin.picture import Picture, Raster, reduced_size
from clipcrop_plugin.preview import Seen
from clipcrop_plugin.texts import _, isolated

from . import selection
from .apply import apply_crop


class GimpCanvas:
    """An image that is open in GIMP, as `clipcrop_plugin.preview.Canvas`."""

    def __init__(self, image: Gimp.Image) -> None:
        """Touch nothing yet."""
        self.image = image

    @property
    def is_open(self) -> bool:
        """See `Canvas`."""
        return bool(self.image.is_valid())

    @property
    def size(self) -> Size:
        """See `Canvas`."""
        return Size(self.image.get_width(), self.image.get_height())

    @property
    def name(self) -> str:
        """Of the image's file, or what GIMP calls it."""
        file = self.image.get_file() or self.image.get_imported_file()
        return str(self.image.get_name() if file is None else file.get_basename())

    def read_picture(self, source: str) -> Seen:
        """The part of the canvas that the layer, or all that is visible, covers."""
        image, canvas = self.image, self.size
        if not image.get_layers():
            raise NothingToCrop(_("This image has no layer to look at. Add one, or open a photo."))
        layers = image.get_selected_layers()
        if source == "layer" and len(layers) == 1:
            area = _area_of(layers[0])
            placement = Placement.of(area, canvas)
            return Seen(_picture(layers[0], area, placement), "")
        with _visible(image) as layer:
            picture = _picture(layer, Rect(0, 0, *canvas), Placement.of_canvas(canvas))
        is_as_asked = source == "visible"
        return Seen(picture, "" if is_as_asked else _several(len(layers)))

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
        kept = selection.KeptSelection(self.image)

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
            raise BadChoice(
                "example",
                _("Select the part of the image that shows what to look for, then try again."),
            )
        layers = self.image.get_selected_layers()
        if source == "layer" and len(layers) == 1:
            return _example(layers[0], _area_of(layers[0]), selected)
        with _visible(self.image) as layer:
            return _example(layer, Rect(0, 0, *self.size), selected)


def _read_file(path: str) -> Raster:
    """An image file, as the example of what to look for."""
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
