"""What the plug-in reads from documents and layers of all kinds, inside the real Krita."""

from __future__ import annotations

from typing import Any

import pytest
from editor import wait_for
from krita_driver import Krita

pytestmark = pytest.mark.krita

NEWEST_ONLY = pytest.mark.parametrize("lasting_krita", ["newest"], indirect=True)
"""For what a script can make in Krita 5.2 only."""

RED = "QByteArray(bytes([0, 0, 255, 255]) * {})"

TOOLS = """
from clipcrop_krita import vendored
vendored.load()
from clipcrop_krita.canvas import KritaCanvas
from clipcrop_plugin.choices import Choices
from clipcrop_plugin.errors import PluginError

def read(document, source="layer"):
    seen = KritaCanvas(document).read_picture(source)
    return seen

def told(document, source="layer"):
    try:
        seen = read(document, source)
    except PluginError as exc:
        return {"refused": str(exc)}
    raster, area = seen.picture.raster, seen.picture.placement.area
    size = list(raster.size)
    middle = 4 * (size[0] * (size[1] // 2) + size[0] // 2)
    return {"note": seen.note, "area": list(area), "size": size,
            "first": list(raster.pixels[:4]), "middle": list(raster.pixels[middle:middle + 4])}

def difference(first, second):
    a, b = first.picture.raster.pixels, second.picture.raster.pixels
    assert len(a) == len(b)
    return max(abs(x - y) for x, y in zip(a[::7], b[::7]))

def add(document, name, kind="paintlayer", parent=None):
    if kind == "grouplayer":
        node = document.createGroupLayer(name)
    elif kind == "vectorlayer":
        node = document.createVectorLayer(name)
    else:
        node = document.createNode(name, kind)
    (parent or document.rootNode()).addChildNode(node, None)
    return node
"""


def inside(krita: Krita, source: str, **values: Any) -> Any:
    return krita.run(TOOLS + source, **values)


def in_new_document(krita: Krita, source: str, active: str = "own") -> Any:
    """Fill a transparent document ``d`` of 300 x 200 pixels with one layer ``n``; what is read.

    Args:
        krita: Has it in front.
        source: Fills it.
        active: Name of the layer to be active then.
    """
    krita.run(
        "d = app.createDocument(300, 200, 'new', 'RGBA', 'U8', '', 300.0)\n"
        "app.activeWindow().addView(d); d.waitForDone()"
    )
    wait_for("the document", lambda: active_name(krita))
    inside(
        krita,
        "d = doc(); ground = d.activeNode(); n = add(d, 'own')\n"
        f"{source}\nsettle(d); ground.remove(); settle(d)",
    )
    krita.run("doc().setActiveNode(doc().nodeByName(name)); settle()", name=active)
    wait_for("the layer", lambda: active_name(krita) == active)
    return inside(krita, "settle(); result = told(doc())")


def active_name(krita: Krita) -> str:
    return krita.run(
        "found = doc() and doc().width() == 300 and doc().activeNode()\n"
        "result = found.name() if found else ''"
    )


def test_a_layer_and_the_visible_image_are_read_alike(krita: Krita):
    source = "result = difference(read(doc(), 'layer'), read(doc(), 'visible'))"

    assert inside(krita, source) == 0


@pytest.mark.parametrize(
    ("model", "depth", "profile", "tolerance"),
    [
        ("RGBA", "U16", "sRGB-elle-V2-srgbtrc.icc", 1),
        ("RGBA", "F16", "sRGB-elle-V2-g10.icc", 2),
        ("RGBA", "F32", "sRGB-elle-V2-g10.icc", 1),
        ("RGBA", "U8", "ClayRGB-elle-V2-srgbtrc.icc", 12),
        ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc", None),
        ("CMYKA", "U8", "Chemical proof", None),
        ("LABA", "U16", "Lab identity build-in", 40),
    ],
)
def test_every_colour_model_is_read_as_srgb(
    krita: Krita, model: str, depth: str, profile: str, tolerance: int | None
):
    got = inside(
        krita,
        "reference = read(doc())\n"
        "d = doc().clone()\n"
        "assert d.setColorSpace(model, depth, profile); d.waitForDone(); d.refreshProjection()\n"
        "node = d.topLevelNodes()[0]\n"
        "seen, shown = read(d), read(d, 'visible')\n"
        "result = [difference(seen, reference), difference(seen, shown),"
        " node.colorModel(), node.colorDepth(), node.colorProfile()]\n"
        "d.setModified(False); d.close()",
        model=model,
        depth=depth,
        profile=profile,
    )

    assert got[1] <= 3, "the layer as it is shown"
    assert tolerance is None or got[0] <= tolerance
    assert got[2:4] == [model, depth], "the user's own layer is not converted"


def test_a_layer_beyond_the_canvas_is_read_where_the_canvas_shows_it(krita: Krita):
    got = in_new_document(krita, f"n.setPixelData({RED.format(50 * 40)}, -10, 20, 50, 40)")

    assert got["area"] == [0, 20, 40, 40]
    assert got["size"] == [40, 40]
    assert got["first"] == [0, 0, 255, 255]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        pytest.param("", "This layer is empty. Choose another layer.", id="empty"),
        pytest.param(
            f"n.setPixelData({RED.format(100)}, 500, 500, 10, 10)",
            "This layer has no pixels inside the image. Choose another layer.",
            id="wholly outside",
        ),
    ],
)
def test_a_layer_with_nothing_to_look_at_says_so(krita: Krita, source: str, sentence: str):
    assert in_new_document(krita, source) == {"refused": sentence}


