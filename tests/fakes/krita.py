# ruff: noqa: N802, N815 - the names are Krita's
"""A fake of Krita 6's Python module on PyQt6: the documented calls that our plug-in makes, no more.

For a Krita that cannot be installed here. A call that is not here fails, as an undocumented one
would; what the real calls do is tested in the real Krita 5.
"""

from __future__ import annotations

import enum
from typing import Any

from PyQt6 import QtCore, QtGui, QtWidgets

_FORMAT = QtGui.QImage.Format.Format_ARGB32


class Selection:
    """A rectangle only."""

    def __init__(self) -> None:
        self._rect = (0, 0, 0, 0)

    def select(self, x: int, y: int, w: int, h: int, value: int) -> None:
        self._rect = (x, y, w, h)

    def x(self) -> int:
        return self._rect[0]

    def y(self) -> int:
        return self._rect[1]

    def width(self) -> int:
        return self._rect[2]

    def height(self) -> int:
        return self._rect[3]


class Node:
    """One paint layer as large as its document; without one, the root of the layers."""

    def __init__(self, document: Document | None) -> None:
        self._document = document

    def type(self) -> str:
        return "grouplayer" if self._document is None else "paintlayer"

    def parentNode(self) -> Node | None:
        return None if self._document is None else Node(None)

    def childNodes(self) -> list[Node]:
        return []

    def bounds(self) -> QtCore.QRect:
        assert self._document is not None
        return self._document._image.rect()

    def colorModel(self) -> str:
        return "RGBA"

    def colorDepth(self) -> str:
        return "U8"

    def colorProfile(self) -> str:
        return "sRGB-elle-V2-srgbtrc.icc"

    def projectionPixelData(self, x: int, y: int, w: int, h: int) -> QtCore.QByteArray:
        assert self._document is not None
        part = self._document._image.copy(x, y, w, h)
        bits = part.constBits()
        bits.setsize(part.sizeInBytes())
        return QtCore.QByteArray(bytes(bits))


class Document:
    """A photo; equal to itself only."""

    def __init__(self, path: str) -> None:
        self._image = QtGui.QImage(path).convertToFormat(_FORMAT)
        self._selection: Selection | None = None
        self._across: list[float] = []
        self._down: list[float] = []

    def clone(self) -> Document:
        copy = Document("")
        copy._image = self._image.copy()
        return copy

    def setFileName(self, value: str) -> None:
        pass

    def setModified(self, modified: bool) -> None:
        pass

    def waitForDone(self) -> None:
        pass

    def rootNode(self) -> Node:
        return Node(None)

    def width(self) -> int:
        return self._image.width()

    def height(self) -> int:
        return self._image.height()

    def topLevelNodes(self) -> list[Node]:
        return [Node(self)]

    def activeNode(self) -> Node:
        return Node(self)

    def projection(self, x: int, y: int, w: int, h: int) -> QtGui.QImage:
        return self._image.copy(x, y, w, h)

    def selection(self) -> Selection | None:
        return self._selection

    def setSelection(self, selection: Selection | None) -> None:
        self._selection = selection

    def crop(self, x: int, y: int, w: int, h: int) -> None:
        self._image = self._image.copy(x, y, w, h)

    def resizeImage(self, x: int, y: int, w: int, h: int) -> None:
        self._image = self._image.copy(x, y, w, h)

    def horizontalGuides(self) -> list[float]:
        return self._across

    def verticalGuides(self) -> list[float]:
        return self._down

    def setHorizontalGuides(self, lines: list[float]) -> None:
        self._across = lines

    def setVerticalGuides(self, lines: list[float]) -> None:
        self._down = lines

    def setGuidesVisible(self, visible: bool) -> None:
        pass


class View:
    def __init__(self, document: Document) -> None:
        self._document = document

    def document(self) -> Document:
        return self._document

    def selectedNodes(self) -> list[Node]:
        return [self._document.activeNode()]

    def showFloatingMessage(self, message: str, icon: QtGui.QIcon, ms: int, priority: int) -> None:
        Krita.instance().floating.append(message)


class Window(QtCore.QObject):
    def __init__(self, main: QtWidgets.QMainWindow) -> None:
        super().__init__()
        self._main = main
        self.actions: dict[str, QtGui.QAction] = {}

    def qwindow(self) -> QtWidgets.QMainWindow:
        return self._main

    def activeView(self) -> View | None:
        documents = Krita.instance().documents()
        return View(documents[0]) if documents else None

    def addView(self, document: Document) -> View:
        Krita.instance().open.insert(0, document)
        return View(document)

    def createAction(self, name: str, text: str, menu: str) -> QtGui.QAction:
        self.actions[name] = QtGui.QAction(text, self._main)
        return self.actions[name]


class Notifier(QtCore.QObject):
    applicationClosing = QtCore.pyqtSignal()
    viewClosed = QtCore.pyqtSignal(object)

    def setActive(self, value: bool) -> None:
        pass


class Extension(QtCore.QObject):
    pass


class DockWidget(QtWidgets.QDockWidget):
    pass


class DockWidgetFactoryBase:
    class DockPosition(enum.Enum):
        DockRight = 3


class DockWidgetFactory:
    def __init__(self, name: str, place: DockWidgetFactoryBase.DockPosition, kind: type) -> None:
        self.name, self.place, self.kind = name, place, kind


class Krita(QtCore.QObject):
    """What `instance` gives is the only one."""

    _instance: Krita | None = None

    def __init__(self) -> None:
        super().__init__()
        self._notifier = Notifier()
        self._settings: dict[tuple[str, str], str] = {}
        self.open: list[Document] = []
        self.window: Window | None = None
        self.extensions: list[Any] = []
        self.factories: list[DockWidgetFactory] = []
        self.floating: list[str] = []
        self.triggered: list[str] = []

    @classmethod
    def instance(cls) -> Krita:
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def addExtension(self, extension: Any) -> None:
        self.extensions.append(extension)

    def addDockWidgetFactory(self, factory: DockWidgetFactory) -> None:
        self.factories.append(factory)

    def notifier(self) -> Notifier:
        return self._notifier

    def documents(self) -> list[Document]:
        return self.open

    def views(self) -> list[View]:
        return [View(one) for one in self.open]

    def activeDocument(self) -> Document | None:
        return self.open[0] if self.open else None

    def action(self, name: str) -> QtGui.QAction | None:
        if name not in ("deselect", "select_all"):
            return None
        action = QtGui.QAction(name, self)
        action.triggered.connect(lambda *_of_qt: self.triggered.append(name))
        return action

    def activeWindow(self) -> Window | None:
        return self.window

    def readSetting(self, group: str, name: str, default: str) -> str:
        return self._settings.get((group, name), default)

    def writeSetting(self, group: str, name: str, value: str) -> None:
        self._settings[group, name] = value
