"""Crops of the original file, as files: a crop is that file, smaller.

Kept: format, bit depth, colour profile, transparency, what a JPEG was packed with (tables and
subsampling), losslessness, and all metadata. Formats that cannot be written become PNG, or TIFF.
Changed: the crop is upright, and its metadata say so; previews go, since they show the whole photo.
What cannot be kept is told.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import InputError
from .images import (
    OpenPhoto,
    decode,
    opened_photo,
    pillow_limit_raised,
    read_orientation,
    turn_upright,
)
from .metadata import (
    Content,
    box_tail,
    crop_exif,
    crop_xmp,
    jpeg_head,
    jpeg_segments,
    note_boxes,
    png_head,
    png_notes,
)
from .output_files import FileId, file_id, keep_as, temporary_beside
from .tiff import TiffPage, tiff_tail

logger = logging.getLogger(__name__)

BoxPx = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the upright original; right and bottom are outside."""

_SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JPEG2000": ".jp2",
    "JXL": ".jxl",
}
_OWN_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "PNG": {".png"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
    "AVIF": {".avif"},
    "HEIF": {".heic", ".heif", ".hif"},
    "JPEG2000": {".jp2"},
    "JXL": {".jxl"},
}
_MODES = {
    "JPEG": {"1", "L", "RGB", "CMYK"},
    "PNG": {"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"},
    "WEBP": {"RGB", "RGBA"},
    "TIFF": {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16", "I;16B"},
    "AVIF": {"L", "RGB", "RGBA"},
    "HEIF": {"L", "LA", "RGB", "RGBA"},
    "JPEG2000": {"L", "LA", "RGB", "RGBA", "I;16"},
    "JXL": {"L", "LA", "RGB", "RGBA"},
}
# Formats that do not tell how they were packed: without loss where that is cheap.
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "AVIF": {"quality": 90},
    "HEIF": {"quality": 90},
    "JXL": {"lossless": True, "use_container": True},
}
Carry = Callable[[Content, tuple[int, int]], tuple[bytes, int, bytes, list[str]]]
"""A crop's file without metadata and its size -> the new head, where what follows it begins in the
file, what comes after the file's end, and what could not be kept."""


@dataclass
class _Original:
    """An image file whose pixels are in memory."""

    size_px: tuple[int, int]
    """Upright."""

    format: str
    """In which crops are written."""

    suffix: str
    carry: Carry | None
    """Adds metadata of a file of the same format; None where ``save`` has written what is known."""

    save: Callable[[BoxPx, Path], None]
    """Write a crop of a box of the upright image."""


def write_crops(
    path: str | PathLike[str],
    boxes_px: Sequence[BoxPx],
    stems: Sequence[str | PathLike[str]],
    *,
    overwrite: bool = False,
    inputs: Collection[FileId] = (),
    tell: Callable[[str], None] = logger.warning,
) -> list[Path]:
    """Write crops of an image file; the file is read once.

    Args:
        path: the image file.
        boxes_px: what to cut out.
        stems: for each box, where to write it, without a suffix. The suffix follows from the
            format: the file's own where that can hold the image, else PNG, else TIFF.
        overwrite: whether files of these names are replaced. Otherwise a crop whose name is taken
            gets a number, unless the file there is the same.
        inputs: further files that are never replaced; the image file never is.
        tell: told once what crops of this file cannot keep, in a sentence.

    Returns:
        The files, in the order of the boxes.

    Raises:
        InvalidImage: the image file cannot be read.
        InputError: a box does not lie in the image, or a file cannot be written.
    """
    if len(boxes_px) != len(stems):
        raise InputError(f"as many names as boxes are needed: {len(stems)} for {len(boxes_px)}")
    path = Path(path)
    own = file_id(path)
    never = {*inputs, *([own] if own else [])}
    lost: list[str] = []
    written = []
    with opened_photo(path) as photo:
        original = _original(photo, lost)
        for box_px, stem in zip(boxes_px, stems, strict=True):
            _check_box(box_px, original.size_px)
            # Not with_suffix: "photo.v2-1" has no suffix to replace.
            target = Path(stem).with_name(Path(stem).name + original.suffix)
            with temporary_beside(target) as bare, temporary_beside(target) as whole:
                original.save(box_px, bare)
                done = bare
                if original.carry is not None:
                    left, top, right, bottom = box_px
                    size_px = (right - left, bottom - top)
                    lost += _add_metadata(bare, whole, original.carry, size_px)
                    done = whole
                written.append(keep_as(done, target, overwrite=overwrite, inputs=never))
    if lost and written:
        tell(f"crops of {photo.shown} lack {', '.join(dict.fromkeys(lost))}")
    return written


