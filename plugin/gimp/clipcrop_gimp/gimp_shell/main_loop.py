"""GIMP's main loop, as `clipcrop_plugin.loop.Loop` wants one."""

from __future__ import annotations

import sys
from typing import Any, Callable

from gi.repository import GLib

_MILLISECONDS = 1000


class GLibLoop:
    """Sources of GLib's default context, in which GIMP's own messages and windows live too."""

    def watch(self, fileno: int, is_writing: bool, on_ready: Callable[[], None]) -> Source:
        """See `Loop`."""
        wanted = GLib.IOCondition.OUT if is_writing else GLib.IOCondition.IN
        # A lost connection is for its owner to find, by reading.
        condition = wanted | GLib.IOCondition.HUP | GLib.IOCondition.ERR
        if sys.platform == "win32":
            channel = GLib.IOChannel.win32_new_socket(fileno)
        else:
            channel = GLib.IOChannel.unix_new(fileno)
        return Source(
            lambda call: GLib.io_add_watch(channel, GLib.PRIORITY_DEFAULT, condition, call),
            on_ready,
            is_lasting=True,
        )

    def call_after(self, seconds: float, on_time: Callable[[], None]) -> Source:
        """See `Loop`."""
        milliseconds = max(0, round(seconds * _MILLISECONDS))
        return Source(lambda call: GLib.timeout_add(milliseconds, call), on_time, is_lasting=False)

    def run_until(self, is_done: Callable[[], bool], timeout_s: float) -> bool:
        """Run the loop until a condition holds, or time is up -> whether it holds.

        Windows stay alive meanwhile.
        """
        is_over: list[bool] = []
        timer = self.call_after(timeout_s, lambda: is_over.append(True))
        try:
            while not (is_done() or is_over):
                GLib.MainContext.default().iteration(True)
        finally:
            timer.cancel()
        return is_done()


class Source:
    """A `Handle` on a source of GLib's."""

    def __init__(
        self,
        add: Callable[[Callable[..., bool]], int],
        on_call: Callable[[], None],
        *,
        is_lasting: bool,
    ) -> None:
        self._on_call = on_call
        self._is_lasting = is_lasting
        self._id: int | None = add(self._call)

    def cancel(self) -> None:
        """See `Handle`."""
        if self._id is not None:
            number, self._id = self._id, None
            GLib.source_remove(number)

    def _call(self, *_: Any) -> bool:
        if not self._is_lasting:
            self._id = None
        self._on_call()
        return self._is_lasting and self._id is not None
