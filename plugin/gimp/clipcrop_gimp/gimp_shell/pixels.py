"""Pixels of a layer, or of all that is visible: any kind of image -> 8 bits a channel, sRGB.

Of large images with 8 bits GIMP itself gives reduced copies, many times as fast as a plug-in could
make them. Their colours are as the image's own profile means them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from gi.repository import GdkPixbuf, Gegl, Gimp

from clipcrop_plugin.geometry import Rect, Size
from clipcrop_plugin.picture import Raster, reduced_size

_LARGE_PX = 4_000_000  # below that, the exact way takes no time either
_QUICK = (Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U8_PERCEPTUAL)

Gegl.init(None)  # a scaled read before that gives zeros


def of_layer(layer: Gimp.Layer, part: Rect) -> Raster:
    """A part of a layer that is in an image; ``part`` is in the layer's own pixels."""
    image, size = layer.get_image(), Size(layer.get_width(), layer.get_height())
    if _is_quick(image, size, part):
        return _reduced_by_gimp(layer, image, size)
    return _read(layer, part)


def of_visible(image: Gimp.Image, part: Rect) -> Raster:
    """A part of what the canvas shows."""
    size = Size(image.get_width(), image.get_height())
    if _is_quick(image, size, part):
        return _reduced_by_gimp(image, image, size)
    with _visible(image) as layer:
        return _read(layer, part)


def _is_quick(image: Gimp.Image, size: Size, part: Rect) -> bool:
    """Whether GIMP's reduced copy is wanted and says all; GIMP 3.0 gives none of other kinds."""
    if part != Rect(0, 0, *size) or part.width_px * part.height_px < _LARGE_PX:
        return False
    is_rgb = image.get_base_type() == Gimp.ImageBaseType.RGB
    return image.get_precision() in _QUICK and (is_rgb or image.get_color_profile() is None)


def _reduced_by_gimp(source: Gimp.Image | Gimp.Layer, image: Gimp.Image, size: Size) -> Raster:
    pixbuf = source.get_thumbnail(*reduced_size(*size), Gimp.PixbufTransparency.KEEP_ALPHA)
    profile = image.get_color_profile()
    if profile is not None:
        return _with_profile(pixbuf, profile)
    return _raster(_rows(pixbuf), _size_of(pixbuf), has_alpha=pixbuf.get_has_alpha())


def _with_profile(pixbuf: GdkPixbuf.Pixbuf, profile: Gimp.ColorProfile) -> Raster:
    """Have GIMP convert what a profile means, in a small image."""
    size, has_alpha = _size_of(pixbuf), pixbuf.get_has_alpha()
    image = Gimp.Image.new(*size, Gimp.ImageBaseType.RGB)
    try:
        image.undo_disable()
        kind = Gimp.ImageType.RGBA_IMAGE if has_alpha else Gimp.ImageType.RGB_IMAGE
        layer = Gimp.Layer.new(image, "clipcrop", *size, kind, 100, Gimp.LayerMode.NORMAL)
        image.insert_layer(layer, None, 0)
        buffer = layer.get_buffer()
        buffer.set(Gegl.Rectangle.new(0, 0, *size), _format(has_alpha=has_alpha), _rows(pixbuf))
        buffer.flush()
        image.set_color_profile(profile)  # the same numbers mean other colours now
        return _read(layer, Rect(0, 0, *size))
    finally:
        image.delete()


@contextmanager
def _visible(image: Gimp.Image) -> Iterator[Gimp.Layer]:
    """What the canvas shows, as a layer that is in no image."""
    layer = Gimp.Layer.new_from_visible(image, image, "clipcrop")
    try:
        yield layer
    finally:
        layer.delete()


def _read(layer: Gimp.Layer, part: Rect) -> Raster:
    size = reduced_size(part.width_px, part.height_px)
    # One scale for both sides; the longer one has it more exactly.
    scale = max(size) / max(part.width_px, part.height_px)
    has_alpha = layer.has_alpha()
    pixels = layer.get_buffer().get(
        Gegl.Rectangle.new(round(part.x * scale), round(part.y * scale), *size),
        scale,
        _format(has_alpha=has_alpha),
        Gegl.AbyssPolicy.CLAMP,
    )
    return _raster(bytes(pixels), size, has_alpha=has_alpha)


def _format(*, has_alpha: bool) -> str:
    """The primed name means sRGB, whatever the image's own colours are."""
    return "R'G'B'A u8" if has_alpha else "R'G'B' u8"


def _raster(pixels: bytes, size: Size, *, has_alpha: bool) -> Raster:
    return Raster(pixels, *size, "rgba8" if has_alpha else "rgb8")


def _size_of(pixbuf: GdkPixbuf.Pixbuf) -> Size:
    return Size(pixbuf.get_width(), pixbuf.get_height())


def _rows(pixbuf: GdkPixbuf.Pixbuf) -> bytes:
    """Row after row, without what pads them."""
    pixels, stride = pixbuf.get_pixels(), pixbuf.get_rowstride()
    width = pixbuf.get_width() * pixbuf.get_n_channels()
    if width == stride:
        return bytes(pixels)
    starts = range(0, pixbuf.get_height() * stride, stride)
    return b"".join(pixels[start : start + width] for start in starts)
