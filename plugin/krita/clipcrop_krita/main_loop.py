"""Qt's event loop, as `clipcrop_plugin.loop.Loop` wants one."""

from __future__ import annotations

import math
from typing import Any, Callable

from .guard import guarded
from .qt import QtCore

_MILLISECONDS = 1000


class QtLoop:
    """Notifiers and timers of the GUI thread; none outlives this."""

    def __init__(self, on_failure: Callable[[Exception], None]) -> None:
        """Ask for nothing yet.

        Args:
            on_failure: Told what a callback raised, which is a bug.
        """
        self._parent = QtCore.QObject()
        self._on_failure = on_failure

    def watch(self, fileno: int, is_writing: bool, on_ready: Callable[[], None]) -> Source:
        """See `Loop`."""
        kinds = QtCore.QSocketNotifier.Type
        kind = kinds.Write if is_writing else kinds.Read
        notifier = QtCore.QSocketNotifier(fileno, kind, self._parent)
        source = Source(notifier, lambda: notifier.setEnabled(False))
        notifier.activated.connect(guarded(source.call_if_wanted(on_ready), self._on_failure))
        return source

    def call_after(self, seconds: float, on_time: Callable[[], None]) -> Source:
        """See `Loop`."""
        timer = QtCore.QTimer(self._parent)
        timer.setSingleShot(True)
        source = Source(timer, timer.stop)

        def fire() -> None:
            source.cancel()
            on_time()

        timer.timeout.connect(guarded(source.call_if_wanted(fire), self._on_failure))
        timer.start(max(0, math.ceil(seconds * _MILLISECONDS)))
        return source


class Source:
    """A `Handle` on an object of Qt's."""

    def __init__(self, qt_object: Any, stop: Callable[[], None]) -> None:
        self._object: Any = qt_object
        self._stop = stop

    def cancel(self) -> None:
        """See `Handle`."""
        if self._object is not None:
            gone, self._object = self._object, None
            self._stop()
            gone.deleteLater()  # not at once: it may be calling

    def call_if_wanted(self, call: Callable[[], None]) -> Callable[[], None]:
        """Wrap a call so that it does nothing after `cancel`."""

        def wanted() -> None:
            if self._object is not None:
                call()

        return wanted
