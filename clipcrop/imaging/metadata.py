"""What a file says about its photo, carried over to a crop of it byte for byte.

JPEG segments, PNG chunks, boxes; TIFF tags are in `tiff`. Changed are only the values that a crop
makes wrong: the orientation (crops are upright), the size in pixels, and the preview, which shows
the whole photo.

Pixels are not looked at: the head of a crop's file is made anew, what follows it stays.
"""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SizePx = tuple[int, int]
Content = bytes | mmap.mmap
PngChunk = tuple[bytes, bytes | None]

_EXIF, _XMP, _MORE_XMP = (
    b"Exif\0\0",
    b"http://ns.adobe.com/xap/1.0/\0",
    b"http://ns.adobe.com/xmp/e",
)
_ICC = b"ICC_PROFILE\0"
_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"
_MAX_SEGMENT = 65_533
# Start of image and further segments without a length.
_BARE_MARKERS = {0x01, *range(0xD0, 0xD9)}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_APP0, _APP1, _APP2, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
# Chunks about animation, and about colours of a palette that the writer may have changed.
_PNG_DROPPED = {b"acTL", b"fcTL", b"fdAT", b"hIST", b"sPLT", b"oFFs"}
_PNG_OF_COLOUR_TYPE = {b"bKGD", b"sBIT"}
_PNG_BEFORE_PALETTE = {b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"cICP", b"mDCV", b"cLLI"}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_INFLATED_AT_ONCE = 1 << 14
"""Bytes; they become at most a thousand times as many."""

TAG_WIDTH, TAG_HEIGHT, TAG_ORIENTATION = 0x100, 0x101, 0x112
TAG_EXIF, TAG_GPS, TAG_INTEROP = 0x8769, 0x8825, 0xA005
TAG_PIXELS_X, TAG_PIXELS_Y = 0xA002, 0xA003
_TAG_PREVIEW_AT, _TAG_PREVIEW_SIZE = 0x201, 0x202


# JPEG


@dataclass(frozen=True)
class Segment:
    """Of a JPEG: a marker, and what it says."""

    marker: int
    payload: bytes

    def encoded(self) -> bytes:
        """As it stands in a file."""
        return struct.pack(">BBH", 0xFF, self.marker, len(self.payload) + 2) + self.payload


def jpeg_segments(content: Content) -> tuple[list[Segment], int]:
    """The segments before the first scan, and where that scan begins."""
    segments: list[Segment] = []
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:  # rubbish between segments
            at += 1
            continue
        marker = content[at + 1]
        if marker == 0xFF or marker == 0 or marker in _BARE_MARKERS:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in {_START_OF_SCAN, _END_OF_IMAGE}:
            return segments, at
        (length,) = struct.unpack_from(">H", content, at + 2)
        segments.append(Segment(marker, content[at + 4 : at + 2 + max(2, length)]))
        at += 2 + max(2, length)
    return segments, len(content)


def jpeg_for_decoding(content: bytes) -> bytes:
    """A JPEG with only what its pixels need, and with an end: for readers that stumble."""
    segments, scans_at = jpeg_segments(content)
    kept = [
        segment
        for segment in segments
        if not _APP0 <= segment.marker <= _APP15 and segment.marker != _COMMENT
    ]
    kept += [one for one in segments if one.marker == _APP14 and len(one.payload) >= 12]
    return b"\xff\xd8" + b"".join(one.encoded() for one in kept) + content[scans_at:] + b"\xff\xd9"


def jpeg_exif(segments: Sequence[Segment]) -> bytes:
    """The EXIF data, joined where it takes several segments; empty where there is none."""
    parts = [one.payload[6:] for one in segments if _is_exif(one)]
    return b"".join([*parts[:1], *(part for part in parts[1:] if not _is_tiff_header(part))])


def jpeg_xmp(segments: Sequence[Segment]) -> bytes:
    """The main XMP packet; empty where there is none."""
    return next(
        (
            one.payload[len(_XMP) :]
            for one in segments
            if one.marker == _APP1 and one.payload.startswith(_XMP)
        ),
        b"",
    )


def jpeg_profile(segments: Sequence[Segment]) -> bytes:
    """The colour profile, joined from its segments; empty where there is none."""
    parts = [one.payload for one in segments if one.marker == _APP2 and one.payload[:12] == _ICC]
    return b"".join(part[14:] for part in sorted(parts, key=lambda part: part[12:13]))


def is_last_scan(content: bytes) -> bool:
    """Whether a progressive JPEG goes on to the scan with the finest detail, if not to its end."""
    segments, at = jpeg_segments(content)
    if not any(one.marker == 0xC2 for one in segments):
        return False
    last = content.rfind(b"\xff\xda", at)
    if last < 0 or last + 5 > len(content):
        return False
    end = last + 2 + int.from_bytes(content[last + 2 : last + 4], "big")
    first_frequency, _, precision = content[end - 3 : end]
    return first_frequency > 0 and precision & 15 == 0 and precision >> 4 > 0


