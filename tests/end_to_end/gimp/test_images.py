"""Every kind of image and layer that GIMP has: what is suggested, and where on the canvas it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driver import Gimp

pytestmark = pytest.mark.gimp

Answer = dict[str, Any]

# The wide Adobe-like profile that GIMP can make itself.
WIDE = "Gimp.ColorProfile.new_rgb_adobe()"
PRECISIONS = [
    *("U8_LINEAR", "U8_NON_LINEAR", "U8_PERCEPTUAL", "U16_LINEAR", "U16_NON_LINEAR"),
    *("U32_LINEAR", "U32_NON_LINEAR", "HALF_LINEAR", "HALF_NON_LINEAR", "FLOAT_LINEAR"),
    *("FLOAT_NON_LINEAR", "DOUBLE_LINEAR", "DOUBLE_NON_LINEAR"),
]
KINDS = {
    **{
        name.lower(): f"image.convert_precision(Gimp.Precision.{name})"
        for name in PRECISIONS
        if name != "U8_NON_LINEAR"
    },
    "gray": "image.convert_grayscale()",
    "gray_16": "image.convert_grayscale(); image.convert_precision(Gimp.Precision.U16_LINEAR)",
    "indexed": (
        "image.convert_indexed(Gimp.ConvertDitherType.FS, Gimp.ConvertPaletteType.GENERATE,"
        " 255, False, False, '')"
    ),
    "wide_profile": (
        f"image.convert_color_profile({WIDE}, Gimp.ColorRenderingIntent.PERCEPTUAL, True)"
    ),
    "alpha": "image.get_layers()[0].add_alpha()",
}


@pytest.fixture
def path(astronaut_path: Path) -> str:
    return str(astronaut_path)


def ask(gimp: Gimp, make: str, after: str = "", **values: object) -> Answer:
    """Make an image from ``image``, the photo, ask for crops of it, and look at it ``after``."""
    source = f"""
image = load(path)
layer = image.get_layers()[0]
{make}
choices = {{"prompt": "the woman", "aspect": "1:1", "apply": "selection", **choices}}
result = call("plug-in-clipcrop", image, **choices)
result["selection"] = selection(image)
result["canvas"] = [image.get_width(), image.get_height()]
{after}
"""
    answer = gimp.run(source, **{"choices": {}, **values})
    assert isinstance(answer, dict)
    return answer


def best(answer: Answer) -> list[int]:
    assert answer["status"] == "success", answer
    assert answer["selection"] == answer["boxes"][:4]
    return list(answer["boxes"][:4])


def iou(one: list[int], other: list[int]) -> float:
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right = min(one[0] + one[2], other[0] + other[2])
    bottom = min(one[1] + one[3], other[1] + other[3])
    both = max(0, right - left) * max(0, bottom - top)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def test_every_kind_of_image_has_the_suggestions_of_the_plain_one(gimp: Gimp, path: str):
    plain = best(ask(gimp, "", path=path))

    found = {name: best(ask(gimp, make, path=path)) for name, make in KINDS.items()}

    overlap = {name: round(iou(plain, one), 2) for name, one in found.items()}
    # 8 bits round more in linear light and in a wider space: of two equal crops the other may win.
    lossy = {"gray", "gray_16", "indexed", "u8_linear", "wide_profile"}
    assert {name: value for name, value in overlap.items() if value < 0.95}.keys() <= lossy
    assert min(overlap.values()) > 0.7, overlap


def test_suggestions_follow_the_layers_offsets(gimp: Gimp, path: str):
    plain = best(ask(gimp, "", path=path))

    moved = best(ask(gimp, "image.resize(900, 800, 0, 0); layer.set_offsets(300, 170)", path=path))

    assert moved == [plain[0] + 300, plain[1] + 170, *plain[2:]]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param("image.resize(300, 200, -100, -50)", id="larger on all sides"),
        pytest.param("image.resize(700, 260, 0, 0); layer.set_offsets(400, -90)", id="to one side"),
        pytest.param("image.resize(900, 900, 200, 200)", id="smaller"),
    ],
)
@pytest.mark.parametrize("source", ["layer", "visible"])
def test_crops_of_a_layer_of_another_size_lie_on_the_canvas(
    gimp: Gimp, path: str, make: str, source: str
):
    answer = ask(gimp, make, path=path, choices={"source": source})

    width, height = answer["canvas"]
    x, y, crop_width, crop_height = best(answer)
    assert crop_width == pytest.approx(crop_height, abs=1)
    assert 0 <= x < x + crop_width <= width
    assert 0 <= y < y + crop_height <= height


def test_a_layer_outside_of_the_canvas_is_said_to_be(gimp: Gimp, path: str):
    answer = ask(gimp, "layer.set_offsets(600, 0)", path=path)

    assert answer["status"] == "execution-error"
    assert "no pixels inside the image" in answer["error"]


def test_a_group_of_layers_is_looked_at_as_a_whole(gimp: Gimp, path: str):
    plain = best(ask(gimp, "", path=path))

    grouped = ask(
        gimp,
        """
