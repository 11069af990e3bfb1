"""The user's selection: kept while crops are shown in its place, and put back."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import Iterator

from gi.repository import Gegl, Gimp

from clipcrop_plugin.geometry import Rect

_FORMAT = "Y float"  # holds the selection of an image of any precision


def bounds(image: Gimp.Image) -> Rect | None:
    """The smallest rectangle around what is selected; None with nothing selected."""
    _ok, is_some, x1, y1, x2, y2 = Gimp.Selection.bounds(image)
    return Rect(x1, y1, x2 - x1, y2 - y1) if is_some else None


class KeptSelection:
    """A selection as it was, with soft edges and all."""

    def __init__(self, image: Gimp.Image) -> None:
        """Keep what is selected now."""
        self.rect = bounds(image)
        self._size = (image.get_width(), image.get_height())
        self._mask = b""
        if self.rect is not None:
            mask = _buffer(image).get(_gegl(self.rect), 1.0, _FORMAT, Gegl.AbyssPolicy.NONE)
            self._mask = zlib.compress(bytes(mask), 1)

    def put_back(self, image: Gimp.Image) -> None:
        """Select that again, without a step of undo; nothing if the canvas is another now."""
        was_dirty = image.is_dirty()
        with no_undo(image):
            Gimp.Selection.none(image)
            if self.rect is not None and self._size == (image.get_width(), image.get_height()):
                buffer = _buffer(image)
                buffer.set(_gegl(self.rect), _FORMAT, zlib.decompress(self._mask))
                buffer.flush()
                image.get_selection().update(*self.rect)
        if not was_dirty:
            image.clean_all()


def show(image: Gimp.Image, rect: Rect) -> None:
    """Select a crop to be looked at: no step of undo, and nothing that would need to be saved."""
    was_dirty = image.is_dirty()
    with no_undo(image):
        image.select_rectangle(Gimp.ChannelOps.REPLACE, *rect)
    if not was_dirty:
        image.clean_all()


@contextmanager
def no_undo(image: Gimp.Image) -> Iterator[None]:
    """What is done here is no step of undo, and what was undone can still be redone."""
    image.undo_freeze()
    try:
        yield
    finally:
        image.undo_thaw()


@contextmanager
def one_undo(image: Gimp.Image) -> Iterator[None]:
    """What is done here is one step of undo."""
    image.undo_group_start()
    try:
        yield
    finally:
        image.undo_group_end()


def _buffer(image: Gimp.Image) -> Gegl.Buffer:
    return image.get_selection().get_buffer()


def _gegl(rect: Rect) -> Gegl.Rectangle:
    return Gegl.Rectangle.new(*rect)
