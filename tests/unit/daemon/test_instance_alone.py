from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clipcrop_daemon.errors import AlreadyRunning
from clipcrop_daemon.instance import Instance, claim, is_claimed
from clipcrop_daemon.settings import Settings


def test_another_process_that_holds_the_lock_is_respected(
    settings: Settings, other_process: subprocess.Popen[str]
):
    assert is_claimed(settings.connection_file)
    with pytest.raises(AlreadyRunning, match=r"another daemon holds .*connection\.json\.lock"):
        claim(settings)


def test_a_killed_process_holds_nothing(settings: Settings, other_process: subprocess.Popen[str]):
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait(120)

    assert not is_claimed(settings.connection_file)
    claim(settings).close()


def test_a_claim_that_was_given_back_can_be_taken(settings: Settings):
    assert not is_claimed(settings.connection_file)
    with claim(settings):
        assert is_claimed(settings.connection_file)
    assert not is_claimed(settings.connection_file)


def test_of_fifty_threads_that_claim_at_once_exactly_one_holds(settings: Settings):
    start = threading.Barrier(50)

    def attempt(_: int) -> Instance | None:
        start.wait(120)
        try:
            return claim(settings)
        except AlreadyRunning:
            return None

    with ThreadPoolExecutor(50) as pool:
        won = [one for one in pool.map(attempt, range(50)) if one is not None]

    assert len(won) == 1
    won[0].close()


FIFTY_CLAIMS = """
import os, sys
from pathlib import Path
from clipcrop_daemon.errors import AlreadyRunning
from clipcrop_daemon.instance import claim
from clipcrop_daemon.settings import Settings

settings = Settings(connection_file=Path(sys.argv[1]))
start, told, end = os.pipe(), os.pipe(), os.pipe()
for _ in range(50):  # forked: fifty interpreters would take half a minute to start
    if os.fork() == 0:
        os.close(end[1])
        os.read(start[0], 1)
        try:
            instance = claim(settings)
        except AlreadyRunning:
            os.write(told[1], b"-")
        else:
            os.write(told[1], b"+")
            os.read(end[0], 1)
        os._exit(0)
os.write(start[1], bytes(50))
answers = b""
while len(answers) < 50:
    answers += os.read(told[0], 50)
os.close(end[1])
statuses = [os.wait()[1] for _ in range(50)]
print(answers.count(b"+"), answers.count(b"-"), set(statuses))
"""


def test_of_fifty_processes_that_claim_at_once_exactly_one_holds(settings: Settings):
    command = [sys.executable, "-c", FIFTY_CLAIMS, str(settings.connection_file)]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (result.stdout, result.stderr) == ("1 49 {0}\n", "")
