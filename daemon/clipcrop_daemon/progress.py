"""Tells what a slow stage is about, and nothing of quick ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from clipcrop_wire import protocol
from clipcrop_wire.messages import Progress

PROGRESS_AFTER_S = 0.1
"""Delay of the first report and time between two, in seconds: faster ones cannot be read."""


class ProgressTeller:
    """Sends, from a thread of its own, the last stage that was entered.

    Reporting a stage does not block the work, and a quick request sends no reports.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        """``send`` takes a header."""
        self._send = send
        self._has_untold = threading.Condition()
        self._untold: tuple[str, Progress] | None = None
        self._untold_since_s = 0.0
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def enter(self, request_id: str, stage: str, text: str) -> None:
        """A stage begins."""
        with self._has_untold:
            if self._untold is None:  # many short stages are told, too, now and then
                self._untold_since_s = time.monotonic()
                self._has_untold.notify()
            self._untold = (request_id, Progress(stage, None, text))

    def end(self) -> None:
        """The request is answered: nothing is told of it any more."""
        with self._has_untold:
            self._untold = None

    def _run(self) -> None:
        with self._has_untold:
            while True:
                if self._untold is None:
                    self._has_untold.wait()
                elif (left_s := self._untold_since_s + PROGRESS_AFTER_S - time.monotonic()) > 0:
                    self._has_untold.wait(left_s)
                else:
                    # Sent before `end` can return: progress never comes after the answer.
                    self._send(protocol.encode_progress(*self._untold))
                    self._untold = None
