"""Clients that are killed, or go away, at the worst moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DOOMED = Path(__file__).parents[2] / "fakes" / "doomed_client.py"


@pytest.fixture
def doom(daemon) -> Iterator[Callable[[str, str], subprocess.Popen]]:
    """Starts a client process that never ends by itself; see `doomed_client`."""
    started: list[subprocess.Popen] = []

    def doom_one(prompt: str, size_px: int = 40) -> subprocess.Popen:
        command = [sys.executable, str(DOOMED), str(daemon.path), prompt, str(size_px)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        started.append(process)
        assert process.stdout.readline() == "connected\n"
        return process

    yield doom_one
    for process in started:
        process.kill()
        process.communicate()


def go_on(process: subprocess.Popen) -> str:
    """Let a doomed client send; what it says then."""
    process.stdin.write("\n")
    return process.stdout.readline()


def test_half_a_message_of_a_killed_client_is_forgotten(daemon, doom, suggest, wait_for):
    front = daemon.front()
    with daemon.client() as client:
        suggest(client)
        num_done = client.status().num_done
        before = front.num_fds()
        process = doom("never asked", size_px=4096)
        daemon.process.send_signal(signal.SIGSTOP)  # else it might read all there is
        said = go_on(process)
        process.kill()
        process.wait()
        daemon.process.send_signal(signal.SIGCONT)

        assert said == "half\n"
        assert suggest(client).suggestions
        wait_for(lambda: front.num_fds() == before)
        assert client.status().num_done == num_done + 1
        assert client.status().num_queued == 0


def test_work_for_a_killed_client_is_cancelled_between_stages(daemon, doom, suggest, wait_for):
    front = daemon.front()
    with daemon.client() as client:
        suggest(client)
        client.ping()
        before = front.num_fds()
        process = doom("steps 1000")
        go_on(process)
        wait_for(lambda: client.status().state == "working")

        process.kill()

        wait_for(lambda: client.status().state == "idle")
        assert "outcome=cancelled" in daemon.text()
        assert suggest(client).suggestions
        wait_for(lambda: front.num_fds() == before)


def test_a_waiting_request_of_a_killed_client_is_not_worked_on(
    daemon, doom, suggest, begin, wait_for
):
    front = daemon.front()
    with daemon.client() as client, daemon.client() as control:
        suggest(client)
        control.ping()
        before = front.num_fds()
        process = doom("sleep 60")
        first = begin(daemon, client, "sleep 1", "working")
        go_on(process)
        wait_for(lambda: control.status().num_queued == 1)

        process.kill()

        assert first.result(120).suggestions
        wait_for(lambda: "outcome=client_gone" in daemon.text())
        status = control.status()
        assert (status.state, status.num_queued) == ("idle", 0)
        wait_for(lambda: front.num_fds() == before)


def test_clients_that_come_and_go_leave_nothing(daemon, suggest, wait_for):
    front = daemon.front()
    with daemon.client() as watcher:
        suggest(watcher)
        before = front.num_fds()
        for _ in range(50):
            with daemon.client() as client:
                assert suggest(client).suggestions

        wait_for(lambda: front.num_fds() == before)
