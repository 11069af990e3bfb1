"""A contact sheet: for every image a row, with what was found and the crops beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from .crop_files import written_at_once
from .errors import InputError

if TYPE_CHECKING:
    from .suggestions import Suggestions

ROW_PX = 240
"""Height of the pictures in a row."""

MAX_WIDTH_PX = 480
"""No picture of a row is wider; panoramas are shown smaller."""

MAX_ROWS = 100
"""More images than this give several sheets."""

MAX_CROPS = 5
"""Crops shown in a row."""

_GAP_PX = 12
_LABEL_PX = 22
_BACKGROUND = (32, 32, 34)
_INK = (232, 232, 232)
_FAINT = (160, 160, 164)
_FOUND = (255, 196, 0)
_EXCLUDED = (255, 80, 80)
_BEST = (90, 220, 130)


@dataclass(frozen=True)
class Row:
    """One image and its answer."""

    title: str
    """Name of the image and prompt, as they are printed above the row."""

    image: Image.Image
    """RGB, upright, of any size: the reduced copy is enough."""

    suggestions: Suggestions
    """What is drawn."""


def write_contact_sheet(rows: Sequence[Row], path: Path) -> list[Path]:
    """Draw rows onto sheets of at most 100 images.

    Returns:
        The files: ``path``, then ``path`` with -2, -3, ... before its suffix.

    Raises:
        InputError: A file cannot be written, or its suffix is not a picture's.
    """
    kind = sheet_format(path)
    paths = []
    for start in range(0, len(rows), MAX_ROWS):
        number = start // MAX_ROWS + 1
        target = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        with written_at_once(target) as part:
            draw_contact_sheet(rows[start : start + MAX_ROWS]).save(part, kind)
        paths.append(target)
    return paths


def sheet_format(path: Path) -> str:
    """Pillow's name for the format that the suffix stands for.

    Raises:
        InputError: It is not a format that a sheet can be written in.
    """
    kind = Image.registered_extensions().get(path.suffix.lower(), "")
    if kind not in {"PNG", "JPEG", "WEBP", "TIFF"}:
        raise InputError(f"not a picture: {str(path)!r}; name a .png, .jpg, .webp or .tif file")
    return kind


def draw_contact_sheet(rows: Sequence[Row]) -> Image.Image:
    """One sheet: in each row the image with its boxes, then its best crops."""
    pictures = [_row_pictures(row) for row in rows]
    width = max(sum(picture.width + _GAP_PX for picture, _ in row) for row in pictures) + _GAP_PX
    row_height = ROW_PX + 2 * _LABEL_PX + _GAP_PX
    sheet = Image.new("RGB", (width, row_height * len(rows) + _GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    title_font, label_font = ImageFont.load_default(15), ImageFont.load_default(13)
    for number, (row, shown) in enumerate(zip(rows, pictures, strict=True)):
        top = _GAP_PX + number * row_height
        draw.text((_GAP_PX, top), _fitted(row.title, title_font, width), _INK, title_font)
        left = _GAP_PX
        for picture, label in shown:
            sheet.paste(picture, (left, top + _LABEL_PX))
            draw.text((left, top + _LABEL_PX + ROW_PX + 3), label, _FAINT, label_font)
            left += picture.width + _GAP_PX
    return sheet


def _row_pictures(row: Row) -> list[tuple[Image.Image, str]]:
    """The image with what was found and the best crop drawn in, then the crops; with labels."""
    answer = row.suggestions
    overview = _fit(row.image)
    draw = ImageDraw.Draw(overview)
    marked = [(found.box_xyxy, _FOUND) for found in answer.matched]
    marked += [(found.box_xyxy, _EXCLUDED) for found in answer.excluded]
    marked += [(crop.crop_xyxy, _BEST) for crop in answer.crops[:1]]
    for box_xyxy, colour in marked:
        draw.rectangle(_in_pixels(box_xyxy, overview.size), outline=colour, width=2)
    label = answer.kind + (", well framed" if answer.is_well_framed else "")
    pictures = [(overview, label)]
    for number, crop in enumerate(answer.crops[:MAX_CROPS], start=1):
        cut = row.image.crop(_in_pixels(crop.crop_xyxy, row.image.size))
        pictures.append((_fit(cut), f"{number}.  {crop.quality:.2f}"))
    return pictures


def _in_pixels(
    box_xyxy: tuple[float, float, float, float], size_px: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A box in whole pixels of a picture, at least one wide and high, inside it."""
    width, height = size_px
    left = min(int(box_xyxy[0] * width), width - 1)
    top = min(int(box_xyxy[1] * height), height - 1)
    right = min(max(round(box_xyxy[2] * width), left + 1), width)
    bottom = min(max(round(box_xyxy[3] * height), top + 1), height)
    return left, top, right, bottom


def _fit(image: Image.Image) -> Image.Image:
    """As high as a row, unless that would be too wide; at least a pixel each way."""
    scale = min(ROW_PX / image.height, MAX_WIDTH_PX / image.width)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _fitted(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width_px: int) -> str:
    """The text, cut with dots if it is wider than the sheet."""
    if font.getlength(text) <= width_px - 2 * _GAP_PX:
        return text
    while text and font.getlength(text + "...") > width_px - 2 * _GAP_PX:
        text = text[:-1]
    return text + "..."