def test_a_group_is_read_with_all_that_is_in_it(krita: Krita):
    got = in_new_document(
        krita,
        "g = add(d, 'group', 'grouplayer'); c = add(d, 'child', parent=g)\n"
        f"c.setPixelData({RED.format(60 * 30)}, 100, 50, 60, 30)",
        active="group",
    )

    assert got["area"] == [100, 50, 60, 30]
    assert got["middle"] == [0, 0, 255, 255]


def test_a_vector_layer_is_read_as_it_is_drawn(krita: Krita):
    in_new_document(
        krita,
        "v = add(d, 'shapes', 'vectorlayer')\n"
        'v.addShapesFromSvg(\'<svg width="72pt" height="48pt" viewBox="0 0 300 200">'
        '<rect x="30" y="20" width="100" height="80" fill="#ff0000"/></svg>\')',
        active="shapes",
    )

    read = "settle(); result = told(doc())"  # Krita draws shapes a moment later
    got = wait_for("the shape", lambda: (now := inside(krita, read)).get("note") == "" and now)

    assert got["middle"] == [0, 0, 255, 255]


@NEWEST_ONLY
@pytest.mark.parametrize("kind", ["Transparency", "Transform"])
def test_a_mask_stands_for_its_layer(krita: Krita, kind: str):
    got = in_new_document(
        krita,
        f"n.setPixelData({RED.format(300 * 200)}, 0, 0, 300, 200)\n"
        f"m = d.create{kind}Mask('mask'); n.addChildNode(m, None)",
        active="mask",
    )

    assert (got["note"], got["size"]) == ("", [300, 200])


@NEWEST_ONLY
def test_a_layer_is_read_as_its_transform_mask_shows_it(krita: Krita):
    got = in_new_document(
        krita,
        f"n.setPixelData({RED.format(40 * 40)}, 0, 0, 40, 40)\n"
        "m = d.createTransformMask('mask'); n.addChildNode(m, None)",
    )

    assert got["area"] == [0, 0, 300, 200]
    assert got["first"] == [0, 0, 255, 255]


def test_a_filter_layer_has_no_pixels_and_the_visible_image_is_looked_at(krita: Krita):
    got = in_new_document(
        krita,
        f"n.setPixelData({RED.format(300 * 200)}, 0, 0, 300, 200)\n"
        "s = Selection(); s.select(0, 0, 300, 200, 255)\n"
        "f = d.createFilterLayer('filter', app.filter('invert'), s)\n"
        "d.rootNode().addChildNode(f, None)",
        active="filter",
    )

    assert got["note"].startswith("This layer has no pixels of its own")
    assert got["area"] == [0, 0, 300, 200]


def test_a_huge_image_is_read_in_strips_to_the_same_pixels(krita: Krita):
    got = inside(
        krita,
        "import clipcrop_krita.pixels as pixels\n"
        "d = doc().clone(); d.scaleImage(2050, 2050, 72, 72, 'Bilinear'); d.waitForDone()\n"
        "d.refreshProjection(); d.waitForDone()\n"
        "whole = read(d)\n"
        "limit = pixels._MAX_STRIP_PX; pixels._MAX_STRIP_PX = 300_000\n"
        "try:\n    strips = read(d)\nfinally:\n    pixels._MAX_STRIP_PX = limit\n"
        "a, b = whole.picture.raster, strips.picture.raster\n"
        "near = sum(abs(x - y) <= 8 for x, y in zip(a.pixels, b.pixels)) / len(a.pixels)\n"
        "result = [list(a.size), list(b.size), near]\n"
        "d.setModified(False); d.close()",
    )

    assert got[0] == got[1] == [1024, 1024]
    assert got[2] > 0.99


def test_several_chosen_layers_mean_the_visible_image(krita: Krita):
    in_new_document(krita, "add(d, 'second')")
    krita.run("app.action('select_all_layers').trigger()")
    count = "result = len(app.activeWindow().activeView().selectedNodes())"
    wait_for("the choice", lambda: krita.run(count) == 2)

    got = inside(krita, "result = told(doc())")

    assert got["note"] == "Several layers are selected: the visible image was looked at."


def test_an_example_file_is_read_or_refused(krita: Krita, samples: Any):
    source = (
        "try:\n    raster = KritaCanvas(doc()).read_example(Choices(example=path))\n"
        "    result = list(raster.size)\n"
        "except PluginError as exc:\n    result = str(exc)"
    )

    assert inside(krita, source, path=str(samples / "coffee.jpg"))[0] > 100
    refused = inside(krita, source, path=str(samples / "nobody.jpg"))
    assert refused.startswith("The example cannot be opened: ")
    assert "nobody.jpg" in refused
    text = inside(krita, source, path=str(samples / "README.md"))
    assert text.startswith("The example cannot be opened: ")
