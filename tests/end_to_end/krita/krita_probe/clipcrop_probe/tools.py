"""What a test's Python inside Krita has at hand: all of these names."""

from __future__ import annotations

import hashlib

from PyQt5 import QtCore, QtGui, QtWidgets  # noqa: F401 - for the tests
from PyQt5.QtCore import QByteArray, QTimer  # noqa: F401 - likewise
from PyQt5.QtWidgets import QWidget

from krita import Krita, Selection

DOCK = "clipcrop_docker"

has_window: list[bool] = []
failures: list[str] = []
"""Exceptions that left a slot since Krita started."""

kept = {}
"""What a test keeps from one `run` to the next."""

app = Krita.instance()


def doc():
    """The document in front."""
    return app.activeDocument()


def load(path, has_view=True):
    """Open a file."""
    document = app.openDocument(str(path))
    if has_view:
        app.activeWindow().addView(document)
    document.waitForDone()
    return document


def start_anew(path):
    """As after Krita's start with a photo: nothing remembered, a docker that was never shown."""
    for name in ("clipcrop-choices", "clipcrop-history"):
        app.writeSetting("clipcrop", name, "")
    found = docker()
    if found is not None and found._panel is not None:
        from clipcrop_krita.docker import _Placeholder

        found.setVisible(False)
        found._panel, old = None, found.widget()
        found.setWidget(_Placeholder(found))
        old.deleteLater()
    load(path)


def selection(document=None):
    """x, y, width, height of its bounds; None with nothing selected."""
    found = (document or doc()).selection()
    return None if found is None else [found.x(), found.y(), found.width(), found.height()]


def mask(document, x, y, width, height):
    """The selection's own values, row after row."""
    return list(bytes(document.selection().pixelData(x, y, width, height)))


def select(document, x, y, width, height, value=255):
    """As a user's selection."""
    chosen = Selection()
    chosen.select(x, y, width, height, value)
    document.setSelection(chosen)


def settle(document=None):
    """Let Krita finish what it has begun."""
    (document or doc()).refreshProjection()
    (document or doc()).waitForDone()


def shown(document, x, y, width, height):
    """Of the projection, such that equal pixels give equal texts."""
    image = document.projection(x, y, width, height)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    return hashlib.sha256(bytes(bits)).hexdigest()


def colour(document, x, y):
    """Of the projection, as #rrggbb."""
    return document.projection(x, y, 1, 1).pixelColor(0, 0).name()


def docker():
    """Ours, in the window in front."""
    return next((one for one in app.dockers() if one.objectName() == DOCK), None)


def widget(name):
    """A widget of our docker by its object name."""
    found = docker().findChild(QWidget, name)
    assert found is not None, f"the docker has no widget {name!r}"
    return found


def scroll_to(found):
    """As a user's wheel would, if the docker is low."""
    docker().findChild(QtWidgets.QScrollArea).ensureWidgetVisible(found)
    QtWidgets.QApplication.processEvents()


def place(name):
    """The middle of a widget of our docker, on the screen."""
    found = widget(name)
    scroll_to(found)
    middle = found.mapToGlobal(found.rect().center())
    return [middle.x(), middle.y()]


def preview(document=None):
    """What our plug-in knows of a document."""
    from clipcrop_krita.application import the_application

    return the_application().preview_of(document or doc())


def place_of_row(row):
    """The middle of a row of the list, on the screen."""
    found = widget("clipcrop_list")
    scroll_to(found)
    found.scrollToItem(found.item(row))
    rect = found.visualItemRect(found.item(row))
    middle = found.viewport().mapToGlobal(rect.center())
    return [middle.x(), middle.y()]
