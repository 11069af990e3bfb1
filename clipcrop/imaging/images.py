"""Files and PIL images -> the upright, reduced sRGB image that the model looks at.

``load_image`` is for files, ``prepare_image`` for images that are open already; both give a
``LoadedImage``. Pillow reads most files; ``deep_images`` those of which it would read fewer bits,
or nothing. What a file holds decides, not its name, and only formats on a list are opened: none
is read by starting another program.

Memory: a JPEG is decoded at a reduced scale at once; other formats are decoded whole, within the
limit of ``image_limits``.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageFile, UnidentifiedImageError

from ..errors import InputError, InvalidImage
from .limits import MAX_MISSING_SHARE, check_decoded
from .metadata import (
    is_last_scan,
    jpeg_exif,
    jpeg_for_decoding,
    jpeg_profile,
    jpeg_segments,
    png_chunks,
    png_for_decoding,
)

if TYPE_CHECKING:
    from .deep_images import DeepImage

logger = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "AVIF", "JPEG2000", "PSD", "TGA", "TIFF", "WEBP")
"""What Pillow may open; for the first five it need not import its other readers. Not among them:
what it reads by starting another program (PostScript), and formats of no camera or editor. HEIF
and JPEG XL are added when a file of theirs is met."""

REDUCED_SIDE_PX = 1024
"""The longer side of what the model sees. More adds time, not knowledge: encoders take 960."""

BACKDROP_RGB = (128, 128, 128)
"""What shows through transparency: mid-grey, since on white a white subject would vanish, and on
black a dark one. Only the model sees it; crops keep their transparency."""

BROKEN_FILE_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers raise on damaged files, besides the OSError that they should."""

_ORIENTATION_TAG = 0x0112

_TURN_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = frozenset({5, 6, 7, 8})

# Palette indices and hues cannot be averaged, and Pillow does not resize 16-bit grey smoothly.
_AVERAGEABLE_MODES = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F"})

# Nominal; Pillow may take a byte more.
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 4, "LA": 2, "RGB": 3, "I;16": 2, "I;16B": 2}

_HEAVY_FORMATS = {"AVIF", "HEIF", "JPEG2000", "JXL", "WEBP"}
_HEAVY_FACTOR = 4
"""Their encoders take up to 12 times the decoded size (tests/benchmarks/image_memory.py), so that
they count fourfold against the limit."""

_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
# What is often given as a photo and is none, by its first bytes.
_OTHER_KINDS = (
    (b"%!PS", "PostScript, not a photo"),
    (b"\xc5\xd0\xd3\xc6", "PostScript, not a photo"),
    (b"%PDF", "a PDF, not a photo"),
    (b"<svg", "a drawing (SVG), not a photo"),
    (b"<?xml", "XML, not a photo"),
    (b"gimp xcf", "a GIMP project, not a photo"),
    (b"8BPS\0\2", "a large Photoshop document (PSB)"),
    (b"PK\3\4", "an archive or document, not a photo"),
)

_global_lock = threading.RLock()
_raised = 0
_limit_before: int | None = None


@dataclass(frozen=True)
class LoadedImage:
    """An image as the model sees it, and how large the original is."""

    rgb: Image.Image
    """Mode RGB, 8 bits, sRGB, upright, reduced; covers exactly what the original covers."""

    width_px: int
    """Of the upright original."""

    height_px: int
    """Of the upright original."""

    notes: tuple[str, ...] = ()
    """Sentences for the user about damage that was passed over."""


@dataclass
class OpenPhoto:
    """A photo's file, opened; its pixels are not decoded yet."""

    path: Path
    image: Image.Image | None
    """As Pillow opened it; None if ``deep`` is there."""

    deep: DeepImage | None
    notes: list[str]
    """Sentences for the user about damage that was passed over."""

    @property
    def shown(self) -> str:
        """Its name for messages."""
        return repr(str(self.path))


def load_image(path: str | PathLike[str], max_side_px: int = REDUCED_SIDE_PX) -> LoadedImage:
    """Read an image file, reduced so that its longer side is at most ``max_side_px``.

    Raises:
        InvalidImage: there is no such file, or it cannot be read as an image.
    """
    with opened_photo(path) as photo, _reading(photo.shown):
        if photo.deep is not None:
            image, stored_size_px = _deep_pixels(photo.deep, max_side_px)
            reduced_size_px = _reduced_size(stored_size_px, max_side_px)
        else:
            assert photo.image is not None
            stored_size_px = photo.image.size
            reduced_size_px = _reduced_size(stored_size_px, max_side_px)
            image = decode(photo, reduced_size_px)
        loaded = _loaded(image, stored_size_px, reduced_size_px)
        return replace(loaded, notes=tuple(photo.notes))


