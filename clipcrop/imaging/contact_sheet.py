"""A contact sheet: for every image a row, with what was found and the crops beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError
from .output_files import written_at_once

if TYPE_CHECKING:
    from ..suggestions import Suggestions

T = TypeVar("T")
BoxXyxy = tuple[float, float, float, float]
Colour = tuple[int, int, int]

ROW_PX = 240
"""Height of the pictures in a row."""

MAX_WIDTH_PX = 480
"""No picture of a row is wider; panoramas are shown smaller."""

MAX_ROWS = 40
"""More images than this give several sheets; WebP pictures are at most 16,383 pixels high."""

MAX_CROPS = 5
"""Crops shown in a row."""

_GAP_PX = 12
_LABEL_PX = 22
_LINE_PX = 17
_MIN_LABEL_PX = 110  # labels of slim pictures may be wider than these
_BACKGROUND = (32, 32, 34)
_INK = (232, 232, 232)
_FAINT = (160, 160, 164)
_FOUND = (255, 196, 0)
_PERHAPS = (255, 128, 0)
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


@dataclass(frozen=True)
class PictureRow:
    """A title and pictures beside each other."""

    title: str
    """Printed above them."""

    pictures: Sequence[tuple[Image.Image, str]]
    """Each with its label, from `marked_picture` or `cut_picture`."""


def write_contact_sheet(rows: Iterable[Row], path: Path) -> list[Path]:
    """Draw images and their answers as `write_pictures` does."""
    return write_pictures(
        rows, path, lambda row: picture_row(row.title, row.image, row.suggestions)
    )


def write_pictures(rows: Iterable[T], path: Path, show: Callable[[T], PictureRow]) -> list[Path]:
    """Draw rows onto sheets; files of the same names are replaced.

    Args:
        rows: Whatever is shown.
        path: The first file.
        show: Makes the pictures of one.

    Returns:
        The files: ``path``, then ``path`` with -2, -3, ... before its suffix.

    Raises:
        InputError: A file cannot be written, or its suffix is not a picture's.
    """
    sheet = SheetWriter(path)
    for row in rows:
        sheet.add(show(row))
    return sheet.finish()


class SheetWriter:
    """Takes rows one by one, and writes a sheet whenever `MAX_ROWS` are there."""

    def __init__(self, path: Path, *, overwrite: bool = True) -> None:
        """Name the sheets as `sheet_names` does.

        Raises:
            InputError: The suffix is not a picture's.
        """
        self._path, self._overwrite = path, overwrite
        self._format = sheet_format(path)
        self._rows: list[PictureRow] = []
        self._written: list[Path] = []

    def add(self, row: PictureRow) -> None:
        """Draw a row later, at the latest in `finish`.

        Raises:
            InputError: A file cannot be written, or is there and may not be replaced.
        """
        self._rows.append(row)
        if len(self._rows) == MAX_ROWS:
            self._write()

    def finish(self) -> list[Path]:
        """Write what is left; returns all files.

        Raises:
            InputError: As `add`.
        """
        if self._rows:
            self._write()
        return self._written

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        target = _numbered(self._path, len(self._written) + 1)
        with written_at_once(target, overwrite=self._overwrite) as part:
            draw_pictures(rows).save(part, self._format)
        self._written.append(target)


def sheet_names(path: Path, num_rows: int) -> list[Path]:
    """Files that a `SheetWriter` makes of so many rows."""
    return [_numbered(path, number) for number in range(1, math.ceil(num_rows / MAX_ROWS) + 1)]


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")


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
    return draw_pictures([picture_row(row.title, row.image, row.suggestions) for row in rows])


def draw_pictures(rows: Sequence[PictureRow]) -> Image.Image:
    """One sheet of rows of pictures."""
    title_font, label_font = ImageFont.load_default(15), ImageFont.load_default(13)
    cells = [
        [(picture, _wrapped(label, label_font, picture.width)) for picture, label in row.pictures]
        for row in rows
    ]

    def cell_px(picture: Image.Image, lines: list[str]) -> int:
        return _GAP_PX + max(picture.width, *(math.ceil(label_font.getlength(s)) for s in lines))

    def row_px(row: list[tuple[Image.Image, list[str]]]) -> int:
        return (
            ROW_PX + 2 * _LABEL_PX + _LINE_PX * (max(len(lines) for _, lines in row) - 1) + _GAP_PX
        )

    width = _GAP_PX + max(sum(cell_px(*cell) for cell in row) for row in cells)
    height = _GAP_PX + sum(row_px(row) for row in cells)
    sheet = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    top = _GAP_PX
    for row, titled in zip(cells, rows, strict=True):
        if titled.title.isascii():
            draw.text((_GAP_PX, top), _fitted(titled.title, title_font, width), _INK, title_font)
        else:
            mask = _text_of_any_script(titled.title, 15, width - 2 * _GAP_PX)
            sheet.paste(_INK, (_GAP_PX, top), mask)
        left = _GAP_PX
        for picture, lines in row:
            sheet.paste(picture, (left, top + _LABEL_PX))
            for number, line in enumerate(lines):
                line_top = top + _LABEL_PX + ROW_PX + 3 + number * _LINE_PX
                draw.text((left, line_top), line, _FAINT, label_font)
            left += cell_px(picture, lines)
        top += row_px(row)
    return sheet


def picture_row(title: str, image: Image.Image, answer: Suggestions) -> PictureRow:
    """The image with what was found and the best crop drawn in, then the crops; with labels.

    Args:
        title: Printed above.
        image: RGB, upright, of any size: the reduced copy is enough, and is not kept.
        answer: What is drawn.
    """
    marked = [(found.box_xyxy, _FOUND if found.is_sure else _PERHAPS) for found in answer.matched]
    marked += [(found.box_xyxy, _EXCLUDED) for found in answer.excluded]
    marked += [(crop.crop_xyxy, _BEST) for crop in answer.crops[:1]]
    perhaps = ", ".join(dict.fromkeys(found.text for found in answer.perhaps))
    label = answer.kind + (f", perhaps {perhaps}" if perhaps else "")
    label += ", well framed" if answer.is_well_framed else ""
    pictures = [(marked_picture(image, marked), label)]
    for number, crop in enumerate(answer.crops[:MAX_CROPS], start=1):
        cut = cut_picture(image, crop.crop_xyxy)
        width = f"{crop.width}  " if crop.width else ""
        pictures.append((cut, f"{number}.  {width}{crop.quality:.2f}"))
    return PictureRow(title, pictures)


def marked_picture(image: Image.Image, boxes: Sequence[tuple[BoxXyxy, Colour]]) -> Image.Image:
    """An image as high as a row, with boxes drawn in."""
    picture = _fit(image)
    draw = ImageDraw.Draw(picture)
    for box_xyxy, colour in boxes:
        draw.rectangle(_in_pixels(box_xyxy, picture.size), outline=colour, width=2)
    return picture


def cut_picture(image: Image.Image, box_xyxy: BoxXyxy) -> Image.Image:
    """A crop of an image, as high as a row."""
    return _fit(image.crop(_in_pixels(box_xyxy, image.size)))


def _in_pixels(box_xyxy: BoxXyxy, size_px: tuple[int, int]) -> tuple[int, int, int, int]:
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


def _wrapped(label: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, px: int) -> list[str]:
    """The label in lines that are no wider than its picture, if its words aren't; at least one."""
    lines = [""]
    for word in label.split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and font.getlength(longer) > max(px, _MIN_LABEL_PX):
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _text_of_any_script(text: str, size_px: int, width_px: int) -> Image.Image:
    """A line as a mask, in the fonts of the system: Pillow's own has ASCII only."""
    import html

    import pyvips  # few sheets need it

    mask = pyvips.Image.text(html.escape(text), font=f"sans {size_px}", dpi=72)
    return Image.fromarray(mask.crop(0, 0, min(mask.width, width_px), mask.height).numpy())


def _fitted(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width_px: int) -> str:
    """The text, cut with dots if it is wider than the sheet."""
    if font.getlength(text) <= width_px - 2 * _GAP_PX:
        return text
    while text and font.getlength(text + "...") > width_px - 2 * _GAP_PX:
        text = text[:-1]
    return text + "..."
