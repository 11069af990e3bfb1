"""Files that Pillow reads with fewer bits, or not at all: TIFF, 16-bit PNG, raw photos.

libvips reads and writes them at their own depth. Only its TIFF and PNG readers are called.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidImage
from ..extras import install_command
from .limits import MAX_MISSING_SHARE, check_decoded
from .metadata import exif_orientation, png_exif, png_missing_rows
from .tiff import TiffPage, tiff_pages

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TAG_PHOTOMETRIC, _TAG_BANDS, _TAG_EXTRA, _TAG_PROFILE = 0x106, 0x115, 0x152, 0x8773
_TAG_BITS, _TAG_ORIENTATION, _TAG_COMPRESSION = 0x102, 0x112, 0x103
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_COLOUR_BANDS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
_PILLOW_COMPRESSIONS = {34925, 50000}
"""LZMA and Zstandard, which the wheels of Pillow can decode and those of libvips cannot."""

_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
RAW_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *(
            "3fr",
            "arw",
            "cr2",
            "cr3",
            "crw",
            "dcr",
            "dng",
            "erf",
            "fff",
            "iiq",
            "kdc",
            "mef",
            "mos",
        ),
        *(
            "mrw",
            "nef",
            "nrw",
            "orf",
            "pef",
            "raf",
            "raw",
            "rw2",
            "rwl",
            "sr2",
            "srf",
            "srw",
            "x3f",
        ),
    )
)


@dataclass(frozen=True)
class DeepImage:
    """An image of libvips, before it is turned upright."""

    pixels: Any
    """A pyvips.Image, decoded when it is needed."""

    format: str
    """In which crops are written: TIFF or PNG."""

    colour_bands: int
    """1 grey, 3 RGB, 4 CMYK; further ones are transparency or others."""

    has_alpha: bool
    """Whether the first further band is transparency."""

    orientation: int = 1
    profile: bytes | None = None
    page: TiffPage | None = None
    """What a TIFF or raw file says about it."""

    notes: list[str] = field(default_factory=list)
    """Sentences for the user."""

    lost: list[str] = field(default_factory=list)
    """What a crop cannot keep, in words."""


def open_deep(path: Path, head: bytes) -> DeepImage | None:
    """Open what Pillow cannot read as it is; None for everything else.

    Args:
        path: The file.
        head: Its first 32 bytes or more.

    Raises:
        InvalidImage: It is too large, damaged, or a raw photo without a reader.
    """
    shown = repr(str(path))
    if is_raw(path, head):
        return _developed(path, shown)
    if (
        head.startswith(b"\x89PNG\r\n\x1a\n")
        and head[24:25] == b"\x10"
        and head[25] in {0, 2, 4, 6}
    ):
        return _deep_png(path, head, shown)
    if is_tiff(head):
        return _tiff(path, shown)
    return None


def is_tiff(head: bytes) -> bool:
    """Whether a file begins like a TIFF or BigTIFF."""
    return head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def is_raw(path: Path, head: bytes) -> bool:
    """Whether a file is a camera's raw photo; by what it holds, for TIFF-like ones also its name.

    Raises:
        InvalidImage: A TIFF without a directory.
    """
    if head.startswith(_RAW_STARTS) or head[4:11] == b"ftypcrx" or head[6:14] == b"HEAPCCDR":
        return True
    if not is_tiff(head):
        return False
    if path.suffix.lower() in RAW_SUFFIXES or head[8:10] == b"CR":
        return True
    return any(page.is_raw for page in read_pages(path))


def best_page(pages: list[TiffPage]) -> int:
    """Which page is the photo: the largest, and the first of several."""
    areas = [page.size_px[0] * page.size_px[1] for page in pages]
    return areas.index(max(areas))


def reduced_pixels(deep: DeepImage, max_side_px: int) -> tuple[npt.NDArray[np.uint8], str]:
    """What is enough to look at, as 8 bits and Pillow's mode for it; not turned.

    Args:
        deep: The image.
        max_side_px: The longer side is at least that, if the image is.

    Returns:
        uint8[H, W, bands] and L, LA, RGB, RGBA or CMYK.

    Raises:
        ValueError: The pixels cannot be decoded.
    """
    import numpy as np

    bands = deep.colour_bands + deep.has_alpha
    with _errors_as_values():
        image = deep.pixels.copy(interpretation="multiband")
        if image.bands > bands:
            image = image.extract_band(0, n=bands)
        factor = int(max(image.width, image.height) / (1.25 * max_side_px))
        if factor > 1:
            image = image.shrink(min(factor, image.width), min(factor, image.height))
        if image.format in {"ushort", "uint"}:  # here it is done row by row
            image = (image >> (8 if image.format == "ushort" else 24)).cast("uchar")
        values = image.numpy().reshape(image.height, image.width, bands)
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[deep.colour_bands]
    if deep.has_alpha:
        mode = {"L": "LA", "RGB": "RGBA", "CMYK": "CMYK"}[mode]
        values = values if mode != "CMYK" else values[..., :4]
    return np.ascontiguousarray(eight_bits(values)), mode


def write_crop(
    pixels: Any, box_px: tuple[int, int, int, int], orientation: int, path: Path, file_format: str
) -> None:
    """Cut a box out of stored pixels, turn it upright, and write it without metadata.

    Args:
        pixels: A pyvips.Image.
        box_px: Left, top, right, bottom, as stored.
        orientation: 1 to 8.
        path: A file that may be there.
        file_format: TIFF or PNG.

    Raises:
        ValueError: It cannot be read or written.
    """
    left, top, right, bottom = box_px
    with _errors_as_values():
        crop = pixels.crop(left, top, right - left, bottom - top)
        for operation, argument in _TURNS.get(orientation, ()):
            crop = getattr(crop, operation)(argument)
        if file_format == "TIFF":
            is_float = crop.format in {"float", "double"}
            crop.tiffsave(
                str(path),
                compression="deflate",
                predictor="none" if is_float else "horizontal",
                keep="none",
                bigtiff=crop.width * crop.height * crop.bands * 8 > 1 << 32,
            )
        else:
            crop.pngsave(str(path), keep="none", bitdepth=16)


def decoded(deep: DeepImage) -> Any:
    """The whole image in memory, so that several crops decode it once.

    Raises:
        ValueError: The pixels cannot be decoded.
    """
    with _errors_as_values():
        return deep.pixels.copy_memory()


_TURNS: dict[int, tuple[tuple[str, str], ...]] = {
    2: (("flip", "horizontal"),),
    3: (("rot", "d180"),),
    4: (("flip", "vertical"),),
    5: (("rot", "d90"), ("flip", "horizontal")),
    6: (("rot", "d90"),),
    7: (("rot", "d270"), ("flip", "horizontal")),
    8: (("rot", "d270"),),
}


def _tiff(path: Path, shown: str) -> DeepImage | None:
    pages = read_pages(path)
    number = best_page(pages)
    page = pages[number]
    photometric, bits = page.number(_TAG_PHOTOMETRIC, -1), page.numbers(_TAG_BITS) or [1]
    bands = page.number(_TAG_BANDS, 1)
    is_lossless = page.number(_TAG_COMPRESSION, 1) not in {6, 7, 33003, 33005, 34712}
    width_px, height_px = page.size_px
    check_decoded(width_px, height_px, bands * max(1, bits[0] // 8), path.stat().st_size, shown)
    missing = page.missing_share(path.stat().st_size)
    _check_missing(missing, shown)
    if photometric not in _COLOUR_BANDS or set(bits) - {8, 16, 32} or len(set(bits)) > 1:
        return None
    if page.number(_TAG_COMPRESSION, 1) in _PILLOW_COMPRESSIONS:
        return None
    if not is_lossless and number == 0:
        return None  # Pillow knows the colours of JPEG within TIFF
    colour_bands = _COLOUR_BANDS[photometric]
    if bands < colour_bands:
        raise InvalidImage(f"damaged image: {shown}: {bands} channels of {colour_bands}")
    notes = [f"{shown} is cut off at its end; its last rows are empty"] if missing else []
    lost = []
    if any(
        other is not page and not other.is_reduced and _is_other(other, page) for other in pages
    ):
        lost.append("further pages")
    pyvips = _vips()
    with _errors_as_values():
        pixels = pyvips.Image.tiffload(
            str(path), page=number, fail_on="none" if missing else "error"
        )
    profile = page.tags.get(_TAG_PROFILE)
    return DeepImage(
        pixels,
        "TIFF",
        colour_bands,
        has_alpha=(page.numbers(_TAG_EXTRA) or [0])[0] in {1, 2} and bands > colour_bands,
        orientation=page.number(_TAG_ORIENTATION, 1),
        profile=profile[2] if profile else None,
        page=page,
        notes=notes,
        lost=lost,
    )


def _is_other(page: TiffPage, than: TiffPage) -> bool:
    """Whether it looks like a page of its own rather than a preview."""
    return page.size_px[0] * page.size_px[1] * 4 >= than.size_px[0] * than.size_px[1]


def _deep_png(path: Path, head: bytes, shown: str) -> DeepImage:
    width_px, height_px = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    colour_type = head[25]
    colour_bands = 1 if colour_type in {0, 4} else 3
    has_alpha = colour_type >= 4
    bytes_per_pixel = 2 * (colour_bands + has_alpha)
    check_decoded(width_px, height_px, bytes_per_pixel, path.stat().st_size, shown)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        orientation = exif_orientation(png_exif(content)) or 1
        missing_rows = png_missing_rows(content)
    _check_missing(missing_rows / height_px, shown)
    pyvips = _vips()
    with _errors_as_values():
        pixels = pyvips.Image.pngload(str(path), fail_on="none" if missing_rows else "truncated")
        has_alpha = pixels.bands > colour_bands  # a transparent colour becomes alpha
        profile = pixels.get("icc-profile-data") if pixels.get_typeof("icc-profile-data") else None
    notes = []
    if missing_rows:
        notes.append(f"{shown} is cut off at its end; about {missing_rows} rows are missing")
    return DeepImage(pixels, "PNG", colour_bands, has_alpha, orientation, profile, notes=notes)


def _check_missing(share: float, shown: str) -> None:
    if share > MAX_MISSING_SHARE:
        raise InvalidImage(
            f"damaged image: {shown}: {share:.0%} of the picture is missing; get it again"
        )


def _developed(path: Path, shown: str) -> DeepImage:
    """A raw photo, developed with the camera's white balance, upright."""
    try:
        import rawpy
    except ImportError as exc:
        raise InvalidImage(
            f"a raw photo: {shown}; export it as TIFF or JPEG, or install what develops it: "
            f"`{install_command('raw')}`"
        ) from exc
    try:
        with rawpy.imread(str(path)) as raw:
            sizes = raw.sizes
            check_decoded(sizes.width, sizes.height, 6, path.stat().st_size, shown)
            values = raw.postprocess(use_camera_wb=True, output_bps=16)
    except rawpy.LibRawError as exc:
        raise InvalidImage(
            f"a raw photo that is damaged or of an unknown camera: {shown}; "
            "export it as TIFF or JPEG"
        ) from exc
    try:
        page = read_pages(path)[0]
    except InvalidImage:
        page = None
    pyvips = _vips()
    with _errors_as_values():
        pixels = pyvips.Image.new_from_array(values).copy(interpretation="rgb16")
    lost = [] if page else ["EXIF data"]
    return DeepImage(pixels, "TIFF", 3, has_alpha=False, page=page, lost=lost)


