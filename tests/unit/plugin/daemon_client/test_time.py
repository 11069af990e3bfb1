from __future__ import annotations

from asked_client import error_to, never, suggestions

from clipcrop_wire.errors import (
    Cancelled,
    RequestTimeout,
)


def test_time_runs_out_while_the_daemon_works(ask, wait, daemon):
    daemon.reply_of["suggest"] = never

    assert isinstance(wait(ask(timeout_s=0.2)), RequestTimeout)
    assert daemon.cancelled.wait(120)


def test_time_runs_out_while_the_listener_says_nothing(ask, wait, daemon):
    daemon.is_mute = True

    assert isinstance(wait(ask(timeout_s=0.2)), RequestTimeout)
    assert suggestions(daemon) == []


def test_time_runs_out_in_the_queue(ask, wait, daemon):
    daemon.reply_of["suggest"] = never
    ask()
    ask()

    assert isinstance(wait(ask(timeout_s=0.2)), RequestTimeout)


def test_time_runs_out_at_the_daemon_first(ask, wait, daemon):
    daemon.reply_of["suggest"] = error_to(Cancelled("time is over"))

    assert isinstance(wait(ask(timeout_s=0.9)), RequestTimeout)
