"""The user's selection: kept while crops are shown in its place, and put back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

from gi.repository import Gimp

from clipcrop_plugin.geometry import Rect, Size


def bounds(image: Gimp.Image) -> Rect | None:
    """The smallest rectangle around what is selected; None with nothing selected."""
    _ok, is_some, x1, y1, x2, y2 = Gimp.Selection.bounds(image)
    return Rect(x1, y1, x2 - x1, y2 - y1) if is_some else None


class KeptSelection:
    """A selection as it was, with soft edges and all.

    GIMP keeps the copy, as a channel that is in no image: that takes milliseconds for any size.
    """

    def __init__(self, size: Size, channel: Gimp.Channel | None) -> None:
        """See `of` and `of_number`."""
        self._size, self._copy = size, channel
        self._is_left = False

    @classmethod
    def of(cls, image: Gimp.Image) -> KeptSelection:
        """Keep what is selected now."""
        is_some = bounds(image) is not None
        return cls(size_of(image), Gimp.Channel.copy(image.get_selection()) if is_some else None)

    @classmethod
    def of_number(cls, number: int, size: Size) -> KeptSelection:
        """What another process kept, and has left."""
        return cls(size, Gimp.Channel.get_by_id(number) if number else None)

    def leave(self) -> int:
        """Leave it to another process -> what `of_number` finds it by."""
        self._is_left = True
        return 0 if self._copy is None else int(self._copy.get_id())

    def put_back(self, image: Gimp.Image) -> None:
        """Select that again, once; nothing if the canvas has another size now."""
        was_dirty = image.is_dirty()
        with no_undo(image):
            if self._copy is None or self._size != size_of(image):
                Gimp.Selection.none(image)
            else:
                _select(image, self._copy)
        if not was_dirty:
            image.clean_all()

    def __del__(self) -> None:
        """Have GIMP forget a copy that was not needed."""
        if self._copy is not None and not self._is_left and self._copy.is_valid():
            self._copy.delete()


def size_of(image: Gimp.Image) -> Size:
    """Of its canvas."""
    return Size(image.get_width(), image.get_height())


def _select(image: Gimp.Image, channel: Gimp.Channel) -> None:
    """What a channel says; it is in the image for that moment only, and gone then."""
    layers, channels = image.get_selected_layers(), image.get_selected_channels()
    image.insert_channel(channel, None, 0)
    image.select_item(Gimp.ChannelOps.REPLACE, channel)
    image.remove_channel(channel)
    if channels:
        image.set_selected_channels(channels)
    elif layers:
        image.set_selected_layers(layers)


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
