"""What becomes of a crop in documents of all kinds, inside the real Krita."""

from __future__ import annotations

import time
from typing import Any

import pytest
from animation import write_animation
from editor import wait_for
from krita_driver import Krita

pytestmark = pytest.mark.krita

RECT = [40, 30, 120, 90]
REST_S = 0.4
COLOURS = ["#ff0000", "#00ff00", "#0000ff"]

TOOLS = """
from clipcrop_krita import vendored
vendored.load()
from clipcrop_krita.apply import apply_crop
from clipcrop_plugin.geometry import Rect

def do(how, rect):
    made = apply_crop(doc(), Rect(*rect), how)
    made.waitForDone()
    return made

def now(document=None):
    d = document or doc()
    return [d.width(), d.height(), shown(d, 0, 0, d.width(), d.height())]

def undo_text():
    return app.action("edit_undo").text()
"""

KINDS = {
    "paint": "",
    "clone": "c = d.createCloneLayer('c', n); add(c); c.setBlendingMode('multiply')",
    "group": "g = d.createGroupLayer('g'); add(g); c = d.createNode('c', 'paintlayer')\n"
    "g.addChildNode(c, None); c.setPixelData(QByteArray(PIXELS[:60 * 30 * 4]), 100, 50, 60, 30)",
    "fill": "i = InfoObject(); i.setProperty('color', '<!DOCTYPE color><color>"
    '<RGB space="sRGB-elle-V2-srgbtrc.icc" r="1" g="0" b="0"/></color>\')\n'
    "add(d.createFillLayer('f', 'color', i, part()))",
    "filter": "add(d.createFilterLayer('f', app.filter('invert'), part()))",
    "file": "f = d.createFileLayer('f', path, 'None'); add(f); f.setOpacity(128)",
    "vector": "v = d.createVectorLayer('v'); add(v)\n"
    'v.addShapesFromSvg(\'<svg width="72pt" height="48pt" viewBox="0 0 300 200">'
    '<rect x="30" y="20" width="100" height="80" fill="#ff0000"/></svg>\')',
}
"""What is added to a document ``d`` with a layer ``n`` that is larger than its canvas."""

MASKS = [f"{kind} mask" for kind in ("transparency", "transform", "selection")]
"""What its layer may have; the action's name is much the same."""

MOVING_MASK = """
m = d.createTransformMask('m'); n.addChildNode(m, None)
to, at = '<transformedCenter type="pointf" ', 'y="60" x="80"/>'
before, _, rest = m.toXML().partition(to)
assert m.fromXML(before + to + at + rest.partition('/>')[2])
"""


def inside(krita: Krita, source: str, **values: Any) -> Any:
    return krita.run(TOOLS + source, **values)


def make_document(krita: Krita, source: str, path: str) -> None:
    """Bring a document to the front that ``source`` has filled."""
    krita.run(
        "d = app.createDocument(300, 200, 'new', 'RGBA', 'U8', '', 300.0)\n"
        "app.activeWindow().addView(d); d.waitForDone()"
    )
    wait_for("the document", lambda: krita.run("result = doc().width()") == 300)
    inside(
        krita,
        "from krita import InfoObject\n"
        "PIXELS = b''.join(bytes((x * 7 % 256, y % 256, 99, 255)) for y in range(300)"
        " for x in range(400))\n"
        "d = doc(); n = d.createNode('own', 'paintlayer'); add = lambda node:"
        " d.rootNode().addChildNode(node, None)\n"
        "def part():\n    s = Selection(); s.select(10, 10, 80, 80, 255); return s\n"
        "add(n); n.setPixelData(QByteArray(PIXELS), -50, -50, 400, 300)\n"
        f"{source}\nsettle()",
        path=path,
    )
    wait_for_rest(krita)


def add_mask(krita: Krita, kind: str) -> None:
    """To the layer, of a part of it."""
    krita.run("select(doc(), 10, 10, 80, 80); doc().setActiveNode(doc().nodeByName('own'))")
    wait_for("the layer", lambda: krita.run("result = doc().activeNode().name()") == "own")
    krita.run("app.action(name).trigger()", name=f"add_new_{kind.replace(' ', '_')}")
    wait_for("the mask", lambda: krita.run("result = len(doc().nodeByName('own').childNodes())"))
    wait_for_rest(krita)


def wait_for_rest(krita: Krita) -> None:
    """Until Krita has drawn all: some layers come a moment later."""
    last: Any = None
    since = time.monotonic()

    def rests() -> bool:
        nonlocal last, since
        seen = inside(krita, "doc().waitForDone(); result = [now(), undo_text()]")
        if seen != last:
            last, since = seen, time.monotonic()
        return time.monotonic() > since + REST_S

    wait_for("Krita to rest", rests)


def undo(krita: Krita) -> None:
    """By the action, as a user does; Krita takes none while it draws."""
    before = inside(krita, "result = undo_text()")
    again = "doc().waitForDone(); app.action('edit_undo').trigger(); result = undo_text()"
    wait_for("the undo", lambda: inside(krita, again) != before)


def wait_for_size(krita: Krita, size: list[int]) -> None:
    wait_for("the size", lambda: krita.run("result = [doc().width(), doc().height()]") == size)


