"""Asking a loop to stop."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from clipcrop.training.interruption import asked_to_stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_once_and_then_has_its_usual_effect(number):
    before = signal.getsignal(number)

    with asked_to_stop() as is_stopped:
        assert not is_stopped()
        os.kill(os.getpid(), number)
        assert is_stopped()
        assert signal.getsignal(number) is before

    assert signal.getsignal(number) is before


def test_signals_are_not_asked_for_outside_of_the_main_thread():
    seen = []

    def look():
        with asked_to_stop() as is_stopped:
            seen.append(is_stopped())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert seen == [False]
