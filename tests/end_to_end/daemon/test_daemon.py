"""As a user would: the installed commands, an empty home, the lite model, a photo."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Run:
    """Runs a command of ours to its end."""

    def command(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        path = Path(sys.executable).with_name(program)
        return subprocess.run(
            [path, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    return command


@pytest.fixture
def daemon(run: Run) -> Iterator[subprocess.Popen[str]]:
    """``clipcrop-daemon run``, until the test's end."""
    program = Path(sys.executable).with_name("clipcrop-daemon")
    process = subprocess.Popen([program, "run"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 20
    while run("clipcrop-daemon", "ping").returncode:
        assert process.poll() is None
        assert time.monotonic() < deadline
    yield process
    process.terminate()
    process.communicate(timeout=20)


def test_crops_through_the_daemon_are_those_of_the_library(
    run: Run, daemon: subprocess.Popen[str], astronaut_path: Path
):
    request = ("suggest", astronaut_path, "the woman", "--aspect", "3:2", "--json")

    through_it = run("clipcrop", *request, "--daemon")
    directly = run("clipcrop", *request)

    assert through_it.returncode == 0, through_it.stderr
    theirs, ours = json.loads(through_it.stdout), json.loads(directly.stdout)
    assert theirs["suggestions"]
    assert {**theirs, "seconds": None} == {**ours, "seconds": None}


def test_the_commands_tell_what_the_daemon_holds(
    run: Run, daemon: subprocess.Popen[str], astronaut_path: Path
):
    assert json.loads(run("clipcrop-daemon", "warm", "--json").stdout)["model"] == "lite"
    run("clipcrop", "suggest", astronaut_path, "the woman", "--daemon")

    status = json.loads(run("clipcrop-daemon", "status", "--json").stdout)
    assert (status["loaded"], status["num_cached_images"]) == (["lite"], 1)
    assert json.loads(run("clipcrop-daemon", "unload", "--json").stdout)["unloaded"] == ["lite"]
    assert json.loads(run("clipcrop-daemon", "status", "--json").stdout)["loaded"] == []

    again = run("clipcrop-daemon", "run")
    assert again.returncode == 0
    assert f"already running: process {daemon.pid}" in again.stdout
    assert run("clipcrop-daemon", "stop").returncode == 0
    assert daemon.wait(20) == 0


def test_without_a_daemon_it_is_said_how_to_start_one(run: Run, astronaut_path: Path):
    suggest = run("clipcrop", "suggest", astronaut_path, "the woman", "--daemon")
    ping = run("clipcrop-daemon", "ping")

    assert suggest.returncode == 2
    assert "clipcrop-daemon run" in suggest.stderr
    assert ping.returncode == 1
    assert ping.stderr.startswith("error: ")


def test_the_log_of_all_that_has_no_prompt_in_it(
    run: Run, daemon: subprocess.Popen[str], astronaut_path: Path, home: Path
):
    run("clipcrop", "suggest", astronaut_path, "the purple woman", "--daemon")

    (log,) = home.rglob("daemon.log")
    text = log.read_text(encoding="utf-8")
    assert "outcome=ok" in text
    assert "purple" not in text
    assert "astronaut" not in text