def _original(photo: OpenPhoto, lost: list[str]) -> _Original:
    if photo.deep is not None:
        return _deep_original(photo, lost)
    opened = photo.image
    assert opened is not None
    file_format = "JPEG" if opened.format == "MPO" else opened.format or ""
    carry = _carrier(photo.path, file_format)
    options = _packing(opened, photo.path)
    avif_colours = _avif_coding(photo.path).colours if file_format == "AVIF" else b""
    lost += _lost_by_pillow(opened, file_format, photo.path)

    decoded = decode(photo)
    orientation = read_orientation(decoded)
    if decoded.mode not in _MODES.get(file_format, ()):
        lost += _unknown_notes(opened)
        file_format = "PNG" if decoded.mode in _MODES["PNG"] else "TIFF"
        carry, options = None, {}
    info = dict(decoded.info)
    upright = turn_upright(decoded, orientation)
    if upright is not decoded:
        with contextlib.suppress(ValueError):
            decoded.im = None  # type: ignore[assignment]  # two whole images are too many

    def save(box_px: BoxPx, target: Path) -> None:
        with pillow_limit_raised():
            crop = upright.crop(box_px)
        chosen = {**_SAVE_OPTIONS.get(file_format, {}), **options}
        if "transparency" in info:
            chosen["transparency"] = info["transparency"]
        if file_format == "JXL" and "icc_profile" in info:
            chosen["icc_profile"] = info["icc_profile"]
        if carry is None:
            chosen |= _pillow_notes(info, crop.size, file_format, lost)
        if file_format == "JPEG" and 2 * crop.width * crop.height > upright.width * upright.height:
            chosen.pop("progressive", None)  # it would take as much memory again
        crop.info = {}
        crop.save(target, file_format, **chosen)
        if file_format == "AVIF" and avif_colours:
            _set_avif_colours(target, avif_colours)

    return _Original(upright.size, file_format, _suffix(photo.path, file_format), carry, save)


def _deep_original(photo: OpenPhoto, lost: list[str]) -> _Original:
    from . import deep_images

    deep = photo.deep
    assert deep is not None
    lost += deep.lost
    pixels = deep_images.decoded(deep)
    width_px, height_px = pixels.width, pixels.height
    stored_px = (width_px, height_px)
    upright_px = (height_px, width_px) if deep.orientation in {5, 6, 7, 8} else stored_px
    if deep.page is not None:
        carry: Carry | None = _tiff_carrier(deep.page)
    elif deep.format == "PNG":
        carry = _carrier(photo.path, "PNG")
    else:
        carry = None

    def save(box_px: BoxPx, target: Path) -> None:
        stored = stored_box(box_px, stored_px, deep.orientation)
        deep_images.write_crop(pixels, stored, deep.orientation, target, deep.format)

    return _Original(upright_px, deep.format, _suffix(photo.path, deep.format), carry, save)


