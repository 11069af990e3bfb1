"""Run by test_krita_6.py with Debian's Python and PyQt6: the whole plug-in in a fake Krita 6.

Its arguments: a photo, and where to save what the panel looks like. Prints what happened as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from PyQt6 import QtCore, QtWidgets

from krita import Document, Krita, Window

ESCAPE = QtCore.Qt.Key.Key_Escape


def main(photo: str, picture: str) -> None:
    application = QtWidgets.QApplication(sys.argv[:1])
    krita = Krita.instance()
    main_window = QtWidgets.QMainWindow()
    krita.window = Window(main_window)
    krita.open.append(Document(photo))

    import clipcrop_krita  # noqa: F401 - registers itself

    krita.extensions[0].setup()
    krita.extensions[0].createActions(krita.window)
    docker = krita.factories[0].kind()
    main_window.addDockWidget(QtCore.Qt.DockWidgetArea.RightDockWidgetArea, docker)
    main_window.resize(360, 700)
    main_window.show()
    docker.canvasChanged(object())

    def wait(is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + 40
        while not is_so():
            assert time.monotonic() < deadline, docker.panel.sentence
            application.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50)

    document = krita.open[0]

    def selected() -> list[int] | None:
        found = document.selection()
        if found is None:
            return None
        return [found.x(), found.y(), found.width(), found.height()]

    krita.window.actions["clipcrop_ask"].trigger()

    def apply(how: str) -> dict[str, object]:
        """What became of a suggestion."""
        docker.canvasChanged(object())
        krita.window.actions["clipcrop_previous"].trigger()
        rect = selected()
        menu = docker.findChild(QtWidgets.QComboBox, "clipcrop_apply")
        menu.setCurrentIndex(menu.findData(how))
        krita.window.actions["clipcrop_apply"].trigger()
        made = krita.open.pop(0) if len(krita.open) > 1 else document
        return {
            "rect": rect,
            "size": [made.width(), made.height()],
            "guides": [*made.verticalGuides(), *made.horizontalGuides()],
            "selected": selected(),
        }

    prompt = docker.findChild(QtWidgets.QComboBox, "clipcrop_prompt")
    prompt.setEditText("the woman")
    docker.findChild(QtWidgets.QPushButton, "clipcrop_find").click()
    wait(selected)
    out: dict[str, object] = {
        "qt": QtCore.qVersion(),
        "first": selected(),
        "sentence": docker.panel.sentence,
    }
    krita.window.actions["clipcrop_next"].trigger()
    out["second"] = selected()
    docker.grab().save(picture)
    docker.findChild(QtWidgets.QPushButton, "clipcrop_dismiss").click()
    out["dismissed"] = selected()
    out["applied"] = {how: apply(how) for how in ("guides", "new_image", "selection", "canvas")}
    out["own_actions"] = krita.triggered
    krita.notifier().applicationClosing.emit()
    sys.stdout.write(json.dumps(out) + "\n")


main(*sys.argv[1:])
