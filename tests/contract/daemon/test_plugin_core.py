"""The plug-ins' common half and the real daemon: only the model is a fake."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from select_loop import SelectLoop

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.config import Config
from clipcrop_plugin.daemon_client import DaemonClient
from clipcrop_plugin.geometry import Placement, Size
from clipcrop_plugin.launcher import Launcher
from clipcrop_plugin.picture import Picture, Raster
from clipcrop_plugin.session import ASKING, FAILED, READY, STARTING, Session
from clipcrop_wire.endpoint import read_connection_file

pytestmark = pytest.mark.slow

FRONT = Path(__file__).parents[2] / "fakes" / "front_with_fake_model.py"
LONGEST_S = 30.0


@pytest.fixture
def loop() -> SelectLoop:
    """A main loop."""
    return SelectLoop()


@pytest.fixture
def link_to(loop: SelectLoop) -> Iterator[Callable[..., DaemonClient]]:
    """Makes links to a connection file, perhaps with a command that starts the daemon."""
    made: list[tuple[DaemonClient, Launcher]] = []

    def make(path: Path, *start_command: str) -> DaemonClient:
        config = Config(path, start_command)
        launcher = Launcher(config)
        made.append((DaemonClient(config, loop, "a plug-in", launcher), launcher))
        return made[-1][0]

    yield make
    for client, launcher in made:
        client.close()
        if launcher.process is not None:
            launcher.process.terminate()
            launcher.process.wait(120)


@pytest.fixture
def picture() -> Callable[..., Picture]:
    """Makes small pictures of a canvas; each number is another one."""

    def make(number: int = 0, placement: Placement | None = None) -> Picture:
        pixels = bytes([number]) + bytes(range(240)) * 20
        place = placement or Placement.of_canvas(Size(400, 400))
        return Picture.of(pixels[:4800], 40, 40, "rgb8", place)

    return make


@pytest.fixture
def wait(loop: SelectLoop) -> Callable[..., None]:
    """Runs the loop until sessions have their answers."""

    def wait_for(*sessions: Session) -> None:
        assert loop.run_until(lambda: not any(one.is_busy for one in sessions), LONGEST_S)

    return wait_for


@pytest.fixture
def run_until(loop: SelectLoop) -> Callable[[Callable[[], bool]], None]:
    """Runs the loop until something is so."""

    def run(is_so: Callable[[], bool]) -> None:
        assert loop.run_until(is_so, LONGEST_S)

    return run


def test_a_picture_is_asked_about_and_asked_about_again(daemon, link_to, picture, wait):
    session = Session(link_to(daemon.path))

    session.ask(picture(), Choices("the dog", ("a car",), "3:2"))
    wait(session)
    first = session.reply
    session.ask_again(Choices("the cat", aspect="1:1"))
    wait(session)

    assert session.state == READY
    assert first is not None
    assert first.is_image_cached
    assert session.current is not None
    assert session.current.quality == 0.75


def test_an_example_travels_with_the_picture(daemon, link_to, picture, wait):
    session = Session(link_to(daemon.path))

    session.ask(picture(), Choices(example="selection"), Raster(bytes(300), 10, 10, "rgb8"))
    wait(session)

    assert session.status == "1 suggestion."


def test_work_is_cancelled_and_the_next_question_is_answered(
    daemon, link_to, picture, wait, run_until
):
    session = Session(link_to(daemon.path))
    session.ask(picture(), Choices("steps 1000"))
    run_until(lambda: "Looking" in session.status)

    started = time.monotonic()
    session.cancel()
    session.ask_again(Choices("the dog"))
    wait(session)

    assert session.state == READY
    assert time.monotonic() - started < 25


def test_a_daemon_that_is_killed_is_told_and_the_next_one_is_found(
    start, link_to, picture, wait, run_until
):
    daemon = start()
    session = Session(link_to(daemon.path))
    session.ask(picture(), Choices("sleep 20"))
    run_until(lambda: "Looking" in session.status)

    daemon.kill()
    wait(session)
    assert (session.state, "ended while it was working" in session.status) == (FAILED, True)

    session.ask_again(Choices("the dog"))
    wait(session)
    assert "not running" in session.status

    start()
    session.ask_again(Choices("the dog"))
    wait(session)
    assert session.state == READY


def test_a_stopped_process_does_not_hold_the_editor_up(daemon, link_to, picture, wait):
    """One that hangs takes connections, but says nothing."""
    os.kill(daemon.process.pid, signal.SIGSTOP)
    session = Session(link_to(daemon.path), timeout_s=3.0)

    started = time.monotonic()
    session.ask(picture(), Choices("the dog"))
    asked_s = time.monotonic() - started
    wait(session)
    os.kill(daemon.process.pid, signal.SIGCONT)

    assert asked_s < 1.5
    assert session.state == FAILED
    assert "in time" in session.status


@pytest.fixture
def front(short_path: Path) -> tuple[str, ...]:
    """The command that starts a daemon in ``short_path``, as a plug-in would."""
    options = {"settings": {"connection_file": str(short_path / "connection.json")}}
    return (sys.executable, str(FRONT), json.dumps(options))


def test_a_daemon_that_does_not_run_is_started(link_to, picture, wait, short_path, front):
    seen: list[str] = []
    session = Session(
        link_to(short_path / "connection.json", *front), lambda: seen.append(session.state)
    )

    session.ask(picture(), Choices("load 0.6"))
    wait(session)

    assert session.state == READY, session.status
    assert list(dict.fromkeys(seen)) == [ASKING, STARTING, READY]
    pid = read_connection_file(short_path / "connection.json").pid
    assert os.getsid(pid) == pid  # it outlives the editor


def test_two_editors_that_start_it_at_once_share_one_daemon(
    link_to, picture, wait, short_path, front
):
    path = short_path / "connection.json"
    sessions = [Session(link_to(path, *front)) for _ in range(2)]

    for session in sessions:
        session.ask(picture(), Choices("the dog"))
    wait(*sessions)

    assert [session.state for session in sessions] == [READY, READY]
    info = read_connection_file(path)
    assert psutil.pid_exists(info.pid)