def read_pages(path: Path) -> list[TiffPage]:
    """The directories of a TIFF.

    Raises:
        InvalidImage: It has none.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return tiff_pages(view)
    except (OSError, ValueError) as exc:
        raise InvalidImage(f"damaged image: {str(path)!r}; get it again") from exc


def eight_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Bytes stay, values of other types -> 8 bits.

    Such types do not say what white is. Taken as white: the smallest of 1 (floats only), 255 and
    65535 that holds every value; where a value is negative or larger, the values' own range is
    stretched from black to white.
    """
    import numpy as np

    if values.dtype == np.uint8:
        same: npt.NDArray[np.uint8] = values
        return same
    whites = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    floats = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    black, highest = float(floats.min()), float(floats.max())
    white = next((white for white in whites if highest <= white), None)
    if black >= 0 and white is not None:
        black = 0.0
    else:
        white = max(highest, black + 1.0)
    levels = (floats - black) * (255.0 / (white - black)) + 0.5
    whole: npt.NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)
    return whole


def _vips() -> Any:
    """The library, which takes a fifth of a second to import."""
    os.environ.setdefault("VIPS_WARNING", "1")  # its warnings would go to stderr
    import pyvips

    pyvips.cache_set_max(0)  # it keeps pixels of earlier images
    return pyvips


@contextlib.contextmanager
def _errors_as_values() -> Iterator[None]:
    """Errors of libvips as ValueError, in one line."""
    import pyvips

    try:
        yield
    except pyvips.Error as exc:
        lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
        raise ValueError(lines[-1] if lines else "unreadable") from exc
