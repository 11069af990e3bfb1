"""A Krita plug-in for tests only: runs Python that comes over a unix socket, answers in JSON.

On the GUI thread, so a test can look into a Krita whose window it drives. One connection is one
request: source, end of file, answer.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from typing import Any

from PyQt5.QtCore import QSocketNotifier

from krita import Extension, Krita

from . import tools


def answer(source: str) -> dict[str, Any]:
    """What ``result`` is after running it, or the traceback."""
    names: dict[str, Any] = {**vars(tools), "result": None}
    try:
        exec(compile(source, "<test>", "exec"), names)
        json.dumps(names["result"])
    except BaseException:
        return {"error": traceback.format_exc()}
    return {"result": names["result"]}


class Probe(Extension):
    """Listens until Krita ends."""

    def setup(self) -> None:
        sys.excepthook = self._note_failure
        self.failures: list[str] = tools.failures
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.environ["CLIPCROP_PROBE"])
        self._listener.listen(4)
        self._notifier = QSocketNotifier(self._listener.fileno(), QSocketNotifier.Read)
        self._notifier.activated.connect(self._on_connection)

    def createActions(self, window: Any) -> None:  # noqa: N802 - Krita's name
        tools.has_window.append(True)

    def _note_failure(self, kind: Any, error: Any, trace: Any) -> None:
        """An exception that left a slot: no test may pass over it."""
        self.failures.append("".join(traceback.format_exception(kind, error, trace)))

    def _on_connection(self, *_: object) -> None:
        connection, _address = self._listener.accept()
        with connection, connection.makefile("rwb") as file:
            source = file.read().decode("utf-8")
            try:
                file.write(json.dumps(answer(source)).encode("utf-8"))
                file.flush()
            except OSError:
                pass  # the test waits no longer


Krita.instance().addExtension(Probe(Krita.instance()))