def jpeg_head(
    crop: Content, segments: Sequence[Segment], size_px: SizePx
) -> tuple[bytes, int, list[str]]:
    """The head of a crop's JPEG with the original's metadata.

    Args:
        crop: The crop's file without metadata.
        segments: Of the original.
        size_px: Of the crop.

    Returns:
        The new head, where what follows it begins in ``crop``, and what could not be kept.
    """
    lost = _parts_behind_photo(segments)
    carried: list[Segment] = []
    is_exif_done = False
    for segment in segments:
        marker, payload = segment.marker, segment.payload
        if marker == _COMMENT or _APP0 <= marker <= _APP15:
            if _is_exif(segment):
                if not is_exif_done:
                    carried += _exif_segments(jpeg_exif(segments), size_px, lost)
                is_exif_done = True
            elif marker == _APP1 and payload.startswith(_XMP):
                packet = crop_xmp(payload[len(_XMP) :], size_px)
                for pointer in _XMP_POINTERS:
                    packet = re.sub(pointer, b"", packet, flags=re.DOTALL)
                carried.append(Segment(marker, _XMP + packet))
            elif marker == _APP2 and payload.startswith((b"MPF\0", _GAIN_MAP)):
                pass  # about further pictures, which a crop does not have
            elif marker == _APP14 or (marker == _APP0 and payload.startswith(b"JFXX")):
                pass  # how the colours are stored, which the writer says; a preview
            else:
                carried.append(segment)
    too_long = [one for one in carried if len(one.payload) > _MAX_SEGMENT]
    if too_long:
        lost.append("XMP data")
        carried = [one for one in carried if one not in too_long]

    own, scans_at = jpeg_segments(crop)
    kept = [
        one
        for one in own
        if one.marker == _APP14 or (one.marker != _COMMENT and not _APP0 <= one.marker <= _APP15)
    ]
    carried.sort(key=lambda one: one.marker != _APP0)  # JFIF comes first
    return b"\xff\xd8" + b"".join(one.encoded() for one in [*carried, *kept]), scans_at, lost


_OF_PARTS = rb"(?:hdrgm:\w+|GCamera:(?:MotionPhoto|MicroVideo)\w*)"
_XMP_POINTERS = (
    rb"\s" + _OF_PARTS + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')",
    rb"<(" + _OF_PARTS + rb"|Container:Directory)\b[^>]{0,999}(?<!/)>.{0,9999}?</\1\s*>",
    rb"<" + _OF_PARTS + rb"\b[^>]{0,999}/>",
)
"""Of XMP: where in the file a gain map or a film is, and how it is used; no crop has them.
Bounded, so that no packet takes long."""


def _parts_behind_photo(segments: Sequence[Segment]) -> list[str]:
    """What a JPEG says to follow the photo in its file, in words."""
    app2 = [one.payload for one in segments if one.marker == _APP2]
    xmp = jpeg_xmp(segments)
    parts = []
    if b"hdrgm:Version" in xmp or any(payload.startswith(_GAIN_MAP) for payload in app2):
        parts.append("the HDR part (a gain map)")
    elif any(payload.startswith(b"MPF\0") for payload in app2):
        parts.append("further pictures in the file (a depth map, a gain map, a second view)")
    if re.search(rb"GCamera:(MotionPhoto|MicroVideo)\W{1,9}1\b", xmp):
        parts.append("the film of a motion photo")
    return parts


def _exif_segments(exif: bytes, size_px: SizePx, lost: list[str]) -> list[Segment]:
    changed = crop_exif(exif, size_px)
    if changed is None:
        lost.append("EXIF data, which is damaged")
        return []
    step = _MAX_SEGMENT - len(_EXIF)
    return [
        Segment(_APP1, _EXIF + changed[start : start + step])
        for start in range(0, len(changed), step)
    ]


def _is_exif(segment: Segment) -> bool:
    return segment.marker == _APP1 and segment.payload.startswith(_EXIF)


# PNG


def png_chunks(content: Content) -> Iterator[tuple[bytes, bytes, bool]]:
    """Name, data and whether the checksum is right, up to where the file is cut."""
    at = len(_PNG_SIGNATURE)
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        name, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        checksum = content[at + 8 + length : at + 12 + length]
        yield name, data, checksum == struct.pack(">I", zlib.crc32(name + data))
        at += 12 + length


