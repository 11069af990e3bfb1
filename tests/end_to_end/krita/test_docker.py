"""The docker and the actions, with keys and clicks in the real window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import screenshots
from editor import wait_for
from krita_driver import Krita

pytestmark = pytest.mark.krita

StartKrita = Callable[..., Krita]

ASK, REPEAT = "ctrl+alt+k", "ctrl+alt+r"
NEXT, PREVIOUS, APPLY = "ctrl+alt+n", "ctrl+alt+p", "ctrl+alt+Return"


def ask(krita: Krita, prompt: str) -> None:
    """By keys alone."""
    krita.key(ASK)
    wait_for("the cursor", lambda: focused(krita) == "clipcrop_prompt")
    krita.type(prompt)
    krita.key("Return")
    wait_for_suggestions(krita)


def focused(krita: Krita) -> str:
    """Name of the widget with the cursor."""
    return krita.run(
        "found = QtWidgets.QApplication.focusWidget()\n"
        "result = '' if found is None else found.objectName()"
    )


def wait_for_suggestions(krita: Krita) -> list[list[int]]:
    wait_for("suggestions", lambda: count(krita) > 0 and not is_busy(krita))
    return suggestions(krita)


def count(krita: Krita) -> int:
    return krita.run("result = widget('clipcrop_list').count()")


def is_busy(krita: Krita) -> bool:
    return krita.run("result = not widget('clipcrop_stop').isHidden()")


def version(krita: Krita) -> str:
    return krita.run("result = app.version()").partition(" ")[0]


def suggestions(krita: Krita) -> list[list[int]]:
    """Their rectangles."""
    return krita.run("result = [list(one.rect) for one in preview().session.suggestions]")


def selection(krita: Krita) -> list[int] | None:
    return krita.run("result = selection()")


def status(krita: Krita) -> str:
    return krita.run("result = widget('clipcrop_status').text()")


def wait_for_selection(krita: Krita, expected: list[int] | None) -> None:
    wait_for(f"the selection {expected}", lambda: [selection(krita)] == [expected])


def test_actions_are_in_the_image_menu_with_their_keys(krita: Krita):
    found = krita.run(
        "menu = [a.menu() for a in app.activeWindow().qwindow().menuBar().actions()"
        " if a.menu() and a.menu().objectName() == 'Image'][0]\n"
        "result = {a.objectName(): [a.text(), a.shortcut().toString()] for a in menu.actions()"
        " if a.objectName().startswith('clipcrop')}"
    )

    assert found == {
        "clipcrop_ask": ["Smart Crop &by Description…", "Ctrl+Alt+K"],
        "clipcrop_repeat": ["Smart Crop: R&epeat", "Ctrl+Alt+R"],
        "clipcrop_next": ["&Next Crop Suggestion", "Ctrl+Alt+N"],
        "clipcrop_previous": ["Pre&vious Crop Suggestion", "Ctrl+Alt+P"],
        "clipcrop_apply": ["&Apply Crop Suggestion", "Ctrl+Alt+Return"],
    }


def test_no_shortcut_is_taken_already(krita: Krita):
    doubled = krita.run(
        "keys = {}\n"
        "for a in app.actions():\n"
        "    for key in a.shortcuts():\n"
        "        keys.setdefault(key.toString(), set()).add(a.objectName())\n"
        "result = [sorted(names) for names in keys.values()"
        " if len(names) > 1 and any(name.startswith('clipcrop') for name in names)]"
    )

    assert doubled == []


def test_a_description_is_asked_for_stepped_through_and_applied_by_keys(krita: Krita):
    ask(krita, "the woman")
    rects = suggestions(krita)

    assert len(rects) > 1
    assert krita.run("result = widget('clipcrop_found').text()") == "Found: woman"
    wait_for_selection(krita, rects[0])
    krita.key(NEXT)
    wait_for_selection(krita, rects[1])
    krita.key(PREVIOUS)
    wait_for_selection(krita, rects[0])
    krita.key(PREVIOUS)
    wait_for_selection(krita, rects[-1])
    assert krita.run("result = doc().modified()") is False
    krita.move_away()
    screenshots.keep(krita.screenshot(krita.folder / f"krita_{version(krita)}.png"))
    krita.run("box = widget('clipcrop_apply'); box.setCurrentIndex(box.findData('crop'))")
    krita.key(APPLY)
    size = "result = [doc().width(), doc().height()]"
    wait_for("the crop", lambda: krita.run(size) == rects[-1][2:])
    krita.key("ctrl+z")
    wait_for("the undo", lambda: krita.run(size) == [512, 512])


def test_each_thumbnail_shows_its_own_crop_also_when_chosen(krita: Krita):
    ask(krita, "the woman")

    shown = krita.run(
        "found, result = widget('clipcrop_list'), []\n"
        "for row in range(found.count()):\n"
        "    for mode in (QtGui.QIcon.Normal, QtGui.QIcon.Selected):\n"
        "        image = found.item(row).icon().pixmap(found.iconSize(), mode).toImage()\n"
        "        bits = image.convertToFormat(QtGui.QImage.Format_RGB32).constBits()\n"
        "        result.append(hash(bytes(bits.asarray(4 * image.width() * image.height()))))"
    )

    assert shown[0::2] == shown[1::2], "not another one, and no tint"
    assert len(set(shown)) == len(shown) / 2


def test_all_of_it_goes_by_mouse(krita: Krita):
    krita.run("docker().bring_to_front()")
    wait_for(
        "the panel",
        lambda: krita.run("result = docker().findChild(QWidget, 'clipcrop_find') is not None"),
    )
    krita.click_on("clipcrop_prompt")
    krita.type("the rocket")
    krita.click_on("clipcrop_find")
    rects = wait_for_suggestions(krita)

    krita.click_on("clipcrop_next")

    wait_for_selection(krita, rects[1])
    krita.click(*krita.run("result = place_of_row(0)"))
    wait_for_selection(krita, rects[0])
    krita.click_on("clipcrop_dismiss")
    wait_for_selection(krita, None)
    krita.click(*krita.run("result = place_of_row(0)"))
    wait_for_selection(krita, rects[0])


def test_escape_puts_the_users_selection_back_soft_edges_and_all(krita: Krita):
    krita.run("select(doc(), 20, 30, 40, 50, 128)")
    ask(krita, "the woman")
    wait_for_selection(krita, suggestions(krita)[0])

    krita.key("Escape")

    wait_for_selection(krita, [20, 30, 40, 50])
    assert set(krita.run("result = mask(doc(), 20, 30, 40, 50)")) == {128}


def test_what_the_user_selects_meanwhile_stays(krita: Krita):
    ask(krita, "the woman")
    krita.run("select(doc(), 1, 2, 3, 4)")

    krita.run("widget('clipcrop_dismiss').click()")

    assert selection(krita) == [1, 2, 3, 4]


@pytest.mark.parametrize("how", ["selection", "crop", "canvas", "guides", "new_image"])
def test_a_suggestion_is_applied(krita: Krita, how: str):
    ask(krita, "the woman")
    krita.key(NEXT)
    x, y, width, height = rect = suggestions(krita)[1]
    wait_for_selection(krita, rect)
    krita.run("box = widget('clipcrop_apply'); box.setCurrentIndex(box.findData(how))", how=how)
    colour = krita.run("result = colour(doc(), x + 5, y + 5)", x=x, y=y)
    sizes = "result = sorted([v.document().width(), v.document().height()] for v in app.views())"
    before = krita.run(sizes)

    krita.key(APPLY)

    if how == "selection":
        wait_for("a step", lambda: krita.run("result = doc().modified()"))
        wait_for_selection(krita, rect)
        krita.key("ctrl+z")
        wait_for_selection(krita, None)
        return
    if how == "guides":
        wait_for("guides", lambda: krita.run("result = doc().horizontalGuides()"))
        assert krita.run("result = [doc().horizontalGuides(), doc().verticalGuides()]") == [
            [y, y + height],
            [x, x + width],
        ]
        assert selection(krita) is None
        return
    size = "result = [doc().width(), doc().height()]"
    wait_for("the crop", lambda: krita.run(size) == [width, height])
    assert krita.run("settle(); result = colour(doc(), 5, 5)") == colour
    assert selection(krita) is None
    saved = krita.folder / "saved.kra"
    if how in ("crop", "canvas"):
        krita.run("app.action('edit_undo').trigger(); doc().waitForDone()")
        wait_for("the undo", lambda: krita.run(size) == [512, 512])
        assert krita.run("settle(); result = colour(doc(), x + 5, y + 5)", x=x, y=y) == colour
        krita.run("app.action('edit_redo').trigger(); doc().waitForDone()")
        wait_for("the redo", lambda: krita.run(size) == [width, height])
    else:
        assert krita.run("result = doc().fileName()") == ""
        assert krita.run(sizes) == sorted([*before, [width, height]])
    krita.run("app.setBatchmode(True); doc().saveAs(path)", path=str(saved))
    assert krita.run(
        "again = load(path, has_view=False)\n"
        "result = [again.width(), again.height(), colour(again, 5, 5)]\n"
        "again.close()",
        path=str(saved),
    ) == [width, height, colour]


def test_repeat_asks_the_same_about_the_image_as_it_is_now(krita: Krita):
    ask(krita, "the woman")
    first = suggestions(krita)
    krita.run("doc().crop(0, 0, 512, 400); doc().waitForDone()")

    krita.key(NEXT)

    wait_for("a reason", lambda: "another size" in status(krita))
    krita.key(REPEAT)
    wait_for("new suggestions", lambda: suggestions(krita) not in ([], first))
    assert all(y + height <= 400 for _, y, _, height in suggestions(krita))


def test_another_aspect_ratio_is_asked_for_without_reading_again(krita: Krita):
    ask(krita, "the woman")

    krita.run(
        "box = widget('clipcrop_aspect'); box.setCurrentIndex(box.findData('1:1'));"
        "box.activated.emit(box.currentIndex())"
    )

    wait_for(
        "squares",
        lambda: (
            suggestions(krita)
            and all(abs(width - height) <= 1 for _, _, width, height in suggestions(krita))
        ),
    )
    wait_for_selection(krita, suggestions(krita)[0])


def test_what_was_asked_is_remembered_and_completed(start_krita: StartKrita, astronaut_path: Path):
    krita = start_krita(astronaut_path)
    krita.focus_window()
    ask(krita, "the woman in orange")
    krita.quit()
    krita.start(astronaut_path)
    krita.focus_window()

    krita.key(ASK)

    wait_for("the cursor", lambda: focused(krita) == "clipcrop_prompt")
    assert krita.run("result = widget('clipcrop_prompt').currentText()") == "the woman in orange"
    krita.type("orange")
    wait_for(
        "a completion",
        lambda: (
            krita.run(
                "popup = widget('clipcrop_prompt').completer().popup()\n"
                "result = popup.isVisible() and popup.model().data(popup.model().index(0, 0))"
            )
            == "the woman in orange"
        ),
    )


def test_the_selection_is_an_example(krita: Krita):
    krita.run("select(doc(), 330, 0, 140, 230)")
    krita.key(ASK)
    wait_for("the cursor", lambda: focused(krita) == "clipcrop_prompt")
    krita.run("box = widget('clipcrop_example'); box.setCurrentIndex(box.findData('selection'))")

    krita.key("Return")

    wait_for_suggestions(krita)
    wait_for_selection(krita, suggestions(krita)[0])


@pytest.mark.parametrize(
    ("fill", "sentence"),
    [
        pytest.param(
            "widget('clipcrop_aspect').setEditText('wide')", "is no aspect ratio", id="no aspect"
        ),
        pytest.param(
            "box = widget('clipcrop_example'); box.setCurrentIndex(box.findData('selection'))",
            "Select the part of the image",
            id="nothing selected as the example",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(krita: Krita, fill: str, sentence: str):
    krita.key(ASK)
    wait_for("the cursor", lambda: focused(krita) == "clipcrop_prompt")
    krita.run(fill)

    krita.click_on("clipcrop_find")

    wait_for("a sentence", lambda: sentence in status(krita))


def test_without_an_image_it_says_so(start_krita: StartKrita):
    krita = start_krita()
    krita.run("docker().bring_to_front(); docker().panel.next()")

    assert status(krita) == "No image is open. Open a photo first."


def test_a_docker_that_kritas_menu_shows_is_there_to_be_used(krita: Krita):
    """Beside Krita's own dockers, which leave it no room."""
    krita.run("docker().toggleViewAction().trigger(); docker().raise_()")

    wait_for("the panel", lambda: krita.run("result = docker()._panel is not None"))
    height = krita.run("result = docker().widget().height()")
    assert height >= 100
