"""The docker in other languages, also those that are written from right to left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import screenshots
from editor import wait_for
from krita_driver import Krita

pytestmark = pytest.mark.krita

StartKrita = Callable[..., Krita]


def opened(krita: Krita, prompt: str) -> dict[str, str]:
    """What the docker says once it has suggestions, and where its labels are."""
    krita.focus_window()
    krita.key("ctrl+alt+k")
    wait_for("the docker", lambda: krita.run("result = docker().isVisible()"))
    krita.run("widget('clipcrop_prompt').setEditText(text)", text=prompt)
    krita.run("widget('clipcrop_find').click()")
    wait_for("suggestions", lambda: krita.run("result = widget('clipcrop_list').count()"))
    said: dict[str, str] = krita.run(
        "field = widget('clipcrop_prompt'); panel = docker().panel\n"
        "label = [one for one in panel.findChildren(QtWidgets.QLabel) if one.buddy() is field][0]\n"
        "right = label.mapTo(panel, label.rect().center()).x() >"
        " field.mapTo(panel, field.rect().center()).x()\n"
        "result = {'title': docker().windowTitle(), 'find': widget('clipcrop_find').text(),"
        " 'label': label.text(), 'side': 'right' if right else 'left',"
        " 'action': app.action('clipcrop_apply').text()}"
    )
    return said


def picture(krita: Krita, name: str) -> None:
    """Of the docker, for the README."""
    from PIL import Image

    krita.move_away()
    whole = krita.screenshot(krita.folder / "screen.png")
    x, y, width, height = krita.run(
        "found = docker(); corner = found.mapToGlobal(found.rect().topLeft())\n"
        "result = [corner.x(), corner.y(), found.width(), found.height()]"
    )
    with Image.open(whole) as shot:
        shot.crop((x, y, x + width, y + height)).save(krita.folder / name)
    screenshots.keep(krita.folder / name)


def test_a_docker_of_a_right_to_left_language_is_laid_out_so(
    start_krita: StartKrita, astronaut_path: Path
):
    hebrew = {"LC_ALL": "he_IL.UTF-8", "LANGUAGE": "he"}
    krita = start_krita(astronaut_path, variables=hebrew)

    said = opened(krita, "the woman")

    picture(krita, "docker_he.png")
    assert said["side"] == "right"
    assert said["title"] == "חיתוך חכם"
    assert "החלת" in said["action"].replace("&", "")


def test_the_language_that_krita_is_set_to_goes_before_the_systems(
    start_krita: StartKrita, astronaut_path: Path
):
    krita = start_krita(astronaut_path, language="de")

    said = opened(krita, "the woman")

    picture(krita, "docker_de.png")
    assert said["side"] == "left"
    assert said["label"].replace("&", "") == "Behalten"
