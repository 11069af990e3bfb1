"""Crops of the original file, as files: full size, its own mode and colour profile.

Kept: mode and bit depth as Pillow reads them (16-bit grey stays; 16-bit RGB is read as 8 bits, and
a warning is logged), the colour profile, transparency, what EXIF says about the photo. Not kept:
the orientation tag (the crop is upright already), EXIF's preview (it shows the whole image),
further frames or pages.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from PIL import Image

from .errors import InputError, InvalidImage
from .images import (
    BROKEN_FILE_ERRORS,
    opened_image,
    pillow_limit_raised,
    read_orientation,
    reason_of,
    turn_upright,
)
from .output_files import FileId, file_id, keep_as, temporary_beside

logger = logging.getLogger(__name__)

BoxPx = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the upright original; right and bottom are outside."""

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_PIXEL_WIDTH_TAG, _PIXEL_HEIGHT_TAG = 0xA002, 0xA003
# What says something about the photo; the others (sizes, offsets, the preview) describe the file.
_KEPT_TAGS = (
    0x010E,  # description
    0x010F,  # make
    0x0110,  # model
    0x0131,  # software
    0x0132,  # date
    0x013B,  # artist
    0x4746,  # rating
    0x8298,  # copyright
)

# High quality without asking: the crop is what the user keeps.
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4", "optimize": True},
    "WEBP": {"quality": 95, "method": 4},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"}
_MODES = {
    "JPEG": {"1", "L", "RGB", "CMYK"},
    "PNG": {"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"},
    "WEBP": {"RGB", "RGBA"},
    "TIFF": {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16", "I;16B"},
}


@dataclass(frozen=True)
class _Original:
    image: Image.Image
    """Upright and decoded."""

    format: str
    """In which crops are written: the file's own, where it is a common one."""

    suffix: str
    """The file's own where it fits the format."""

    exif: Image.Exif
    """What it says about the photo; empty where there is nothing."""


def crop_original(path: str | PathLike[str], box_px: BoxPx) -> Image.Image:
    """One crop of an image file, upright, in the file's own mode, with its profile in ``info``.

    Raises:
        InvalidImage: the file cannot be read as an image.
        InputError: the box does not lie in the image.
    """
    return _crop(_read_original(Path(path)), box_px)


def write_crops(
    path: str | PathLike[str],
    boxes_px: Sequence[BoxPx],
    stems: Sequence[str | PathLike[str]],
    *,
    overwrite: bool = False,
    inputs: Collection[FileId] = (),
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

    Returns:
        The files, in the order of the boxes.

    Raises:
        InvalidImage: the image file cannot be read.
        InputError: a box does not lie in the image, or a file cannot be written.
    """
    if len(boxes_px) != len(stems):
        raise InputError(f"as many names as boxes are needed: {len(stems)} for {len(boxes_px)}")
    original = _read_original(Path(path))
    own = file_id(Path(path))
    never = {*inputs, *([own] if own else [])}
    return [
        _write(original, _crop(original, box_px), Path(stem), overwrite, never)
        for box_px, stem in zip(boxes_px, stems, strict=True)
    ]


def _read_original(path: Path) -> _Original:
    with opened_image(path) as opened:
        try:
            is_deep = _is_deep_colour(opened)
            exif = _photo_exif(opened)  # before decoding, which closes some files
            opened.load()
            image = turn_upright(opened, read_orientation(opened))
        except MemoryError as exc:
            raise InvalidImage(f"not enough memory to cut crops out of {str(path)!r}") from exc
        except BROKEN_FILE_ERRORS as exc:
            raise InvalidImage(f"damaged image: {str(path)!r}: {reason_of(exc)}") from exc
        keep = ("icc_profile", "transparency", "dpi")
        image.info = {key: opened.info[key] for key in keep if key in opened.info}
        if is_deep:
            logger.warning("crop.depth_reduced from_bits=16 to_bits=8")

        file_format = "JPEG" if opened.format == "MPO" else opened.format or ""
        if image.mode not in _MODES.get(file_format, ()):
            file_format = "PNG" if image.mode in _MODES["PNG"] else "TIFF"
        suffix = path.suffix
        if Image.registered_extensions().get(suffix.lower()) != file_format:
            suffix = _SUFFIXES[file_format]
        return _Original(image, file_format, suffix, exif)


def _is_deep_colour(opened: Image.Image) -> bool:
    """Whether the file has 16 bits a channel where Pillow reads 8."""
    if opened.mode not in {"LA", "RGB", "RGBA"}:
        return False
    return any("16" in str(part) for tile in getattr(opened, "tile", ()) for part in tile[3:])


def _crop(original: _Original, box_px: BoxPx) -> Image.Image:
    left, top, right, bottom = box_px
    width_px, height_px = original.image.size
    if not (0 <= left < right <= width_px and 0 <= top < bottom <= height_px):
        raise InputError(
            f"no such box: {box_px} in an image of {width_px} x {height_px} pixels; "
            "left and top must be smaller than right and bottom, and all inside"
        )
    with pillow_limit_raised():
        crop = original.image.crop(box_px)
    crop.info = dict(original.image.info)
    return crop


def _write(
    original: _Original, crop: Image.Image, stem: Path, overwrite: bool, never: Collection[FileId]
) -> Path:
    # Not with_suffix: "photo.v2-1" has no suffix to replace.
    target = stem.with_name(stem.name + original.suffix)
    options = dict(_SAVE_OPTIONS.get(original.format, {}))
    options |= {key: crop.info[key] for key in ("transparency", "dpi") if key in crop.info}
    if exif_bytes := _exif_for(original.exif, crop.size):
        options["exif"] = exif_bytes
        options.pop("compression", None)  # libtiff's writer cannot nest EXIF data, Pillow's own can
    with temporary_beside(target) as temporary:
        crop.save(temporary, original.format, icc_profile=crop.info.get("icc_profile"), **options)
        return keep_as(temporary, target, overwrite=overwrite, inputs=never)


def _photo_exif(opened: Image.Image) -> Image.Exif:
    """What the file's EXIF data says about the photo; empty where there is none."""
    kept = Image.Exif()
    try:
        exif = opened.getexif()
        kept.update({tag: exif[tag] for tag in _KEPT_TAGS if tag in exif})
        for ifd in (_EXIF_IFD, _GPS_IFD):
            if details := exif.get_ifd(ifd):
                kept.get_ifd(ifd).update(details)
        kept.tobytes()  # fails here rather than while a crop is written
    except BROKEN_FILE_ERRORS as exc:
        logger.warning("crop.exif_dropped reason=%r", str(exc))
        return Image.Exif()
    return kept


def _exif_for(exif: Image.Exif, size_px: tuple[int, int]) -> bytes:
    """EXIF data of a crop; empty where there is nothing to say."""
    details = exif.get_ifd(_EXIF_IFD)
    if _PIXEL_WIDTH_TAG in details:
        details[_PIXEL_WIDTH_TAG], details[_PIXEL_HEIGHT_TAG] = size_px
    return exif.tobytes() if len(exif) or details or exif.get_ifd(_GPS_IFD) else b""
