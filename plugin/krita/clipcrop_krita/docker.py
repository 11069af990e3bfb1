"""The docker "Smart Crop": empty until it is first seen, so that Krita starts as fast as ever."""

from __future__ import annotations

from typing import Any

from clipcrop_plugin.texts import _
from krita import DockWidget, Krita

from .qt import QtCore, QtWidgets

NAME = "clipcrop_docker"
_USEFUL_PX, _SEEN_PX = 520, 120


def docker_in_front() -> Docker | None:
    """That of the window in front."""
    window = Krita.instance().activeWindow()
    if window is None:
        return None
    main = window.qwindow()
    return next((one for one in _all if main.isAncestorOf(one)), None)


_all: list[Docker] = []


class Docker(DockWidget):  # type: ignore[misc]
    """Holds a panel, one in each of Krita's windows."""

    def __init__(self) -> None:
        super().__init__()
        self._panel: Any = None
        self.setWindowTitle(_("Smart Crop"))
        self.setWidget(_Placeholder(self))
        _all.append(self)
        self.destroyed.connect(lambda *_of_qt: self in _all and _all.remove(self))

    @property
    def panel(self) -> Any:
        """Made when it is first needed."""
        if self._panel is None:
            from . import vendored

            vendored.load()
            from .application import the_application
            from .panel import Panel

            self._panel = Panel(the_application(), self)
            scrolled = QtWidgets.QScrollArea(self)  # a docker may be of any height
            scrolled.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
            scrolled.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            scrolled.setWidgetResizable(True)
            scrolled.setWidget(self._panel)
            bar = self.style().pixelMetric(QtWidgets.QStyle.PixelMetric.PM_ScrollBarExtent)
            scrolled.setMinimumHeight(_SEEN_PX)
            scrolled.setMinimumWidth(self._panel.minimumSizeHint().width() + bar)
            self.setWidget(scrolled)
            self._panel.look_at(Krita.instance().activeDocument())
        return self._panel

    def bring_to_front(self) -> None:
        """Show it, and large enough to choose from the list in it."""
        self.setVisible(True)
        self.raise_()
        main = self.window()
        if isinstance(main, QtWidgets.QMainWindow) and self.height() < _USEFUL_PX:
            main.resizeDocks([self], [_USEFUL_PX], QtCore.Qt.Orientation.Vertical)

    def canvasChanged(self, canvas: Any) -> None:  # noqa: N802 - Krita's name
        """Another document is in front, or none."""
        if self._panel is not None:
            document = None if canvas is None else Krita.instance().activeDocument()
            self._panel.look_at(document)


class _Placeholder(QtWidgets.QWidget):  # type: ignore[misc]
    """Has the panel made in its stead once it is painted: a docker is shown before it is hidden."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.setMinimumHeight(_SEEN_PX)  # else it gets no pixel beside other dockers, and no paint

    def paintEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """It can be seen."""
        super().paintEvent(event)
        docker = self.parentWidget()
        QtCore.QTimer.singleShot(0, lambda: docker.panel)
