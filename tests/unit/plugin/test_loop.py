from __future__ import annotations

import socket
import time

import pytest

from clipcrop_plugin.loop import SelectLoop


@pytest.fixture
def pair():
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_timers_are_called_in_their_order(loop):
    called = []
    loop.call_after(0.02, lambda: called.append("late"))
    loop.call_after(0.0, lambda: called.append("soon"))
    loop.call_after(0.0, lambda: called.append("then"))

    assert loop.run_until(lambda: len(called) == 3, 5)
    assert called == ["soon", "then", "late"]


def test_a_cancelled_timer_is_not_called(loop):
    called = []
    first = loop.call_after(0.0, lambda: second.cancel())
    second = loop.call_after(0.0, lambda: called.append("second"))
    third = loop.call_after(0.0, lambda: called.append("third"))
    third.cancel()
    first_again = loop.call_after(0.01, lambda: called.append("last"))

    loop.run_until(lambda: bool(called), 5)
    first.cancel()
    first_again.cancel()

    assert called == ["last"]


def test_a_socket_is_told_when_it_can_be_read_from(loop, pair):
    ours, theirs = pair
    heard = []
    loop.watch(ours.fileno(), False, lambda: heard.append(ours.recv(9)))
    loop.call_after(0.01, lambda: theirs.send(b"now"))

    assert loop.run_until(lambda: bool(heard), 5)
    assert heard == [b"now"]


def test_a_socket_can_be_watched_for_both(loop, pair):
    ours, theirs = pair
    told = []
    theirs.send(b"x")
    loop.watch(ours.fileno(), False, lambda: told.append("read"))
    loop.watch(ours.fileno(), True, lambda: told.append("write"))

    loop.run_until(lambda: len(told) >= 2, 5)

    assert told[:2] == ["read", "write"]


def test_a_watch_may_be_cancelled_by_the_one_before_it(loop, pair):
    ours, theirs = pair
    told = []
    theirs.send(b"x")

    def on_read():
        told.append("read")
        writer.cancel()
        writer.cancel()
        reader.cancel()

    reader = loop.watch(ours.fileno(), False, on_read)
    writer = loop.watch(ours.fileno(), True, lambda: told.append("write"))

    assert not loop.run_until(lambda: False, 5)
    assert told == ["read"]


def test_time_runs_out(loop, pair):
    ours, _theirs = pair
    loop.watch(ours.fileno(), False, lambda: None)
    started = time.monotonic()

    assert not loop.run_until(lambda: False, 0.05)
    assert 0.04 < time.monotonic() - started < 20


def test_a_loop_with_nothing_to_wait_for_ends_at_once():
    assert not SelectLoop().run_until(lambda: False, 60)
    assert SelectLoop().run_until(lambda: True, 0)


def test_an_error_in_a_callback_costs_no_other_its_turn(loop):
    called = []
    loop.call_after(0.0, lambda: 1 / 0)
    loop.call_after(0.0, lambda: called.append("after it"))

    with pytest.raises(ZeroDivisionError):
        loop.run_until(lambda: bool(called), 5)

    assert loop.run_until(lambda: bool(called), 5)


def test_a_cancelled_timer_is_not_waited_for(loop):
    loop.call_after(60, lambda: None).cancel()

    assert not loop.run_until(lambda: False, 60)
