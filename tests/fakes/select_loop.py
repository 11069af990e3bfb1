"""An event loop of the standard library, for tests of what runs in editors.

Everything here runs on Python 3.8, as the plug-ins do.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import time
from typing import Callable

from clipcrop_plugin.loop import Handle


class SelectLoop:
    """Implements `clipcrop_plugin.loop.Loop`; runs only within `run_until`."""

    def __init__(self) -> None:
        self._watches: list[_Watch] = []
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = itertools.count()

    def watch(self, fileno: int, is_writing: bool, on_ready: Callable[[], None]) -> Handle:
        """See `Loop`."""
        watch = _Watch(self._watches, fileno, is_writing, on_ready)
        self._watches.append(watch)
        return watch

    def call_after(self, seconds: float, on_time: Callable[[], None]) -> Handle:
        """See `Loop`."""
        timer = _Timer(on_time)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._count), timer))
        return timer

    def run_until(self, is_done: Callable[[], bool], timeout_s: float) -> bool:
        """Run until something is so -> whether it is.

        Ends early when nothing is left that could still happen.
        """
        deadline = time.monotonic() + timeout_s
        while not is_done():
            while self._timers and self._timers[0][2].is_cancelled:
                heapq.heappop(self._timers)
            left = deadline - time.monotonic()
            if left <= 0 or not (self._watches or self._timers):
                return False
            self._turn(left)
        return True

    def _turn(self, seconds: float) -> None:
        """Wait for what comes first, then call back."""
        if self._timers:
            seconds = min(seconds, max(0.0, self._timers[0][0] - time.monotonic()))
        for watch in self._ready(seconds):
            if not watch.is_cancelled:  # by one before it
                watch.on_ready()
        now, later = time.monotonic(), next(self._count)  # what is added now is for another turn
        while self._timers and self._timers[0][:2] < (now, later):
            timer = heapq.heappop(self._timers)[2]
            if not timer.is_cancelled:
                timer.on_time()

    def _ready(self, seconds: float) -> list[_Watch]:
        if not self._watches:  # which not every system can select
            time.sleep(seconds)
            return []
        events: dict[int, int] = {}
        for watch in self._watches:
            events[watch.fileno] = events.get(watch.fileno, 0) | watch.event
        with selectors.DefaultSelector() as selector:
            for fileno, wanted in events.items():
                selector.register(fileno, wanted)
            found = {key.fd: mask for key, mask in selector.select(seconds)}
        return [watch for watch in self._watches if found.get(watch.fileno, 0) & watch.event]


class _Watch:
    def __init__(
        self, all_of_them: list[_Watch], fileno: int, is_writing: bool, on_ready: Callable[[], None]
    ) -> None:
        self.fileno = fileno
        self.event = selectors.EVENT_WRITE if is_writing else selectors.EVENT_READ
        self.on_ready = on_ready
        self.is_cancelled = False
        self._all = all_of_them

    def cancel(self) -> None:
        if not self.is_cancelled:
            self.is_cancelled = True
            self._all.remove(self)


class _Timer:
    def __init__(self, on_time: Callable[[], None]) -> None:
        self.on_time = on_time
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
