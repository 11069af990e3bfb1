"""The actions in the Image menu; their keys are in clipcrop_krita.action."""

from __future__ import annotations

from typing import Any, Callable

from clipcrop_plugin.texts import N_, _
from krita import Extension, Krita

from .qt import QtGui

_MENU = "Image"
_MESSAGE_MS = 4000

_ACTIONS = (
    ("clipcrop_ask", N_("Smart Crop _by Description…"), "ask_for_description"),
    ("clipcrop_repeat", N_("Smart Crop: R_epeat"), "repeat"),
    ("clipcrop_next", N_("_Next Crop Suggestion"), "next"),
    ("clipcrop_previous", N_("Pre_vious Crop Suggestion"), "previous"),
    ("clipcrop_apply", N_("_Apply Crop Suggestion"), "apply"),
)
"""Name, text, and the method of `panel.Panel` that does it."""


class ClipCrop(Extension):  # type: ignore[misc]
    """Makes the actions of each window."""

    def setup(self) -> None:
        """Krita calls this once; there is nothing to do."""

    def createActions(self, window: Any) -> None:  # noqa: N802 - Krita's name
        """Put them into the window's menu."""
        for name, text, method in _ACTIONS:
            action = window.createAction(name, _(text).replace("_", "&"), _MENU)
            action.triggered.connect(_on_panel(method))


def _on_panel(method: str) -> Callable[..., None]:
    """Whatever an action does, the panel of its window does; what goes wrong it says itself."""

    def slot(*_of_qt: object) -> None:
        from .docker import docker_in_front

        docker = docker_in_front()
        if docker is None:
            return
        panel = docker.panel
        if method == "ask_for_description":
            docker.bring_to_front()
        getattr(panel, method)()
        if not docker.isVisible() or docker.visibleRegion().isEmpty():
            _float(panel.sentence)  # the panel may be hidden

    return slot


def _float(sentence: str) -> None:
    """Say it over the canvas."""
    window = Krita.instance().activeWindow()
    view = window.activeView() if window is not None else None
    if view is not None and sentence:
        view.showFloatingMessage(sentence, QtGui.QIcon(), _MESSAGE_MS, 1)
