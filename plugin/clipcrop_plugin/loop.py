"""What this package needs of an editor's event loop.

The shells implement `Loop` with GLib's sources and with Qt's notifiers and timers.
"""

from __future__ import annotations

from typing import Callable, Protocol


class Handle(Protocol):
    """A watch or a timer of the loop."""

    def cancel(self) -> None:
        """Never call back again; at any time, also from within the call, any number of times."""


class Loop(Protocol):
    """A main loop. It calls back one after another, on one thread, never from within these."""

    def watch(self, fileno: int, is_writing: bool, on_ready: Callable[[], None]) -> Handle:
        """Call whenever a socket can be read from, or with ``is_writing`` be written to.

        A socket may be watched for both, with a handle each. It may be closed before the handle
        is cancelled, which then follows at once.
        """

    def call_after(self, seconds: float, on_time: Callable[[], None]) -> Handle:
        """Call once, after so many seconds; 0 is soon."""
