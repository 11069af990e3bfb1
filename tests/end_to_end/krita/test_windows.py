"""Several documents, views and windows at the same time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from editor import wait_for
from krita_driver import Krita

pytestmark = pytest.mark.krita

ASK = (
    "docker().bring_to_front(); panel = docker().panel\n"
    "panel._prompt.setEditText(prompt); widget('clipcrop_find').click()"
)
SUGGESTIONS = "result = [list(one.rect) for one in preview().session.suggestions]"


@pytest.fixture
def krita(lasting_krita: Any, astronaut_path: Path) -> Krita:
    """With a photo, and no other document in it."""
    lasting_krita.end()
    krita: Krita = lasting_krita.with_image(astronaut_path)
    return krita


def ask(krita: Krita, prompt: str) -> list[list[int]]:
    krita.run(ASK, prompt=prompt)
    found: list[list[int]] = wait_for("suggestions", lambda: krita.run(SUGGESTIONS))
    return found


def bring_to_front(krita: Krita, name: str) -> None:
    """The document whose file has this name."""
    krita.run(
        "area = app.activeWindow().qwindow().findChildren(QtWidgets.QMdiArea)[0]\n"
        "for one in area.subWindowList():\n"
        "    area.setActiveSubWindow(one)\n"
        "    if doc().fileName().endswith(name):\n        break",
        name=name,
    )
    wait_for(name, lambda: krita.run("result = doc().fileName()").endswith(name))


def test_each_document_has_its_own_suggestions(krita: Krita, samples: Path):
    first = ask(krita, "the woman")
    krita.run("load(path)", path=str(samples / "coffee.jpg"))
    wait_for("the other", lambda: krita.run("result = doc().fileName()").endswith("coffee.jpg"))

    assert krita.run(SUGGESTIONS) == []
    assert krita.run("result = widget('clipcrop_list').count()") == 0
    assert ask(krita, "the cup") != first
    bring_to_front(krita, "astronaut.jpg")
    assert krita.run(SUGGESTIONS) == first
    count = "result = widget('clipcrop_list').count()"
    wait_for("its list", lambda: krita.run(count) == len(first))


def test_an_answer_goes_to_the_document_that_was_asked_about(krita: Krita, samples: Path):
    krita.run("load(path)", path=str(samples / "coffee.jpg"))
    wait_for("the other", lambda: krita.run("result = doc().fileName()").endswith("coffee.jpg"))

    krita.run(ASK, prompt="the cup")
    bring_to_front(krita, "astronaut.jpg")

    behind = (
        "behind = [one for one in app.documents() if one.fileName().endswith('coffee.jpg')][0]\n"
    )
    wait_for("the answer", lambda: krita.run(behind + "result = selection(behind)"))
    assert krita.run("result = [selection(), widget('clipcrop_list').count()]") == [None, 0]


def test_views_of_one_document_share_its_suggestions(krita: Krita):
    rects = ask(krita, "the woman")
    krita.run("app.activeWindow().addView(doc())")
    wait_for("the view", lambda: krita.run("result = len(app.activeWindow().views())") == 2)

    assert krita.run(SUGGESTIONS) == rects
    krita.run("app.action('file_close').trigger()")
    wait_for("one view", lambda: krita.run("result = len(app.activeWindow().views())") == 1)
    krita.run("app.action('clipcrop_next').trigger()")
    assert krita.run("result = selection()") == rects[1]


def test_a_second_window_has_a_docker_of_its_own_and_may_be_closed(krita: Krita):
    rects = ask(krita, "the woman")
    krita.run(
        "kept['first'] = docker().window()\n"
        "window = app.openWindow(); window.qwindow().show(); window.addView(doc())"
    )
    wait_for("the window", lambda: krita.run("result = len(app.windows())") == 2)
    of_second = (
        "second = [one.qwindow() for one in app.windows() if one.qwindow() != kept['first']][0]\n"
        "theirs = second.findChild(QtWidgets.QDockWidget, DOCK)\n"
    )

    krita.run(of_second + "theirs.setVisible(True); theirs.raise_(); theirs.panel")

    count = "result = theirs.findChild(QtWidgets.QListWidget).count()"
    assert krita.run(of_second + count) == len(rects)
    krita.run(of_second + "second.close()")
    wait_for("one window", lambda: krita.run("result = len(app.windows())") == 1)
    krita.run("app.action('clipcrop_next').trigger()")
    assert krita.run("result = selection()") == rects[1]
