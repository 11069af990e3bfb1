"""Two daemons are started at once, with the command that users have: exactly one lives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from polling import PATIENCE_S, wait_until

from clipcrop_wire.client import Client


def test_of_two_daemons_exactly_one_lives_and_answers(short_path):
    path = short_path / "connection.json"
    for number in range(4):
        both = [start(path), start(path)]
        try:
            loser = first_to_end(both)
            winner = both[1 - both.index(loser)]

            assert loser.returncode == 0
            told = json.loads(loser.stdout.read())
            assert (told["is_new"], told["pid"]) == (False, winner.pid)
            assert winner.poll() is None
            with Client(path) as client:
                assert client.status().pid == winner.pid
                if number % 2:  # the next two find leftovers
                    winner.kill()
                else:
                    client.shutdown()
            assert winner.wait(PATIENCE_S) == (-9 if number % 2 else 0)
        finally:
            for one in both:
                one.kill()
                one.wait()
                one.stdout.close()


def start(path: Path) -> subprocess.Popen:
    """The real one, without a model: nobody asks for one here."""
    command = [sys.executable, "-m", "clipcrop_daemon", "run", "--json"]
    command += ["--connection-file", str(path), "--log-file", str(path.with_name("log"))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def first_to_end(both: list[subprocess.Popen]) -> subprocess.Popen:
    return wait_until(lambda: next((one for one in both if one.poll() is not None), None))
