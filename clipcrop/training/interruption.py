"""Ctrl-C, and a polite request to end, as something that a loop can look at between two steps."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether Ctrl-C was pressed, or the process was asked to end.

    The second time has its usual effect. Outside of the main thread, where
    Python has no signals, it never asks.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in _ASKING}

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        give_back()

    for number in _ASKING:
        signal.signal(number, note)
    try:
        yield asked.is_set
    finally:
        give_back()
