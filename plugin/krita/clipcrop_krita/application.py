"""One for all of Krita: the way to the daemon, and a preview for each document."""

from __future__ import annotations

from typing import Any, Callable

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.config import read_config
from clipcrop_plugin.daemon_client import DaemonClient
from clipcrop_plugin.errors import NothingToCrop
from clipcrop_plugin.preview import Preview
from clipcrop_plugin.texts import _
from krita import Krita

from .canvas import KritaCanvas
from .main_loop import QtLoop
from .memory import memory

Listener = Callable[[Preview], None]

_application: Application | None = None


def the_application() -> Application:
    """The one application, opened at first use."""
    global _application
    if _application is None:
        _application = Application()
    return _application


class Application:
    """Finds a document's preview, and tells the panels what happens on it."""

    def __init__(self) -> None:
        """Ask nothing yet."""
        self._loop = QtLoop(self._tell_failure)
        self._client = DaemonClient(read_config(), self._loop, "Krita plug-in")
        self._previews: list[Preview] = []
        self._listeners: list[tuple[Listener, Callable[[Exception], None]]] = []
        self._is_warm = False

        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self.close)
        notifier.viewClosed.connect(self._on_view_closed)

    def preview_of(self, document: Any) -> Preview:
        """Its preview, a new one if there is none."""
        self._clear()
        for preview in self._previews:
            if preview.canvas.document == document:
                return preview
        preview = Preview(KritaCanvas(document), self._client)
        preview.on_change = lambda: self._notify(preview)
        self._previews.append(preview)
        return preview

    def active_preview(self) -> Preview:
        """That of the document in front.

        Raises:
            NothingToCrop: there is no document.
        """
        document = Krita.instance().activeDocument()
        if document is None:
            raise NothingToCrop(_("No image is open. Open a photo first."))
        return self.preview_of(document)

    def ask(self, preview: Preview, choices: Choices) -> None:
        """Ask about the image as it is now, and remember what was asked.

        Raises:
            PluginError: there is nothing to ask about.
        """
        preview.ask(choices)
        memory.remember(choices)

    def warm(self) -> None:
        """Have the daemon started and the model loaded, while the user still types; once."""
        if not self._is_warm:
            self._is_warm = True
            self._client.warm()

    def listen(
        self, on_change: Listener, on_failure: Callable[[Exception], None]
    ) -> Callable[[], None]:
        """Have it told what happens -> ends it.

        Args:
            on_change: Told of all changes, with the preview.
            on_failure: Called with exceptions that no other handler takes.
        """
        pair = (on_change, on_failure)
        self._listeners.append(pair)
        return lambda: self._listeners.remove(pair)

    def close(self) -> None:
        """Krita ends: nothing is waited for."""
        self._client.close()

    def _clear(self) -> None:
        """Forget documents that were closed."""
        for preview in [one for one in self._previews if not one.is_open]:
            preview.close()
            self._previews.remove(preview)

    def _on_view_closed(self, *_view: object) -> None:
        # The document is closed a moment later, if this was its last view.
        self._loop.call_after(0.0, self._clear)

    def _notify(self, preview: Preview) -> None:
        for on_change, _on_failure in list(self._listeners):
            on_change(preview)

    def _tell_failure(self, error: Exception) -> None:
        for _on_change, on_failure in list(self._listeners):
            on_failure(error)