@pytest.mark.parametrize("how", ["crop", "canvas"])
@pytest.mark.parametrize("kind", [*KINDS, *MASKS])
def test_a_crop_shows_what_was_shown_there_and_one_undo_takes_it_back(
    krita: Krita, samples: Any, kind: str, how: str
):
    make_document(krita, KINDS.get(kind, ""), str(samples / "astronaut.jpg"))
    if kind in MASKS:
        add_mask(krita, kind)
    part = krita.run("result = shown(doc(), *rect)", rect=RECT)
    before = inside(krita, "result = [now(), undo_text()]")

    inside(krita, "do(how, rect)", how=how, rect=RECT)

    wait_for_rest(krita)
    assert inside(krita, "result = now()") == [*RECT[2:], part]
    undo(krita)
    wait_for_size(krita, [300, 200])
    wait_for_rest(krita)
    assert inside(krita, "result = [now(), undo_text()]") == before


def test_a_crop_cuts_layers_and_one_of_the_canvas_only_does_not(krita: Krita, samples: Any):
    make_document(krita, "", str(samples))
    bounds = "result = list(doc().nodeByName('own').bounds().getRect())"

    inside(krita, "do('canvas', rect)", rect=RECT)
    assert krita.run(bounds) == [-90, -80, 400, 300]
    undo(krita)
    wait_for_size(krita, [300, 200])
    inside(krita, "do('crop', rect)", rect=RECT)
    assert krita.run(bounds) == [0, 0, *RECT[2:]]


@pytest.mark.parametrize("lasting_krita", ["newest"], indirect=True)  # 5.1 cannot make one
@pytest.mark.parametrize("how", ["crop", "canvas", "new_image"])
def test_what_a_transform_mask_moves_in_is_not_cut_off(krita: Krita, samples: Any, how: str):
    make_document(krita, MOVING_MASK, str(samples))
    part = krita.run("result = shown(doc(), *rect)", rect=RECT)

    got = inside(krita, "result = now(do(how, rect))", how=how, rect=RECT)

    assert got == [*RECT[2:], part]


@pytest.mark.parametrize("how", ["crop", "canvas", "new_image"])
def test_all_frames_of_an_animation_are_cropped_alike(krita: Krita, how: str):
    path = krita.folder / "animation.kra"
    write_animation(path, COLOURS, step=5, tile=(1, 1))
    # Else Krita tells of what the file lacks, a colour profile for one, in a window.
    quietly = "app.setBatchmode(True)\ntry:\n    load(path)\nfinally:\n    app.setBatchmode(False)"
    krita.run(quietly, path=str(path))
    in_first = "result = doc() and doc().width() == 300 and colour(doc(), 70, 70)"
    wait_for("the animation", lambda: krita.run(in_first) == COLOURS[0])

    inside(krita, "do(how, rect)", how=how, rect=RECT)

    wait_for_size(krita, RECT[2:])
    look = "settle(); result = [colour(doc(), 30, 40), colour(doc(), 0, 0)]"
    for number, one in enumerate(COLOURS):
        krita.run("doc().setCurrentTime(time)", time=5 * number)
        wait_for(f"frame {number}", lambda one=one: krita.run(look) == [one, "#ffffff"])


@pytest.mark.parametrize("before", [None, [20, 30, 40, 50]], ids=["nothing", "something"])
def test_one_undo_takes_an_applied_selection_back(krita: Krita, before: list[int] | None):
    if before:
        krita.run("select(doc(), *before, 128)", before=before)
    first = krita.run("settle(); result = app.action('edit_undo').text()")

    inside(krita, "do('selection', rect)", rect=RECT)

    assert krita.run("result = selection()") == RECT
    wait_for("a step", lambda: inside(krita, "result = undo_text()") != first)
    undo(krita)
    wait_for("the undo", lambda: krita.run("result = selection()") == before)
    assert inside(krita, "settle(); result = undo_text()") == first
    if before:
        assert set(krita.run("result = mask(doc(), *before)", before=before)) == {128}


def test_a_selection_in_a_document_that_is_not_in_front_is_made_all_the_same(
    krita: Krita, samples: Any
):
    krita.run("load(path)", path=str(samples / "coffee.jpg"))
    wait_for("the other", lambda: krita.run("result = doc().fileName()").endswith("coffee.jpg"))

    got = inside(
        krita,
        "behind = [one for one in app.documents() if one.fileName().endswith('astronaut.jpg')][0]\n"
        "apply_crop(behind, Rect(*rect), 'selection')\n"
        "result = [selection(behind), selection(doc())]",
        rect=RECT,
    )

    assert got == [RECT, None]


def test_guides_are_added_to_those_that_are_there(krita: Krita):
    krita.run("doc().setHorizontalGuides([7.0]); doc().setGuidesVisible(False)")

    got = inside(
        krita,
        "do('guides', rect)\n"
        "result = [doc().horizontalGuides(), doc().verticalGuides(), doc().guidesVisible()]",
        rect=RECT,
    )

    assert got == [[7, 30, 120], [40, 160], True]


def test_a_new_document_leaves_the_old_one_and_its_file_alone(krita: Krita):
    krita.run("select(doc(), 1, 2, 3, 4)")
    before = inside(krita, "settle(); result = now()")

    got = inside(
        krita,
        "old = doc(); made = do('new_image', rect)\n"
        "result = [made.width(), made.height(), made.fileName(), made.modified(),"
        " selection(made), selection(old), now(old)]",
        rect=RECT,
    )

    assert got == [120, 90, "", True, None, [1, 2, 3, 4], before]
