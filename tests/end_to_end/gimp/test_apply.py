"""What becomes of a crop in GIMP, and what stays as it was; one test at least for each way."""

from __future__ import annotations

import pytest
from driver import Gimp
from procedures import APPLY, MASK, STRUCTURE, ask, boxes, call, make_soft_selection

pytestmark = pytest.mark.gimp


def test_cropping_leaves_the_users_selection_and_all_else(gimp: Gimp, photo: int):
    make_soft_selection(gimp, photo)
    wanted = boxes(ask(gimp, photo, prompt="the woman", aspect="1:1", apply="guides"))[0]
    expected = gimp.run(
        """
copy = image_of(photo).duplicate()
copy.crop(wanted[2], wanted[3], wanted[0], wanted[1])
photo = copy.get_id()
"""
        + MASK,
        photo=photo,
        wanted=wanted,
    )

    applied = call(gimp, APPLY, photo, apply="crop")

    assert applied["box"] == wanted
    size = "result = [image_of(photo).get_width(), image_of(photo).get_height()]"
    assert gimp.run(size, photo=photo) == wanted[2:]
    assert gimp.run(MASK, photo=photo) == expected


def test_layers_keep_what_lies_beyond_a_cropped_canvas(gimp: Gimp, photo: int):
    box = boxes(ask(gimp, photo, prompt="the woman", apply="canvas"))[0]

    layer = gimp.run(
        "image = image_of(photo); layer = image.get_layers()[0]\n"
        "result = [image.get_width(), image.get_height(), layer.get_width(), layer.get_height(),"
        " *layer.get_offsets()[1:]]",
        photo=photo,
    )
    assert layer == [*box[2:], 512, 512, -box[0], -box[1]]


def test_guides_stand_at_the_crops_four_edges(gimp: Gimp, photo: int):
    before = make_soft_selection(gimp, photo)

    x, y, width, height = boxes(ask(gimp, photo, prompt="the shuttle", apply="guides"))[0]

    edges = {
        ("vertical", x),
        ("vertical", x + width),
        ("horizontal", y),
        ("horizontal", y + height),
    }
    found = gimp.run("result = guides(image_of(photo))", photo=photo)
    assert {tuple(guide) for guide in found} == edges
    assert gimp.run(MASK, photo=photo) == before


def test_a_new_image_is_the_crop_and_the_old_one_is_untouched(gimp: Gimp, photo: int):
    before, structure = make_soft_selection(gimp, photo), gimp.run(STRUCTURE, photo=photo)

    answer = ask(gimp, photo, prompt="the woman", aspect="4:5", apply="new_image")

    assert answer["result"] != photo
    size = "result = [image_of(n).get_width(), image_of(n).get_height(), selection(image_of(n))]"
    assert gimp.run(size, n=answer["result"]) == [*boxes(answer)[0][2:], None]
    assert gimp.run(MASK, photo=photo) == before
    assert gimp.run(STRUCTURE, photo=photo) == structure


def test_a_cropped_image_is_so_in_its_saved_file(gimp: Gimp, photo: int):
    wanted = boxes(ask(gimp, photo, prompt="the woman", aspect="16:9", apply="crop"))[0]

    size = gimp.run(
        """
file = Gio.File.new_for_path(path)
Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image_of(photo), file, None)
saved = load(path)
result = [saved.get_width(), saved.get_height()]
""",
        photo=photo,
        path=str(gimp.folder / "cropped.xcf"),
    )

    assert size == wanted[2:]