group = Gimp.GroupLayer.new(image, "group")
image.insert_layer(group, None, 0)
image.insert_layer(Gimp.Layer.copy(layer), group, 0)
image.set_selected_layers([group])
""",
        path=path,
    )

    assert best(grouped) == plain


def test_an_image_without_a_layer_is_said_to_have_none(gimp: Gimp, path: str):
    answer = ask(gimp, "image.remove_layer(layer)", path=path)

    assert answer["status"] == "execution-error"
    assert "no layer" in answer["error"]


def test_with_several_layers_selected_the_visible_image_is_looked_at(gimp: Gimp, path: str):
    plain = best(ask(gimp, "", path=path, choices={"source": "visible"}))
    two = """
image.insert_layer(Gimp.Layer.copy(layer), None, 0)
image.set_selected_layers(image.get_layers())
"""

    answer = ask(gimp, two, path=path)

    assert best(answer) == plain
    assert "Several layers are selected" in answer["sentence"]


def test_a_channel_or_a_mask_that_is_worked_on_is_no_obstacle(gimp: Gimp, path: str):
    make = """
channel = Gimp.Channel.new(image, "mine", 512, 512, 50, Gegl.Color.new("red"))
image.insert_channel(channel, None, 0)
image.set_selected_channels([channel])
"""

    answer = ask(gimp, make, path=path)

    assert best(answer)
    assert "No layer is selected" in answer["sentence"]


def test_what_is_hidden_is_not_looked_at_in_the_visible_image(gimp: Gimp, path: str, samples: Path):
    make = """
cover = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, Gio.File.new_for_path(other))
image.insert_layer(cover, None, 0)
cover.set_visible(False)
image.set_selected_layers([cover])
"""
    values = {"path": path, "other": str(samples / "chelsea.jpg")}

    seen = ask(gimp, make, choices={"source": "visible"}, **values)
    layer = ask(gimp, make, choices={"source": "layer", "prompt": "the cat"}, **values)

    assert seen["matched"] == ["woman"]
    assert layer["matched"] == ["cat"]


def test_one_pixel_is_an_answer_too(gimp: Gimp, path: str):
    answer = ask(gimp, "image.crop(1, 1, 200, 100)", path=path)

    sentence = answer.get("error") or answer["sentence"]
    assert sentence
    assert "unexpected" not in sentence
    assert "bug" not in sentence


def test_a_floating_selection_is_looked_at_and_goes_on_floating(gimp: Gimp, path: str):
    make = """
image.select_rectangle(Gimp.ChannelOps.REPLACE, 120, 0, 300, 400)
floating = Gimp.Selection.float(image, [layer], 10, 10)
"""
    after = "\nresult['floats'] = image.get_floating_sel() is not None"

    for apply in ("guides", "new_image"):
        answer = ask(gimp, make, path=path, choices={"apply": apply}, after=after)

        assert answer["status"] == "success", answer
        assert answer["num-suggestions"] > 0
        assert answer["floats"]


@pytest.mark.parametrize("source", ["layer", "visible"])
def test_every_kind_of_large_image_has_the_suggestions_of_the_plain_one(
    gimp: Gimp, path: str, source: str
):
    """Large ones with 8 bits are read in another way."""
    choices = {"source": source}
    kinds = ("alpha", "gray", "indexed", "wide_profile", "u8_perceptual", "u16_non_linear")
    plain = best(ask(gimp, "image.scale(4096, 2048)", path=path, choices=choices))

    found = {
        name: best(ask(gimp, f"image.scale(4096, 2048)\n{KINDS[name]}", path=path, choices=choices))
        for name in kinds
    }

    overlap = {name: round(iou(plain, one), 2) for name, one in found.items()}
    assert {name: value for name, value in overlap.items() if value < 0.95}.keys() <= {
        "gray",
        "indexed",
    }
    assert min(overlap.values()) > 0.7, overlap


def test_a_picture_of_48_megapixels_has_its_crops_in_its_own_pixels(gimp: Gimp, path: str):
    plain = best(ask(gimp, "", path=path))

    large = best(ask(gimp, "image.scale(8000, 6000)", path=path, choices={"aspect": "4:3"}))

    assert large[2] / large[3] == pytest.approx(4 / 3, abs=0.01)
    assert large[2] > 8 * plain[2]