def upright_size(path: str | PathLike[str]) -> tuple[int, int]:
    """Width and height in pixels of an image file, turned upright; nothing is decoded.

    Raises:
        InvalidImage: there is no such file, or it cannot be read as an image.
    """
    with opened_photo(path) as photo:
        if photo.deep is not None:
            width_px, height_px = photo.deep.pixels.width, photo.deep.pixels.height
            orientation = photo.deep.orientation
        else:
            assert photo.image is not None
            width_px, height_px = photo.image.size
            orientation = read_orientation(photo.image)
        return (height_px, width_px) if orientation in _SWAPS_SIDES else (width_px, height_px)


def prepare_image(image: Image.Image, max_side_px: int = REDUCED_SIDE_PX) -> LoadedImage:
    """As ``load_image``, of an image in memory; the image itself is left as it is.

    Raises:
        InvalidImage: it has no pixels, too many, or they cannot be decoded.
    """
    check_decoded(*image.size, _bytes_per_pixel(image), 0, "the image")
    with _reading("the image"):
        image.load()
        return _loaded(image, image.size, _reduced_size(image.size, max_side_px))


def to_srgb_rgb(image: Image.Image) -> Image.Image:
    """Upright, 8 bits, sRGB, opaque: mode RGB, at full size. A new image.

    An embedded profile is applied; a broken one is logged and ignored. Transparency is filled with
    ``BACKDROP_RGB``.
    """
    return prepare_image(image, max_side_px=max(image.size)).rgb


def read_orientation(image: Image.Image) -> int:
    """The orientation tag, 1 (upright) to 8; 1 where there is none or it makes no sense."""
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except BROKEN_FILE_ERRORS as exc:
        logger.warning("image.orientation_unreadable reason=%r", str(exc))
        return 1
    return orientation if orientation in _TURN_BY_ORIENTATION else 1


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned as an orientation tag says; its mode stays."""
    turn = _TURN_BY_ORIENTATION.get(orientation)
    return image if turn is None else image.transpose(turn)


@contextlib.contextmanager
def opened_photo(path: str | PathLike[str]) -> Iterator[OpenPhoto]:
    """An image file, opened and of an allowed size; its pixels are not decoded yet.

    Raises:
        InvalidImage: there is no such file, or it cannot be read as an image.
    """
    from .deep_images import open_deep

    path = Path(path)
    shown = repr(str(path))
    head, num_bytes = _read_head(path, shown)
    with _reading(shown):
        deep = open_deep(path, head)
        if deep is not None:
            yield OpenPhoto(path, None, deep, deep.notes)
            return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about damage: it is told in our own words
        image, notes = _pillow_image(path, head, shown)
        with image, _reading(shown):
            _seek_to_photo(image, path)
            check_decoded(*image.size, _bytes_per_pixel(image), num_bytes, shown)
            yield OpenPhoto(path, image, None, notes)


def decode(photo: OpenPhoto, enough_px: tuple[int, int] | None = None) -> Image.Image:
    """The pixels of a photo that Pillow opened, in the file's own mode.

    A file that lacks a little at its end is completed, and a note says so.

    Args:
        photo: from `opened_photo`.
        enough_px: a JPEG may be decoded smaller, but at least of this size.

    Raises:
        InvalidImage: too much is missing or damaged.
    """
    image = photo.image
    assert image is not None
    with _reading(photo.shown):
        if enough_px is not None:
            image.draft(None, enough_px)  # a JPEG is decoded at 1/2, 1/4 or 1/8
        try:
            with pillow_limit_raised():
                image.load()
        except MemoryError:
            raise
        except BROKEN_FILE_ERRORS as exc:
            if image.format not in {"JPEG", "MPO", "PNG"}:
                raise
            return _mended(photo, image, enough_px, exc)
        return image


def _read_head(path: Path, shown: str) -> tuple[bytes, int]:
    """The first bytes of a regular file, and its size."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InvalidImage(f"a folder, not an image: {shown}; name a file")
        if not stat.S_ISREG(status.st_mode):
            raise InvalidImage(f"a pipe, socket or device, not an image: {shown}; name a file")
        if status.st_size == 0:
            raise InvalidImage(f"empty file: {shown}; get the image again")
        with path.open("rb") as file:
            return file.read(64), status.st_size
    except FileNotFoundError as exc:
        raise InvalidImage(f"no such image: {shown}; check the name") from exc
    except PermissionError as exc:
        raise InvalidImage(
            f"cannot read {shown}: {reason_of(exc)}; check the name and its permissions"
        ) from exc
    except InvalidImage:
        raise
    except (OSError, ValueError) as exc:  # ValueError: a name with a NUL in it
        raise InvalidImage(f"cannot read {shown}: {reason_of(exc)}; check the name") from exc


