"""Images already looked at: their pixels, and what each model saw in them.

An image is known by the wire's `Image`, so by its content. What is not used longest goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from clipcrop_wire.messages import Image

if TYPE_CHECKING:  # both load slowly, and need not be loaded to count what is held
    from PIL.Image import Image as Pixels

    from clipcrop import EncodedImage

ENTRY_BYTES = 4096
"""What an image takes besides its pixels and arrays; keeps a flood of tiny ones bounded."""

_BYTES_PER_PIXEL = 4  # Pillow stores RGB in four bytes


@dataclass
class _Entry:
    rgb: Pixels
    encoded: dict[tuple[str, str], EncodedImage] = field(default_factory=dict)
    """(model, device) -> what it saw."""

    @property
    def num_bytes(self) -> int:
        width_px, height_px = self.rgb.size
        pixel_bytes = width_px * height_px * _BYTES_PER_PIXEL
        return ENTRY_BYTES + pixel_bytes + sum(map(_array_bytes, self.encoded.values()))


class ImageCache:
    """Holds at most ``max_bytes``; what is larger than that alone is not kept.

    One thread changes it; its numbers may be read from any.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._entries: OrderedDict[Image, _Entry] = OrderedDict()  # least recently used first

    @property
    def num_images(self) -> int:
        """Images that are held."""
        return len(self._entries)

    @property
    def num_bytes(self) -> int:
        """What they take, in main memory and on accelerators together."""
        return self._num_bytes

    def __contains__(self, image: Image) -> bool:
        return _key(image) in self._entries

    def find(self, image: Image) -> Pixels | None:
        """The decoded pixels, RGB."""
        entry = self._use(image)
        return None if entry is None else entry.rgb

    def find_encoded(self, image: Image, model: str, device: str) -> EncodedImage | None:
        """What a model saw there."""
        entry = self._use(image)
        return None if entry is None else entry.encoded.get((model, device))

    def keep(self, image: Image, rgb: Pixels) -> None:
        """Hold decoded pixels."""
        if _key(image) not in self._entries:
            self._replace(_key(image), _Entry(rgb))

    def keep_encoded(self, image: Image, model: str, device: str, encoded: EncodedImage) -> None:
        """Hold what a model saw in an image whose pixels are held; of others nothing is kept."""
        entry = self._use(image)
        if entry is not None:
            more = {**entry.encoded, (model, device): encoded}
            self._replace(_key(image), _Entry(entry.rgb, more))

    def drop(self, image: Image) -> None:
        """Hold it no more; what is not held is no error."""
        self._entries.pop(_key(image), None)
        self._count()

    def drop_model(self, model: str) -> None:
        """Give back what a model saw; pixels stay."""
        for entry in self._entries.values():
            for place in [place for place in entry.encoded if place[0] == model]:
                del entry.encoded[place]
        self._count()

    def _use(self, image: Image) -> _Entry | None:
        entry = self._entries.get(_key(image))
        if entry is not None:
            self._entries.move_to_end(_key(image))
        return entry

    def _replace(self, key: Image, entry: _Entry) -> None:
        if entry.num_bytes > self._max_bytes:
            return
        self._entries[key] = entry
        self._count()
        while self._num_bytes > self._max_bytes:
            self._entries.popitem(last=False)
            self._count()

    def _count(self) -> None:
        self._num_bytes = sum(entry.num_bytes for entry in self._entries.values())


def _key(image: Image) -> Image:
    """The image, however its pixels travel."""
    return replace(image, is_inline=False) if image.is_inline else image


def _array_bytes(encoded: EncodedImage) -> int:
    """Of all arrays; one that is a part of another's memory counts the whole of it, once."""
    arrays = [*encoded.tokens.parts().values(), encoded.objects_xyxy]
    owners = (_owner(array) for array in arrays)
    return sum({id(owner): owner.nbytes for owner in owners}.values())


def _owner(array: Any) -> Any:
    """What holds an array's memory; the decoder's tokens may be a tensor, which owns its own."""
    while getattr(getattr(array, "base", None), "nbytes", None) is not None:
        array = array.base
    return array