def png_for_decoding(content: bytes) -> bytes:
    """A PNG with only the chunks that its pixels need: for readers that stumble over others."""
    chunks = [(name, data) for name, data, _ in png_chunks(content) if name in _PNG_PIXELS]
    if not chunks or chunks[-1][0] != b"IEND":
        chunks.append((b"IEND", b""))
    return _PNG_SIGNATURE + b"".join(_png_chunk(*chunk) for chunk in chunks)


def png_notes(content: Content) -> list[PngChunk]:
    """All chunks but the pixels themselves; None stands for the data of a damaged one."""
    return [
        (name, data if is_sound else None)
        for name, data, is_sound in png_chunks(content)
        if name != b"IDAT"
    ]


def png_missing_rows(content: Content) -> int:
    """How many rows of pixels a PNG lacks that ends too early; 0 for whole and interlaced ones."""
    data_at, chunk_at = [], len(_PNG_SIGNATURE)
    while chunk_at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, chunk_at)
        if name == b"IEND":
            return 0
        if name == b"IDAT":
            data_at.append((chunk_at + 8, min(chunk_at + 8 + length, len(content))))
        chunk_at += 12 + length
    width_px, height_px, bits, colour_type = struct.unpack_from(">IIBB", content, 16)
    is_interlaced = content[28] == 1
    if is_interlaced:
        return 0  # its rows do not come one after the other
    row_bytes: int = 1 + (width_px * bits * _PNG_CHANNELS[colour_type] + 7) // 8
    inflate, num_bytes = zlib.decompressobj(), 0
    with contextlib.suppress(zlib.error):  # damaged as well: what comes before counts
        for start, end in data_at:
            for at in range(start, end, _INFLATED_AT_ONCE):
                num_bytes += len(inflate.decompress(content[at : min(end, at + _INFLATED_AT_ONCE)]))
    missing: int = height_px - num_bytes // row_bytes
    return max(0, missing)


def png_head(
    crop: Content, notes: Sequence[PngChunk], size_px: SizePx
) -> tuple[bytes, int, list[str]]:
    """The head of a crop's PNG with the original's metadata.

    Args:
        crop: The crop's file without metadata.
        notes: Of the original, from `png_notes`.
        size_px: Of the crop.

    Returns:
        The new head, where what follows it begins in ``crop``, and what could not be kept.
    """
    lost: list[str] = []
    own = []
    rest_at = len(_PNG_SIGNATURE)
    for name, content, _ in png_chunks(crop):
        if name == b"IDAT":
            break
        own.append((name, content))
        rest_at += 12 + len(content)
    header, old_header = own[0][1], notes[0][1] or bytes(13)
    same_colours = header[8:10] == old_header[8:10]  # bit depth and colour type
    before: list[bytes] = []
    after: list[bytes] = []
    for name, said in notes:
        if name in _PNG_PIXELS or name in _PNG_DROPPED:
            if name == b"acTL":
                lost.append("further frames of the animation")
            continue
        data = said
        if data is None:
            lost.append(f"a damaged note ({name.decode('latin-1')})")
            continue
        if name in _PNG_OF_COLOUR_TYPE and not same_colours:
            continue
        if name == b"iCCP" and (header[9] & 2) != (old_header[9] & 2):
            continue  # grey became colour or the other way round
        if name == b"eXIf":
            changed = crop_exif(data, size_px)
            if changed is None:
                lost.append("EXIF data, which is damaged")
                continue
            data = changed
        if name == b"iTXt" and data.startswith(b"XML:com.adobe.xmp\0\0\0\0\0"):
            data = data[:22] + crop_xmp(data[22:], size_px)
        (before if name in _PNG_BEFORE_PALETTE else after).append(_png_chunk(name, data))
    pixels = [_png_chunk(*chunk) for chunk in own if chunk[0] in _PNG_PIXELS]
    return b"".join([_PNG_SIGNATURE, pixels[0], *before, *pixels[1:], *after]), rest_at, lost


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_exif(content: Content) -> bytes:
    """The EXIF data; empty where there is none."""
    return next((data for name, data, _ in png_chunks(content) if name == b"eXIf"), b"")


# JPEG 2000 and JPEG XL: boxes

_UUID_EXIF, _UUID_XMP = b"JpgTiffExif->JP2", bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_NOTE_BOXES = {b"uuid", b"xml ", b"Exif", b"brob", b"jumb"}


def note_boxes(content: Content) -> list[tuple[bytes, bytes]]:
    """Name and data of the boxes about the photo; none where the file is not made of boxes."""
    boxes = []
    at = 0
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        head = 8
        if length == 1 and at + 16 <= len(content):
            (length,) = struct.unpack_from(">Q", content, at + 8)
            head = 16
        end = at + length if length else len(content)
        if end < at + head or not name.isascii():
            break
        if name in _NOTE_BOXES:
            boxes.append((name, content[at + head : end]))
        at = end
    return boxes


