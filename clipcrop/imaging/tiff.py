"""The directories of a TIFF: what they say of its photo, and a new one for a crop of it.

As in `metadata`, only values that a crop makes wrong are changed. Pixels are not looked at.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from .metadata import (
    TAG_EXIF,
    TAG_GPS,
    TAG_HEIGHT,
    TAG_INTEROP,
    TAG_ORIENTATION,
    TAG_PIXELS_X,
    TAG_PIXELS_Y,
    TAG_WIDTH,
    Content,
    SizePx,
    crop_xmp,
)

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_TYPE_BYTES |= {13: 4, 16: 8, 17: 8, 18: 8}
_TYPE_UNITS = {5: 4, 10: 4}  # two numbers each; the others are one
_POINTERS = {TAG_EXIF, TAG_GPS, TAG_INTEROP}
_TAG_SUBFILE, _TAG_PHOTOMETRIC, _TAG_SUB_IFDS, _TAG_XMP = 0xFE, 0x106, 0x14A, 0x2BC
_TAG_DNG_VERSION, _TAG_LAYERS = 0xC612, 0x935C
_TAG_STRIPS, _TAG_STRIP_BYTES, _TAG_TILES, _TAG_TILE_BYTES = 0x111, 0x117, 0x144, 0x145
_PHOTOMETRIC_RAW = {32803, 34892}
# Of DNG and of sensors.
_RAW_TAGS = {*range(33421, 33423), *range(50706, 52600), *range(37393, 37400)}
_MAP_TAGS = {33550, 33922, 34264}
# How the pixels are stored: the writer says.
_STORAGE_TAGS = {
    *range(0xFE, 0x10E), _TAG_STRIPS, TAG_ORIENTATION, 0x115, 0x116, _TAG_STRIP_BYTES,
    0x118, 0x119, 0x11C, *range(0x120, 0x126), 0x129, 0x13D, 0x140, 0x141, 0x142, 0x143,
    _TAG_TILES, _TAG_TILE_BYTES, 0x146, 0x147, 0x148, _TAG_SUB_IFDS, 0x152, 0x153, 0x154, 0x155,
    0x156, 0x15B, *range(0x200, 0x20A), 0x211, 0x212, 0x213, 0x214, _TAG_LAYERS,
}  # fmt: skip

_RESOLUTION_TAGS = {0x11A, 0x11B, 0x128}


@dataclass
class TiffPage:
    """A directory of a TIFF: tag -> type, count and values as bytes in the file's order."""

    order: str
    tags: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)
    children: dict[int, TiffPage] = field(default_factory=dict)
    sub_pages: list[TiffPage] = field(default_factory=list)

    def numbers(self, tag: int) -> list[int]:
        """Whole numbers of a tag; empty where it is missing or holds others."""
        if tag not in self.tags:
            return []
        kind, count, raw = self.tags[tag]
        letter = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(kind)
        if letter is None:
            return []
        return list(struct.unpack(f"{self.order}{count}{letter}", raw))

    def number(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        return (self.numbers(tag) or [default])[0]

    @property
    def size_px(self) -> SizePx:
        """As stored."""
        return self.number(TAG_WIDTH, 0), self.number(TAG_HEIGHT, 0)

    @property
    def is_reduced(self) -> bool:
        """Whether it calls itself a smaller copy of another page."""
        return bool(self.number(_TAG_SUBFILE, 0) & 1)

    @property
    def is_raw(self) -> bool:
        """Whether its pixels are those of a sensor, or it is from a raw file."""
        return (
            _TAG_DNG_VERSION in self.tags
            or self.number(_TAG_PHOTOMETRIC, 0) in _PHOTOMETRIC_RAW
            or any(page.is_raw for page in self.sub_pages)
        )

    def missing_share(self, num_bytes: int) -> float:
        """How much of the pixels' data lies behind the end of a file of so many bytes."""
        places = self.numbers(_TAG_STRIPS) or self.numbers(_TAG_TILES)
        sizes = self.numbers(_TAG_STRIP_BYTES) or self.numbers(_TAG_TILE_BYTES)
        missing = sum(
            min(size, max(0, at + size - num_bytes))
            for at, size in zip(places, sizes, strict=False)
        )
        return missing / sum(sizes) if any(sizes) else 1.0


def tiff_pages(content: Content, max_pages: int = 10_000) -> list[TiffPage]:
    """The directories of a TIFF, BigTIFF included, as far as they can be read.

    Raises:
        ValueError: It has no directory that can be read.
    """
    order = {b"II": "<", b"MM": ">"}.get(bytes(content[:2]), "")
    try:
        is_big = struct.unpack_from(order + "H", content, 2)[0] == 43
        at = struct.unpack_from(order + ("Q" if is_big else "I"), content, 8 if is_big else 4)[0]
        pages: list[TiffPage] = []
        seen: set[int] = set()
        while at and at not in seen and len(pages) < max_pages:
            seen.add(at)
            page, at = _tiff_page(content, order, is_big, at)
            pages.append(page)
    except struct.error as exc:
        if not pages:
            raise ValueError(f"no TIFF directory: {exc}") from exc
    return pages


def _tiff_page(
    content: Content, order: str, is_big: bool, at: int, depth: int = 0
) -> tuple[TiffPage, int]:
    """One directory, and where the next is."""
    counter, entry_bytes, inline = ("Q", 20, 8) if is_big else ("H", 12, 4)
    (count,) = struct.unpack_from(order + counter, content, at)
    at += struct.calcsize(counter)
    if count > 4096:
        raise struct.error(f"{count} entries")
    page = TiffPage(order)
    for number in range(count):
        entry = at + entry_bytes * number
        tag, kind = struct.unpack_from(order + "HH", content, entry)
        (length,) = struct.unpack_from(order + ("Q" if is_big else "I"), content, entry + 4)
        num_bytes = _TYPE_BYTES.get(kind, 0) * length
        place = entry + (12 if is_big else 8)
        if num_bytes > inline:
            (place,) = struct.unpack_from(order + ("Q" if is_big else "I"), content, place)
        raw = bytes(content[place : place + num_bytes])
        if num_bytes and len(raw) == num_bytes:
            page.tags[tag] = (kind, length, raw)
    if depth < 3:
        for tag in _POINTERS & page.tags.keys():
            try:
                child, _ = _tiff_page(content, order, is_big, page.number(tag, 0), depth + 1)
                page.children[tag] = child
            except struct.error:
                continue
        for place in page.numbers(_TAG_SUB_IFDS)[:16]:
            try:
                page.sub_pages.append(_tiff_page(content, order, is_big, place, depth + 1)[0])
            except struct.error:
                continue
    after = at + entry_bytes * count
    following: int = struct.unpack_from(order + ("Q" if is_big else "I"), content, after)[0]
    return page, following


def tiff_tail(crop: Content, original: TiffPage, size_px: SizePx) -> tuple[bytes, bytes, list[str]]:
    """What makes a crop's TIFF carry the original's metadata: a new directory at its end.

    Args:
        crop: The crop's file without metadata.
        original: The original's page.
        size_px: Of the crop.

    Returns:
        The new first bytes of the file, what to add at its end, and what could not be kept.
    """
    lost = []
    (own, *_) = tiff_pages(crop)
    order, is_big = own.order, struct.unpack_from(own.order + "H", crop, 2)[0] == 43
    dropped = _STORAGE_TAGS | _MAP_TAGS | (_RAW_TAGS if original.is_raw else set())
    carried = original.tags.keys() - dropped - _POINTERS
    if _MAP_TAGS & original.tags.keys():
        lost.append("its place on the map (GeoTIFF)")
    if _TAG_LAYERS in original.tags:
        lost.append("Photoshop's layers")
    merged = TiffPage(order, dict(own.tags), {})
    for tag in _RESOLUTION_TAGS:  # libvips writes one where there was none
        merged.tags.pop(tag, None)
    own_bands, old_bands = own.number(0x115, 1), original.number(0x115, 1)
    if own_bands == old_bands and 0x152 in original.tags:
        carried.add(0x152)  # which kind of alpha
    for tag in carried:
        kind, count, raw = original.tags[tag]
        if tag == _TAG_XMP:
            raw = crop_xmp(raw, size_px)
            count = len(raw) // _TYPE_BYTES[kind]
        merged.tags[tag] = (kind, count, _swapped(kind, raw, original.order, order))
    for tag, child in original.children.items():
        merged.children[tag] = _reordered(child, order)
    details = merged.children.get(TAG_EXIF)
    if details is not None:
        for tag, value in zip((TAG_PIXELS_X, TAG_PIXELS_Y), size_px, strict=True):
            if tag in details.tags:
                details.tags[tag] = (4, 1, struct.pack(order + "I", value))
    merged.tags.pop(TAG_ORIENTATION, None)

    tail = bytearray(len(crop) % 2)
    at = _append_page(tail, len(crop), merged, is_big)
    head = crop[: 8 if is_big else 4] + struct.pack(order + ("Q" if is_big else "I"), at)
    return head, bytes(tail), lost


def _append_page(content: bytearray, base: int, page: TiffPage, is_big: bool) -> int:
    """Write a directory and what it points to at the end; returns its place.

    Args:
        content: What is added to.
        base: Where that begins in the file.
        page: The directory.
        is_big: Whether it is a BigTIFF.
    """
    order = page.order
    offset, inline = ("Q", 8) if is_big else ("I", 4)
    tags = {tag: value for tag, value in page.tags.items() if tag not in _POINTERS}
    for tag, child in page.children.items():
        at = _append_page(content, base, child, is_big)
        tags[tag] = (18 if is_big else 4, 1, struct.pack(order + offset, at))
    entries = []
    for tag in sorted(tags):
        kind, count, raw = tags[tag]
        if len(raw) > inline:
            content += bytes((base + len(content)) % 2)
            value = struct.pack(order + offset, base + len(content))
            content += raw
        else:
            value = raw.ljust(inline, b"\0")
        entries.append(struct.pack(order + "HH" + offset, tag, kind, count) + value)
    content += bytes((base + len(content)) % 2)
    at = base + len(content)
    content += struct.pack(order + ("Q" if is_big else "H"), len(entries))
    content += b"".join(entries) + struct.pack(order + offset, 0)
    return at


def _reordered(page: TiffPage, order: str) -> TiffPage:
    tags = {
        tag: (kind, count, _swapped(kind, raw, page.order, order))
        for tag, (kind, count, raw) in page.tags.items()
    }
    children = {tag: _reordered(child, order) for tag, child in page.children.items()}
    return TiffPage(order, tags, children)


def _swapped(kind: int, raw: bytes, old: str, new: str) -> bytes:
    """Values in the other byte order."""
    unit = _TYPE_UNITS.get(kind, _TYPE_BYTES[kind])
    if old == new or unit == 1:
        return raw
    return b"".join(raw[at : at + unit][::-1] for at in range(0, len(raw), unit))
