"""Files and PIL images -> the upright, reduced sRGB image that the model looks at.

``load_image`` is for files, ``prepare_image`` for images that are open already; both give a
``LoadedImage``. Whatever Pillow reads is accepted: any mode, transparency, 16 bits, a colour
profile, an orientation tag. Only this module and ``crop_files`` know about those.

Memory: a JPEG is decoded at a reduced scale at once; other formats are decoded whole, so that an
image at the cap takes up to a gigabyte for a moment.
"""

from __future__ import annotations

import contextlib
import io
import logging
import stat
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from .errors import InvalidImage

logger = logging.getLogger(__name__)

MAX_PIXELS = 250_000_000
"""Larger images are refused. Pillow's own limit (a warning at 89 million, an error at 179 million)
guards servers against hostile files; photographers do have panoramas of 100 to 200 megapixels."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "PSD", "TGA", "TIFF", "WEBP")
"""What is opened, whatever a file is called. Not among them: what Pillow reads by starting another
program (PostScript), and formats of no camera or editor."""

REDUCED_SIDE_PX = 1024
"""The longer side of what the model sees. More adds time, not knowledge: towers take 416 to 960."""

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

_limit_lock = threading.RLock()


@dataclass(frozen=True)
class LoadedImage:
    """An image as the model sees it, and how large the original is."""

    rgb: Image.Image
    """Mode RGB, 8 bits, sRGB, upright, reduced; covers exactly what the original covers."""

    width_px: int
    """Of the upright original."""

    height_px: int
    """Of the upright original."""


def load_image(path: str | PathLike[str], max_side_px: int = REDUCED_SIDE_PX) -> LoadedImage:
    """Read an image file, reduced so that its longer side is at most ``max_side_px``.

    Raises:
        InvalidImage: there is no such file, or it cannot be read as an image.
    """
    with opened_image(path) as image, _reading(repr(str(path))):
        stored_size_px = image.size
        reduced_size_px = _reduced_size(stored_size_px, max_side_px)
        image.draft(None, reduced_size_px)  # a JPEG is decoded at 1/2, 1/4 or 1/8
        image.load()
        return _loaded(image, stored_size_px, reduced_size_px)


def prepare_image(image: Image.Image, max_side_px: int = REDUCED_SIDE_PX) -> LoadedImage:
    """As ``load_image``, of an image in memory; the image itself is left as it is.

    Raises:
        InvalidImage: it has no pixels, too many, or they cannot be decoded.
    """
    _check_size(image, "the image")
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
def opened_image(path: str | PathLike[str]) -> Iterator[Image.Image]:
    """An image file, opened and of an allowed size; its pixels are not decoded yet.

    Raises:
        InvalidImage: there is no such file, or it cannot be read as an image.
    """
    path = Path(path)
    shown = repr(str(path))
    try:
        status = path.stat()
    except FileNotFoundError as exc:
        raise InvalidImage(f"no such image: {shown}; check the name") from exc
    except (OSError, ValueError) as exc:  # ValueError: a name with a NUL in it
        raise InvalidImage(f"cannot read {shown}: {reason_of(exc)}; check the name") from exc
    if stat.S_ISDIR(status.st_mode):
        raise InvalidImage(f"a folder, not an image: {shown}; name a file")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidImage(f"a pipe, socket or device, not an image: {shown}; name a file")
    if status.st_size == 0:
        raise InvalidImage(f"empty file: {shown}; get the image again")

    try:
        with pillow_limit_raised():
            image = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError as exc:
        raise InvalidImage(f"not an image: {shown}; use JPEG, PNG, WebP or TIFF") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise InvalidImage(_too_large(shown)) from exc
    except BROKEN_FILE_ERRORS as exc:
        raise InvalidImage(f"cannot read {shown}: {reason_of(exc)}; get the file again") from exc
    with image:
        _check_size(image, shown)
        yield image


@contextlib.contextmanager
def pillow_limit_raised() -> Iterator[None]:
    """Let Pillow handle images up to ``MAX_PIXELS`` inside the block.

    Pillow's limit is a global; it is put back, so that other users of Pillow keep their own.
    """
    with _limit_lock:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


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
        if isinstance(exc, InvalidImage):
            raise
        raise InvalidImage(f"damaged image: {shown}: {reason_of(exc)}; get it again") from exc


def _check_size(image: Image.Image, shown: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise InvalidImage(_too_large(shown))
    if not image.width or not image.height:
        raise InvalidImage(f"no pixels: {shown} is {image.width} x {image.height}")


def _too_large(shown: str) -> str:
    megapixels = MAX_PIXELS // 1_000_000
    return f"too large: {shown} has more than {megapixels} megapixels; make a smaller copy of it"


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
    """Modes I and F do not say what white is.

    Taken as white: the smallest of 1 (floats only), 255 and 65535 that holds every value; where a
    value is negative or larger, the values' own range is stretched from black to white.
    """
    import numpy as np  # heavy, and few images come here

    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    black, highest = float(values.min()), float(values.max())
    usual_whites = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((white for white in usual_whites if highest <= white), None)
    if black >= 0 and white is not None:
        black = 0.0
    else:
        white = max(highest, black + 1.0)
    levels = (values - black) * (255.0 / (white - black))
    return Image.fromarray(np.clip(levels + 0.5, 0, 255).astype(np.uint8))


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
