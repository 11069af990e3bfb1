"""Signals to the daemon, and what systemd is told."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from clipcrop_wire.errors import Cancelled

SOON_S = 20.0
STATES = [
    pytest.param("", "idle", id="idle"),
    pytest.param("load 60", "loading", id="loading"),
    pytest.param("sleep 60", "working", id="working"),
]


@pytest.fixture(autouse=True)
def _no_nohup() -> Iterator[None]:
    """These tests may be run under nohup, which daemons would inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize(("prompt", "state"), STATES)
def test_a_signal_ends_it_soon_and_leaves_nothing(daemon, begin, suggest, number, prompt, state):
    with daemon.client() as client:
        if prompt:
            waiting = begin(daemon, client, prompt, state)
        else:
            suggest(client)
        started = time.monotonic()

        daemon.process.send_signal(number)

        assert daemon.process.wait(120) == 0
        assert time.monotonic() - started < SOON_S
        if prompt:
            with pytest.raises(Cancelled, match="stopping"):
                waiting.result(SOON_S)
    assert not daemon.path.exists()
    assert list((daemon.folder / "sockets").iterdir()) == []


def test_many_signals_end_it_as_one_does(daemon, begin):
    with daemon.client() as client:
        waiting = begin(daemon, client, "sleep 60", "working")

        while daemon.process.poll() is None:
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.process.send_signal(signal.SIGINT)

        with pytest.raises(Cancelled):
            waiting.result(SOON_S)
    assert daemon.process.returncode == 0
    assert not daemon.path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_model_too_ends_it_as_well(start, begin, number):
    # Ctrl-C, a terminal that is closed, or systemd: all processes of the group get it.
    daemon = start(prefix=["setsid"])
    with daemon.client() as client:
        waiting = begin(daemon, client, "sleep 60", "working")

        os.killpg(daemon.process.pid, number)

        with pytest.raises(Cancelled, match="stopping"):
            waiting.result(SOON_S)
    assert daemon.process.wait(120) == 0


def test_a_daemon_under_nohup_stays_when_the_terminal_goes(start, suggest):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a child inherits that
    try:
        daemon = start()
    finally:
        signal.signal(signal.SIGHUP, before)

    daemon.process.send_signal(signal.SIGHUP)

    with daemon.client() as client:
        assert suggest(client).suggestions


@pytest.mark.skipif(sys.platform == "win32", reason="systemd is Linux's")
def test_systemd_hears_ready_once_clients_can_connect_and_then_of_the_end(
    start, short_path, monkeypatch
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(short_path / "notify"))
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(short_path / "notify"))

        daemon = start(is_awaited=False)
        ready = systemd.recv(1000)
        with daemon.client() as client:  # at the first attempt
            client.ping(SOON_S)
        os.kill(daemon.process.pid, signal.SIGTERM)
        stopping = systemd.recv(1000)

        assert b"READY=1" in ready.split(b"\n")
        assert b"STOPPING=1" in stopping.split(b"\n")
        assert daemon.process.wait(120) == 0