def _pillow_image(path: Path, head: bytes, shown: str) -> tuple[Image.Image, list[str]]:
    """Open a file with Pillow; the second value are notes about damage that was passed over."""
    for start, kind in _OTHER_KINDS:
        if head.lstrip().startswith(start):
            raise InvalidImage(f"{kind}: {shown}; export it as TIFF, PNG or JPEG")
    if head.startswith(b"8BPS") and head[22:24] not in {b"\0\x01", b"\0\x08"}:
        bits = int.from_bytes(head[22:24], "big")
        raise InvalidImage(
            f"a Photoshop document with {bits} bits a channel: {shown}; save it as TIFF"
        )
    if size_px := _webp_size(head):  # Pillow makes room for it when it opens the file
        check_decoded(*size_px, 3 * _HEAVY_FACTOR, path.stat().st_size, shown)
    formats = [*FORMATS, *_register_plugins(head)]
    try:
        with pillow_limit_raised():
            return Image.open(path, formats=formats), []
    except UnidentifiedImageError as exc:
        mended = _reopened(path, head)
        if mended is None:
            raise InvalidImage(_why_unreadable(path, head, shown)) from exc
        return mended, [f"{shown} has damaged notes beside its picture, which are left out"]
    except BROKEN_FILE_ERRORS as exc:
        mended = _reopened(path, head)
        if mended is None:
            raise InvalidImage(_damaged(shown, exc)) from exc
        return mended, [f"{shown} has damaged notes beside its picture, which are left out"]


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that the first bytes of a WebP tell; None for others."""
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    sides = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
    return sides[0] & 0x3FFF, sides[1] & 0x3FFF


def _register_plugins(head: bytes) -> list[str]:
    """Teach Pillow the format that a file begins like, if a plug-in reads it."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        import pillow_heif  # takes a tenth of a second

        pillow_heif.register_heif_opener()
        return ["HEIF"]
    if head.startswith(_JXL_STARTS):
        import pillow_jxl  # noqa: F401 - registers itself

        return ["JXL"]
    return []


def _why_unreadable(path: Path, head: bytes, shown: str) -> str:
    if head.startswith(b"\xff\xd8"):
        frames = [one for one in jpeg_segments(path.read_bytes())[0] if 0xC0 <= one.marker <= 0xCF]
        frames = [one for one in frames if one.marker not in {0xC4, 0xC8, 0xCC} and one.payload]
        if frames and (frames[0].payload[0] != 8 or frames[0].marker not in {0xC0, 0xC1, 0xC2}):
            return f"a JPEG of a rare kind (12 bits or lossless): {shown}; export it as TIFF"
    known = {
        b"\xff\xd8": "JPEG",
        b"\x89PNG": "PNG",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"RIFF": "WebP",
    }
    for start, kind in known.items():
        if head.startswith(start):
            return (
                f"damaged image, or a rare kind of {kind}: {shown}; export it again, as TIFF or PNG"
            )
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS | {b"avif"}:
        kind = "AVIF" if head[8:12] == b"avif" else "HEIC"
        return f"a damaged {kind} photo: {shown}; get it again"
    if head[4:8] == b"ftyp":
        return f"a film, or a photo of a rare kind: {shown}; export it as TIFF or JPEG"
    return f"not an image: {shown}; use JPEG, PNG, TIFF, WebP, HEIC or AVIF"


def _seek_to_photo(image: Image.Image, path: Path) -> None:
    """In a TIFF with several pages, go to the one that is the photo."""
    if image.format != "TIFF" or getattr(image, "n_frames", 1) == 1:
        return
    from .deep_images import best_page, read_pages

    image.seek(min(best_page(read_pages(path)), image.n_frames - 1))  # type: ignore[attr-defined]


