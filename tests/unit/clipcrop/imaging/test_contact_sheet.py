"""Contact sheets: what is drawn where, and where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from clipcrop.errors import InputError
from clipcrop.imaging.contact_sheet import (
    MAX_CROPS,
    MAX_ROWS,
    PictureRow,
    Row,
    draw_contact_sheet,
    draw_pictures,
    write_contact_sheet,
)
from clipcrop.suggestions import Detection, Suggestion, Suggestions

RED, BLUE = (250, 0, 0), (0, 0, 250)


def made_row(size_px: tuple[int, int] = (400, 200), num_crops: int = 2) -> Row:
    """An image, red on the left and blue on the right, and crops of its blue half."""
    image = Image.new("RGB", size_px, RED)
    width, height = size_px
    image.paste(BLUE, (width // 2, 0, width, height))
    blue_half = (0.5, 0.0, 1.0, 1.0)
    return Row(
        "half.png: the blue half",
        image,
        Suggestions(
            model="made",
            kind="match",
            is_well_framed=False,
            matched=(Detection("half", 0.9, blue_half),),
            dropped=(),
            excluded=(),
            crops=(Suggestion(blue_half, (width // 2, 0, width, height), 0.7),) * num_crops,
            seconds=0.0,
        ),
    )


def test_crops_stand_beside_the_image():
    sheet = draw_contact_sheet([made_row()])

    colours = {colour for _, colour in sheet.getcolors(maxcolors=1 << 24) or []}
    assert {RED, BLUE} <= colours
    blue = sum(
        count for count, colour in sheet.getcolors(maxcolors=1 << 24) or [] if colour == BLUE
    )
    red = sum(count for count, colour in sheet.getcolors(maxcolors=1 << 24) or [] if colour == RED)
    # half an overview and two crops of its height against half an overview
    assert 2.7 < blue / red < 3.3


def test_a_sheet_grows_with_rows_and_stops_at_the_crops_that_are_shown():
    one = draw_contact_sheet([made_row(num_crops=MAX_CROPS)])
    more_crops = draw_contact_sheet([made_row(num_crops=MAX_CROPS + 5)])
    two = draw_contact_sheet([made_row(num_crops=MAX_CROPS)] * 2)

    assert more_crops.size == one.size
    assert two.width == one.width
    assert two.height > 1.9 * one.height


@pytest.mark.parametrize("size_px", [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_shapes_can_be_drawn(size_px: tuple[int, int]):
    row = made_row((20, 20))
    extreme = Row(row.title, Image.new("RGB", size_px), row.suggestions)

    assert draw_contact_sheet([extreme]).height > 0


def test_a_long_label_goes_on_below_its_picture():
    picture, words = Image.new("RGB", (300, 240), RED), "a label of so many words " * 6

    short, long = (
        draw_pictures([PictureRow("", [(picture, label)])]) for label in ("label", words)
    )

    assert long.width == short.width
    assert short.height < long.height < short.height + 100


def test_titles_of_any_script_are_drawn_as_letters_not_as_boxes():
    picture = Image.new("RGB", (300, 240), RED)
    sheets = [
        draw_pictures([PictureRow(title, [(picture, "label")])]).tobytes()
        for title in ("é", "ñ", "я", "חתול & <b>", "猫 " * 100)
    ]

    assert len(set(sheets)) == len(sheets)


def test_a_sheet_of_many_rows_fits_into_webp():
    row = PictureRow("title", [(Image.new("RGB", (300, 240)), "so many words that they wrap " * 2)])

    assert draw_pictures([row] * MAX_ROWS).height <= 16_383


def test_many_images_give_several_sheets(tmp_path: Path):
    rows = [made_row((8, 4), num_crops=1)] * (MAX_ROWS + 1)

    paths = write_contact_sheet(rows, tmp_path / "sheet.png")

    assert paths == [tmp_path / "sheet.png", tmp_path / "sheet-2.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.mark.parametrize("name", ["sheet", "sheet.txt", "sheet.pdf"])
def test_a_name_that_is_no_picture_is_refused(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=r"name a \.png"):
        write_contact_sheet([made_row()], tmp_path / name)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match="cannot write"):
        write_contact_sheet([made_row()], tmp_path / "missing" / "sheet.png")
