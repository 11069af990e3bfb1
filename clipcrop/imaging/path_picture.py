"""A picture of how CAGIC found its crop: the crops on the way, and the loss of each restart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from .contact_sheet import sheet_format
from .output_files import written_at_once

if TYPE_CHECKING:
    from torch import Tensor

    from ..cagic.optimise import Optimum

HEIGHT_PX = 480
"""Height of the photo and of the curve beside it."""

CURVE_WIDTH_PX = 480
"""Width of the curve."""

MAX_PHOTO_WIDTH_PX = 960
"""Panoramas are shown lower than the curve."""

_GAP_PX = 16
_TITLE_PX = 24
_NOTE_PX = 40
_BACKGROUND = (32, 32, 34)
_INK = (232, 232, 232)
_FAINT = (120, 120, 126)
_OTHERS = (86, 86, 92)
_EARLY, _LATE = (70, 120, 230), (255, 196, 0)
_BEST = (90, 220, 130)
_SHOWN_BOXES = 24


def write_path_picture(
    image: Image.Image, title: str, optimum: Optimum, path: Path, *, overwrite: bool = True
) -> None:
    """Draw a search and write it as a picture.

    Args:
        image: The photo, RGB.
        title: What was asked of which networks.
        optimum: What the search found, with its path.
        path: A file whose suffix is that of a picture.
        overwrite: Whether a file of that name is replaced.

    Raises:
        InputError: The file cannot be written, is there and may not be replaced, or its
            suffix is not a picture's.
    """
    kind = sheet_format(path)
    with written_at_once(path, overwrite=overwrite) as part:
        draw_path_picture(image, title, optimum).save(part, kind)


def draw_path_picture(image: Image.Image, title: str, optimum: Optimum) -> Image.Image:
    """The photo with the path of the restart that found the best, and all restarts' losses."""
    photo = _draw_path(image, optimum)
    width = photo.width + CURVE_WIDTH_PX + 3 * _GAP_PX
    picture = Image.new("RGB", (width, HEIGHT_PX + _TITLE_PX + _NOTE_PX + 2 * _GAP_PX), _BACKGROUND)
    picture.paste(photo, (_GAP_PX, _GAP_PX + _TITLE_PX))
    curve = _draw_curve(optimum)
    picture.paste(curve, (photo.width + 2 * _GAP_PX, _GAP_PX + _TITLE_PX))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    draw.text((_GAP_PX, _GAP_PX // 2), title, _INK, font)
    notes = (
        "blue to yellow: the best restart's crops, first to last; green: the crop found",
        "yellow line: that restart's loss; green: the least until then; grey: other restarts",
    )
    small = ImageFont.load_default(12)
    for row, note in enumerate(notes):
        draw.text((_GAP_PX, _GAP_PX + _TITLE_PX + HEIGHT_PX + 4 + 18 * row), note, _FAINT, small)
    return picture


def _winner(losses: Tensor) -> int:
    """[S, R] -> which restart met the least loss."""
    return int(losses.nan_to_num(float("inf")).amin(dim=0).argmin())


def _draw_path(image: Image.Image, optimum: Optimum) -> Image.Image:
    scale = min(HEIGHT_PX / image.height, MAX_PHOTO_WIDTH_PX / image.width)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    photo = image.resize(size, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(photo)
    boxes = optimum.path_xyxy[:, _winner(optimum.path_losses)].tolist()
    every = max(1, len(boxes) // _SHOWN_BOXES)
    for number in range(0, len(boxes), every):
        colour = _between(number / max(1, len(boxes) - 1))
        draw.rectangle(_in_pixels(boxes[number], size), outline=colour)
    centres = [((x0 + x1) / 2 * size[0], (y0 + y1) / 2 * size[1]) for x0, y0, x1, y1 in boxes]
    draw.line(centres, fill=_LATE, width=2)
    draw.rectangle(_in_pixels(optimum.boxes_xyxy[0].tolist(), size), outline=_BEST, width=3)
    return photo


def _draw_curve(optimum: Optimum) -> Image.Image:
    curve = Image.new("RGB", (CURVE_WIDTH_PX, HEIGHT_PX), _BACKGROUND)
    draw, font = ImageDraw.Draw(curve), ImageFont.load_default(12)
    losses = optimum.path_losses  # [S, R]
    seen = losses[losses.isfinite()]
    low = min(float(seen.min()), float(optimum.losses[0]))
    high = max(float(seen.max()), low + 1e-6)
    left, bottom = 56, HEIGHT_PX - 24

    def line(values: Tensor, colour: tuple[int, int, int], width: int) -> None:
        shown = values.nan_to_num(high).clamp(low, high).tolist()
        across = (CURVE_WIDTH_PX - left - 8) / max(1, len(shown) - 1)
        points = [
            (left + step * across, bottom - (value - low) / (high - low) * (bottom - 8))
            for step, value in enumerate(shown)
        ]
        # A search of one step is one point, which a line would not show.
        draw.line(
            points if len(points) > 1 else [points[0], (left + 6, points[0][1])], colour, width
        )

    for restart in range(losses.shape[1]):
        line(losses[:, restart], _OTHERS, 1)
    line(losses[:, _winner(losses)], _LATE, 2)
    line(losses.nan_to_num(high).amin(dim=1).cummin(dim=0).values, _BEST, 2)
    draw.line([(left, 8), (left, bottom), (CURVE_WIDTH_PX - 8, bottom)], _FAINT)
    draw.text((4, 4), f"{high:.2f}", _FAINT, font)
    draw.text((4, bottom - 14), f"{low:.2f}", _FAINT, font)
    draw.text((left, bottom + 6), f"loss over {len(losses)} steps", _FAINT, font)
    return curve


def _between(share: float) -> tuple[int, int, int]:
    """A colour from blue to yellow."""
    red, green, blue = (
        round(one + share * (other - one)) for one, other in zip(_EARLY, _LATE, strict=True)
    )
    return red, green, blue


def _in_pixels(box_xyxy: list[float], size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    """Corners for Pillow, whose right and bottom are drawn as well."""
    x0, y0, x1, y1 = box_xyxy
    width, height = size_px
    left, top = int(x0 * width), int(y0 * height)
    return left, top, max(left, round(x1 * width) - 1), max(top, round(y1 * height) - 1)