def _reopened(path: Path, head: bytes) -> Image.Image | None:
    """A JPEG or PNG over whose notes Pillow stumbles, without them; None for others."""
    content = path.read_bytes()
    try:
        with pillow_limit_raised():
            if head.startswith(b"\xff\xd8"):
                image = Image.open(io.BytesIO(jpeg_for_decoding(content)), formats=["JPEG"])
                _tell_what_pixels_mean(image, content)
                return image
            if head.startswith(b"\x89PNG"):
                image = Image.open(io.BytesIO(png_for_decoding(content)), formats=["PNG"])
                _tell_what_pixels_mean(image, content)
                return image
    except BROKEN_FILE_ERRORS:
        return None
    return None


def _tell_what_pixels_mean(image: Image.Image, content: bytes) -> None:
    """Profile and EXIF data for an image that was opened without its notes."""
    if image.format == "PNG":
        for name, data, is_sound in png_chunks(content):
            if is_sound and name == b"eXIf":
                image.info["exif"] = b"Exif\0\0" + data
        return
    segments, _ = jpeg_segments(content)
    if exif := jpeg_exif(segments):
        image.info["exif"] = b"Exif\0\0" + exif
    image.info["icc_profile"] = jpeg_profile(segments) or None


def _mended(
    photo: OpenPhoto, image: Image.Image, enough_px: tuple[int, int] | None, exc: BaseException
) -> Image.Image:
    """A JPEG or PNG that ended too early, as far as it goes.

    Raises:
        InvalidImage: more is missing than `MAX_MISSING_SHARE`.
    """
    content = photo.path.read_bytes()
    is_jpeg = image.format != "PNG"
    whole = (jpeg_for_decoding if is_jpeg else png_for_decoding)(content)
    formats = ["JPEG"] if is_jpeg else ["PNG"]

    def opened(data: bytes) -> Image.Image:
        again = Image.open(io.BytesIO(data), formats=formats)
        if enough_px is not None:
            again.draft(None, enough_px)
        return again

    with _global_lock, pillow_limit_raised():
        try:
            mended = opened(whole)
            if is_jpeg:
                missing = 0.0 if is_last_scan(content) else 1.0
            else:
                mended.load()
                missing = 0.0
        except BROKEN_FILE_ERRORS:
            missing = 1.0
        if missing:
            # What is not decoded stays black.
            partial = _decoded_rows(opened(whole[:-2] if is_jpeg else whole))
            box = partial.getbbox()
            missing = 1 - (box[3] if box else 0) / partial.height
            mended = opened(whole) if is_jpeg else partial
        if missing > MAX_MISSING_SHARE:
            raise InvalidImage(
                f"damaged image: {photo.shown}: {missing:.0%} of the picture is missing; "
                "get it again"
            ) from exc
        mended.load()
    rows = math.ceil(missing * photo.image.height) if photo.image is not None else 0
    photo.notes.append(
        f"{photo.shown} is cut off at its end"
        + (f"; about {rows} rows are missing" if rows else "")
    )
    mended.info = {**mended.info, **image.info}
    return mended


def _decoded_rows(image: Image.Image) -> Image.Image:
    """As many rows of an image as come before the sudden end of its file; black below."""
    if image.format == "JPEG":  # its own way of reading adds an end
        image.load_read = image.fp.read  # type: ignore[attr-defined]
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    return image


def _deep_pixels(deep: DeepImage, max_side_px: int) -> tuple[Image.Image, tuple[int, int]]:
    """8 bits of an image of libvips, not much larger than needed; and its size as stored."""
    from .deep_images import reduced_pixels

    values, mode = reduced_pixels(deep, max_side_px)
    image = Image.fromarray(values[..., 0] if mode == "L" else values, mode)
    image.info["icc_profile"] = deep.profile
    image.getexif()[_ORIENTATION_TAG] = deep.orientation
    return image, (deep.pixels.width, deep.pixels.height)


@contextlib.contextmanager
def pillow_limit_raised() -> Iterator[None]:
    """Lift Pillow's limit on pixels inside the block: ours is checked before.

    Pillow's limit is a global; it is put back, so that other users of Pillow keep their own.
    """
    global _raised, _limit_before
    with _global_lock:
        if not _raised:
            _limit_before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _raised += 1
    try:
        yield
    finally:
        with _global_lock:
            _raised -= 1
            if not _raised:
                Image.MAX_IMAGE_PIXELS = _limit_before


def reason_of(exc: BaseException) -> str:
    """What an exception says, as a part of a sentence."""
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    return text.strip().rstrip(".") or type(exc).__name__