def box_tail(boxes: Sequence[tuple[bytes, bytes]], size_px: SizePx) -> tuple[bytes, list[str]]:
    """What to add at the end of a crop's file; and what could not be kept, in words."""
    tail = b""
    lost: list[str] = []
    for name, data in boxes:
        head, body = (data[:16], data[16:]) if name == b"uuid" else (b"", data)
        if name == b"Exif":
            head, body = body[:4], body[4:]
        if name == b"Exif" or head == _UUID_EXIF:
            changed = crop_exif(body, size_px)
            if changed is None:
                lost.append("EXIF data, which is damaged")
                continue
            body = changed
        if name == b"xml " or head == _UUID_XMP:
            body = crop_xmp(body, size_px)
        tail += struct.pack(">I4s", 8 + len(head) + len(body), name) + head + body
    return tail, lost


# EXIF and XMP


def crop_exif(exif: bytes, size_px: SizePx) -> bytes | None:
    """EXIF data (from its TIFF header on) of a crop; None where it cannot be understood.

    Nothing moves, since makers' notes point to places in it; only values are changed, and the
    preview is cut off or blanked.
    """
    content = bytearray(exif)
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(content[:2])]
        (first,) = struct.unpack_from(order + "I", content, 4)
        entries, next_at = _entries(content, order, first)
        _set_number(content, order, entries, TAG_ORIENTATION, 1)
        _set_number(content, order, entries, TAG_WIDTH, size_px[0])
        _set_number(content, order, entries, TAG_HEIGHT, size_px[1])
        if TAG_EXIF in entries:
            details, _ = _entries(content, order, _number(content, order, entries[TAG_EXIF]))
            _set_number(content, order, details, TAG_PIXELS_X, size_px[0])
            _set_number(content, order, details, TAG_PIXELS_Y, size_px[1])
        (preview,) = struct.unpack_from(order + "I", content, next_at)
    except (KeyError, struct.error):
        return None
    if preview:
        struct.pack_into(order + "I", content, next_at, 0)
        try:
            entries, _ = _entries(content, order, preview)
            at = _number(content, order, entries[_TAG_PREVIEW_AT])
            end = at + _number(content, order, entries[_TAG_PREVIEW_SIZE])
        except (KeyError, struct.error):
            return bytes(content)
        if end >= len(content) - 4:
            del content[at:]
        else:
            content[at:end] = bytes(end - at)
    return bytes(content)


def exif_orientation(exif: bytes) -> int | None:
    """The orientation that EXIF data (from its TIFF header on) tells; None where it tells none."""
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (first,) = struct.unpack_from(order + "I", exif, 4)
        entries, _ = _entries(exif, order, first)
        return _number(exif, order, entries[TAG_ORIENTATION])
    except (KeyError, struct.error):
        return None


def crop_xmp(packet: bytes, size_px: SizePx) -> bytes:
    """An XMP packet of a crop: upright, and of its size."""
    values = {
        b"tiff:Orientation": 1,
        b"tiff:ImageWidth": size_px[0],
        b"tiff:ImageLength": size_px[1],
        b"exif:PixelXDimension": size_px[0],
        b"exif:PixelYDimension": size_px[1],
    }
    for name, value in values.items():
        text = str(value).encode()
        packet = re.sub(name + rb'(\s*=\s*["\'])\d+', name + rb"\g<1>" + text, packet)
        packet = re.sub(rb"<" + name + rb">\d+<", b"<" + name + b">" + text + b"<", packet)
    return packet


def _entries(content: bytes | bytearray, order: str, at: int) -> tuple[dict[int, int], int]:
    """Of a directory: tag -> place of its entry; and the place of the next directory's offset."""
    (count,) = struct.unpack_from(order + "H", content, at)
    places = {
        struct.unpack_from(order + "H", content, at + 2 + 12 * number)[0]: at + 2 + 12 * number
        for number in range(count)
    }
    return places, at + 2 + 12 * count


def _number(content: bytes | bytearray, order: str, entry_at: int) -> int:
    (kind,) = struct.unpack_from(order + "H", content, entry_at + 2)
    value: int = struct.unpack_from(order + ("H" if kind == 3 else "I"), content, entry_at + 8)[0]
    return value


def _set_number(
    content: bytearray, order: str, entries: dict[int, int], tag: int, value: int
) -> None:
    if tag not in entries:
        return
    (kind,) = struct.unpack_from(order + "H", content, entries[tag] + 2)
    struct.pack_into(order + ("H" if kind == 3 else "I"), content, entries[tag] + 8, value)


def _is_tiff_header(content: bytes) -> bool:
    return content[:4] in {b"II*\0", b"MM\0*"}