def stored_box(box_px: BoxPx, stored_px: tuple[int, int], orientation: int) -> BoxPx:
    """A box of the upright image -> the same pixels as the file stores them.

    Args:
        box_px: Left, top, right, bottom, upright.
        stored_px: Width and height, as stored.
        orientation: 1 to 8.
    """
    left, top, right, bottom = box_px
    width, height = stored_px
    boxes = {
        2: (width - right, top, width - left, bottom),
        3: (width - right, height - bottom, width - left, height - top),
        4: (left, height - bottom, right, height - top),
        5: (top, left, bottom, right),
        6: (top, height - right, bottom, height - left),
        7: (width - bottom, height - right, width - top, height - left),
        8: (width - bottom, left, width - top, right),
    }
    return boxes.get(orientation, box_px)


def _check_box(box_px: BoxPx, size_px: tuple[int, int]) -> None:
    left, top, right, bottom = box_px
    width_px, height_px = size_px
    if not (0 <= left < right <= width_px and 0 <= top < bottom <= height_px):
        raise InputError(
            f"no such box: {box_px} in an image of {width_px} x {height_px} pixels; "
            "left and top must be smaller than right and bottom, and all inside"
        )


def _suffix(path: Path, file_format: str) -> str:
    """The file's own suffix where it fits the format."""
    suffix = path.suffix
    return suffix if suffix.lower() in _OWN_SUFFIXES[file_format] else _SUFFIXES[file_format]


def _carrier(path: Path, file_format: str) -> Carry | None:
    """What carries the metadata of a file over to its crops; None where Pillow has to do that."""
    if file_format == "TIFF":
        from .deep_images import best_page, read_pages

        pages = read_pages(path)
        return _tiff_carrier(pages[best_page(pages)])
    if file_format not in {"JPEG", "PNG", "JPEG2000", "JXL"}:
        return None
    with _mapped(path) as content:
        if file_format in {"JPEG2000", "JXL"}:
            boxes = note_boxes(content)

            def carry(
                crop: Content, size_px: tuple[int, int]
            ) -> tuple[bytes, int, bytes, list[str]]:
                tail, lost = box_tail(boxes, size_px)
                return b"", 0, tail, lost

            return carry
        if file_format == "JPEG":
            segments, _ = jpeg_segments(content)
            return lambda crop, size_px: _with_empty_tail(jpeg_head(crop, segments, size_px))
        chunks = png_notes(content)
        return lambda crop, size_px: _with_empty_tail(png_head(crop, chunks, size_px))


def _tiff_carrier(page: TiffPage) -> Carry:
    def carry(crop: Content, size_px: tuple[int, int]) -> tuple[bytes, int, bytes, list[str]]:
        head, tail, lost = tiff_tail(crop, page, size_px)
        return head, len(head), tail, lost

    return carry


def _with_empty_tail(
    head: tuple[bytes, int, list[str]],
) -> tuple[bytes, int, bytes, list[str]]:
    return head[0], head[1], b"", head[2]


def _add_metadata(bare: Path, whole: Path, carry: Carry, size_px: tuple[int, int]) -> list[str]:
    """A crop without metadata -> the same with the original's; returns what could not be kept."""
    with _mapped(bare) as content, whole.open("wb") as written, bare.open("rb") as file:
        head, rest_at, tail, lost = carry(content, size_px)
        written.write(head)
        file.seek(rest_at)
        shutil.copyfileobj(file, written, 1 << 20)
        written.write(tail)
    return lost


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _packing(opened: Image.Image, path: Path) -> dict[str, Any]:
    """How the file was packed, as options for a crop's."""
    if opened.format in {"JPEG", "MPO"}:
        from PIL import JpegImagePlugin

        options: dict[str, Any] = {"qtables": opened.quantization}  # type: ignore[attr-defined]
        subsampling = JpegImagePlugin.get_sampling(opened)
        if opened.mode == "RGB":
            options["subsampling"] = max(0, subsampling)
            options["keep_rgb"] = opened.info.get("adobe_transform") == 0
        if opened.info.get("progressive"):
            options["progressive"] = True
        return options
    if opened.format == "WEBP":
        with path.open("rb") as file:
            return {"lossless": True, "exact": True} if _is_lossless_webp(file) else {"quality": 95}
    if opened.format == "HEIF":
        return _packing_of_heic(opened.info)
    if opened.format == "AVIF":
        coding = _avif_coding(path)
        options = {"subsampling": coding.subsampling} if coding.subsampling else {}
        return {**options, "quality": 100} if coding.may_be_lossless else options
    return {}