@contextlib.contextmanager
def _reading(shown: str) -> Iterator[None]:
    """Translate what goes wrong with pixels; ``shown`` names the image in the message."""
    try:
        yield
    except MemoryError as exc:
        raise InvalidImage(f"not enough memory for {shown}; make a smaller copy of it") from exc
    except BROKEN_FILE_ERRORS as exc:
        if isinstance(exc, InputError):
            raise
        raise InvalidImage(_damaged(shown, exc)) from exc


def _damaged(shown: str, exc: BaseException) -> str:
    """The operating system's reason is told, a library's is logged: it is for developers."""
    if isinstance(exc, OSError) and exc.strerror:
        return f"cannot read {shown}: {exc.strerror}; get the file again"
    logger.info("image.damaged image=%s reason=%r", shown, str(exc))
    return f"damaged image: {shown}; get it again"


def _bytes_per_pixel(image: Image.Image) -> int:
    """What counts against the limit."""
    factor = _HEAVY_FACTOR if image.format in _HEAVY_FORMATS else 1
    return factor * _BYTES_PER_PIXEL.get(image.mode, 4)


def _reduced_size(size_px: tuple[int, int], max_side_px: int) -> tuple[int, int]:
    """Never enlarges, and leaves at least a pixel of the shorter side."""
    scale = min(1.0, max_side_px / max(size_px))
    return max(1, round(size_px[0] * scale)), max(1, round(size_px[1] * scale))


def _loaded(
    image: Image.Image, stored_size_px: tuple[int, int], reduced_size_px: tuple[int, int]
) -> LoadedImage:
    """Decoded pixels in any mode -> what the model sees; sizes are before turning upright."""
    orientation = read_orientation(image)
    profile = image.info.get("icc_profile")

    # Reduced first: every later step then works on a hundredth of the pixels.
    pixels = _averageable(image)
    if pixels.size != reduced_size_px:
        pixels = pixels.resize(reduced_size_px, Image.Resampling.BICUBIC, reducing_gap=2.0)
    rgb = turn_upright(_opaque_srgb(pixels, profile), orientation)
    if rgb is image:
        rgb = image.copy()
    rgb.info = {}  # profile and orientation have been applied

    width_px, height_px = stored_size_px
    if orientation in _SWAPS_SIDES:
        width_px, height_px = height_px, width_px
    return LoadedImage(rgb, width_px, height_px)


def _averageable(image: Image.Image) -> Image.Image:
    """The image in a mode whose neighbouring pixels can be mixed."""
    if "transparency" in image.info and image.mode in {"1", "L", "P", "RGB"}:
        # One transparent colour or palette entry: must become alpha before colours are mixed.
        return image.convert("LA" if image.mode in {"1", "L"} else "RGBA")
    if image.mode in _AVERAGEABLE_MODES:
        return image
    if image.mode.startswith("I;16"):
        return _sixteen_bits_to_l(image)
    fitting = {"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}
    return image.convert(fitting.get(image.mode, "RGB"))


def _opaque_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image in an averageable mode -> RGB, through its profile where it has a usable one."""
    if image.mode in {"I", "F"}:
        image = _wide_grey_to_l(image)
    if image.mode not in {"LA", "RGBA"}:
        return _apply_profile(image, profile)

    alpha = image.getchannel("A")
    rgb = _apply_profile(image.convert(image.mode[:-1]), profile)
    return Image.composite(rgb, Image.new("RGB", rgb.size, BACKDROP_RGB), alpha)


def _sixteen_bits_to_l(image: Image.Image) -> Image.Image:
    import numpy as np  # heavy, and few images come here

    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _wide_grey_to_l(image: Image.Image) -> Image.Image:
    import numpy as np  # heavy, and few images come here

    from .deep_images import eight_bits

    return Image.fromarray(eight_bits(np.asarray(image)))


def _apply_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An opaque image -> RGB in sRGB."""
    if profile is None and image.mode != "LAB":  # LAB: Pillow converts it only through profiles
        return image.convert("RGB")

    from PIL import ImageCms  # only few images need it

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else None
        converted = ImageCms.profileToProfile(
            image,
            source or ImageCms.createProfile("LAB"),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as exc:
        logger.warning("image.profile_ignored mode=%s reason=%r", image.mode, str(exc))
        return _apply_profile(image, None)
    assert converted is not None  # None is for conversions in place
    return converted
