"""How large an image may become in memory; judged before anything is decoded."""

from __future__ import annotations

import os

from ..errors import InvalidImage

LIMIT_VARIABLE = "CLIPCROP_MAX_IMAGE_MB"
"""Environment variable: how large one decoded image may be, in megabytes of 1,000,000 bytes."""

DEFAULT_LIMIT_MB = 1000
"""250 megapixels with 8 bits and transparency, 166 megapixels of colour with 16 bits. Reading or
cutting takes up to three times that."""

# Deflate, the tightest of what photos are packed with, packs 1,032 bytes into one. Flat areas in
# WebP and AVIF take nothing at all, but no photo is flat.
_MAX_PIXELS_PER_BYTE = 8 * 1032
_SMALL_PIXELS = 4_000_000

MAX_MISSING_SHARE = 0.1
"""A photo of which at most so much is missing at its end is opened, with a note."""


def check_decoded(
    width_px: int, height_px: int, bytes_per_pixel: float, file_bytes: int, shown: str
) -> None:
    """Refuse an image that would take too much memory, or cannot be a photo.

    Args:
        width_px: As the file says.
        height_px: As the file says.
        bytes_per_pixel: Of the decoded image.
        file_bytes: How large the file is; 0 where there is none.
        shown: Its name for the message.

    Raises:
        InvalidImage: It is too large, or has no pixels.
    """
    if width_px <= 0 or height_px <= 0:
        raise InvalidImage(f"no pixels: {shown} is {width_px} x {height_px}")
    limit_mb = max_decoded_mb()
    pixels = width_px * height_px
    size_mb = pixels * bytes_per_pixel / 1e6
    if size_mb > limit_mb:
        raise InvalidImage(
            f"too large: {shown} has {pixels / 1e6:.0f} megapixels, {size_mb:.0f} MB in memory, "
            f"and the limit is {limit_mb} MB; make a smaller copy of it, or set {LIMIT_VARIABLE}"
        )
    if file_bytes and pixels > max(_SMALL_PIXELS, _MAX_PIXELS_PER_BYTE * file_bytes):
        raise InvalidImage(
            f"not a photo: {shown} has {file_bytes} bytes and claims {pixels / 1e6:.0f} "
            "megapixels; get the file again"
        )


def max_decoded_mb() -> int:
    """The limit in megabytes.

    Raises:
        InvalidImage: The environment variable is not a number.
    """
    text = os.environ.get(LIMIT_VARIABLE, "")
    if not text:
        return DEFAULT_LIMIT_MB
    if not text.isdecimal() or int(text) == 0:
        raise InvalidImage(f"{LIMIT_VARIABLE} is {text!r}; set it to a number of megabytes")
    return int(text)