def _packing_of_heic(info: dict[Any, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if info.get("chroma") in {420, 422, 444}:
        options["chroma"] = str(info["chroma"])
    if nclx := info.get("nclx_profile"):
        options["color_primaries"] = nclx["color_primaries"]
        options["transfer_characteristics"] = nclx["transfer_characteristics"]
        options["matrix_coefficients"] = 6
        options["full_range_flag"] = 1
        if nclx["matrix_coefficients"] == 0 and info.get("chroma") == 444:
            # RGB as it is: only files without loss are packed so.
            options |= {"matrix_coefficients": 0, "quality": -1}
    return options


@dataclass(frozen=True)
class _AvifCoding:
    """What the boxes of an AVIF tell about its coding."""

    subsampling: str | None = None
    """As Pillow's encoder takes it; None where the file does not tell."""

    has_more_bits: bool = False
    """Than 8 a channel."""

    may_be_lossless: bool = False
    colours: bytes = b""
    """Four bytes: colour primaries and transfer characteristics (ITU-T H.273)."""


def _avif_coding(path: Path) -> _AvifCoding:
    with path.open("rb") as file:
        head = file.read(1 << 16)
    flags = [head[found.end() + 1] for found in re.finditer(b"av1C\x81", head[:-2])]
    if not flags:
        return _AvifCoding()
    # Transparency and gain maps are grey, with a box of their own.
    coded = next((one for one in flags if not one & 0x10), flags[0])
    subsampling = {0x10: "4:0:0", 0x0C: "4:2:0", 0x08: "4:2:2", 0: "4:4:4"}.get(
        coded & 0x10 or coded & 0x0C
    )
    found = re.search(rb"colrnclx(....)(..)", head, re.DOTALL)
    # RGB as it is, and the exact ways of YCgCo.
    is_exact = found is not None and int.from_bytes(found[2], "big") in {0, 16, 17}
    return _AvifCoding(
        subsampling,
        has_more_bits=bool(coded & 0x40),
        may_be_lossless=is_exact and subsampling == "4:4:4",
        colours=found[1] if found else b"",
    )


def _set_avif_colours(path: Path, colours: bytes) -> None:
    """Say what the colours of an AVIF mean; Pillow always says sRGB."""
    with path.open("r+b") as file:
        at = file.read(1 << 16).find(b"colrnclx")
        if at >= 0:
            file.seek(at + 8)
            file.write(colours)


def _is_lossless_webp(file: Any) -> bool:
    """Whether the picture of a WebP, or its first frame, is in a lossless chunk."""
    file.seek(12)
    while len(start := file.read(8)) == 8:
        name, length = start[:4], int.from_bytes(start[4:], "little")
        if name in {b"VP8L", b"VP8 "}:
            return bool(name == b"VP8L")
        if name == b"ANMF":  # an animation's frame, whose chunks follow its header
            length = 16
        file.seek(length + length % 2, 1)
    return False


def _lost_by_pillow(opened: Image.Image, file_format: str, path: Path) -> list[str]:
    """What Pillow cannot read of a file, in words."""
    lost = []
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and file_format in {"GIF", "WEBP", "AVIF", "JXL"}:
        lost.append("further frames of the animation")
    elif frames > 1 and file_format in {"HEIF", "TIFF"}:
        lost.append("further pictures or pages in the file")
    if file_format == "HEIF" and (opened.info.get("aux") or opened.info.get("depth_images")):
        lost.append("further pictures in the file (a depth map, a gain map)")
    if file_format == "HEIF":
        has_more_bits = opened.info.get("bit_depth", 8) > 8
    elif file_format == "AVIF":
        coding = _avif_coding(path)
        has_more_bits = coding.has_more_bits
        if coding.may_be_lossless:
            lost.append("some exactness: the original may be packed without loss, they are not")
    else:
        has_more_bits = _has_more_bits(path, file_format)
    if has_more_bits:
        lost.append("bits beyond 8 a channel")
    if file_format == "JPEG2000" and _has_profile(path):
        lost.append("the colour profile")
    if file_format == "PSD":
        lost.append("layers and notes of Photoshop")
    return lost


def _has_more_bits(path: Path, file_format: str) -> bool:
    if file_format not in {"JXL", "JPEG2000", "PPM"}:
        return False
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if file_format == "JXL":
        return _jxl_has_more_bits(head)
    if file_format == "PPM":  # Pillow keeps 16 bits of grey
        fields = re.sub(rb"#[^\n]*", b"", head[:1024]).split(maxsplit=4)
        return fields[0] in {b"P3", b"P6"} and len(fields) > 3 and int(fields[3]) > 255
    at = head.find(b"ihdr")
    if at < 0:
        return False
    # height, width, channels, bits less one; Pillow keeps 16 bits of grey
    channels = int.from_bytes(head[at + 12 : at + 14], "big")
    return channels > 1 and (head[at + 14] & 0x7F) + 1 > 8


def _jxl_has_more_bits(head: bytes) -> bool:
    """Whether samples have more than 8 bits, by the codestream's header (ISO/IEC 18181-1, annex D).

    False where the header has a preview or an animation before the depth.
    """
    box = -4 if head.startswith(b"\xff\x0a") else head.find(b"jxlc")
    if box == -1:
        box = head.find(b"jxlp") + 4  # a part of it, after its number
    at = head.find(b"\xff\x0a", box + 4)
    bits, used = int.from_bytes(head[at + 2 : at + 34], "little"), 0
    if at < 0:
        return False

    def take(count: int) -> int:
        nonlocal used
        used += count
        return bits >> (used - count) & ((1 << count) - 1)

    def skip_size() -> None:
        is_small = take(1)
        take(5 if is_small else (9, 13, 18, 30)[take(2)])
        if take(3) == 0:  # no fixed ratio of width to height
            take(5 if is_small else (9, 13, 18, 30)[take(2)])

    skip_size()
    if take(1):  # all as by default
        return False
    if take(1):
        take(3)  # orientation
        if take(1):
            skip_size()
        if take(1) or take(1):
            return False
    is_float = take(1)
    return bool(is_float or take(2) > 0)  # 8, 10, 12, or what six bits say


def _has_profile(path: Path) -> bool:
    """Whether a JPEG 2000 has a colour profile, which Pillow neither reads nor writes."""
    with path.open("rb") as file:
        return b"colr\x02" in file.read(1 << 12)


def _unknown_notes(opened: Image.Image) -> list[str]:
    return ["the comment"] if opened.info.get("comment") else []


def _pillow_notes(
    info: dict[Any, Any], size_px: tuple[int, int], file_format: str, lost: list[str]
) -> dict[str, Any]:
    """Metadata as Pillow read it, as options for writing."""
    options: dict[str, Any] = {}
    if profile := info.get("icc_profile"):
        options["icc_profile"] = profile
    if dpi := info.get("dpi"):
        options["dpi"] = dpi
    exif = info.get("exif") or b""
    exif = exif[6:] if exif.startswith(b"Exif\0\0") else exif
    if exif:
        changed = crop_exif(exif, size_px)
        if changed is None:
            lost.append("EXIF data, which is damaged")
        elif file_format == "TIFF":
            options["exif"] = changed
            options["compression"] = None  # libtiff's writer cannot nest EXIF data
        else:
            options["exif"] = changed
    xmp = info.get("xmp") or b""
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    if xmp and file_format in {"WEBP", "AVIF", "HEIF"}:
        options["xmp"] = crop_xmp(xmp, size_px)
    elif xmp:
        lost.append("XMP data")
    return options
