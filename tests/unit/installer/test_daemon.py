from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_home import FakeHome, errors_of
from fake_installation import FakeInstallation
from fake_programs import FakePrograms
from polling import wait_until

from clipcrop_installer.daemon import StartDaemon
from clipcrop_installer.plan import Context
from clipcrop_installer.process import start_detached
from clipcrop_installer.programs import Environment


def test_windows_starts_the_daemon_without_a_window():
    environment = Environment(Path("E", "Scripts", "python.exe"), "win32")

    assert environment.daemon_command == (
        str(Path("E", "Scripts", "pythonw.exe")),
        *("-I", "-m", "clipcrop_daemon", "run"),
    )
    assert environment.program("clipcrop") == Path("E", "Scripts", "clipcrop.exe")


def test_a_program_that_is_started_is_left_to_itself(tmp_path: Path):
    code = (
        "import os, sys; open('there.part', 'w').write(f'{os.getsid(0) == os.getpid()} '"
        " + os.environ['X']); os.rename('there.part', 'there')"
    )

    start_detached([sys.executable, "-c", code], folder=tmp_path, variables={"X": "y"})

    wait_until((tmp_path / "there").exists)
    assert (tmp_path / "there").read_text() == "True y"


def test_a_daemon_that_takes_its_time_is_waited_for(user: FakeHome):
    pings = []

    class SlowPrograms(FakePrograms):
        """The daemon answers at the fourth ping."""

        def __call__(self, command: Sequence[str | Path], **rest: Any) -> int:
            if list(command[1:]) == ["ping"]:
                pings.append(command)
                if len(pings) < 4:
                    return 1
            return super().__call__(command, **rest)

    user.programs = SlowPrograms(user.programs.folder)
    user.release("1")

    assert errors_of(user.install()) == {}
    assert len(pings) == 4


def test_an_environment_without_a_package_is_told(user: FakeHome):
    user.programs.failing = {"find_spec": (1, "ModuleNotFoundError")}

    (result,) = user.install()

    assert "packages are missing in the environment" in str(result.error)


RESTART = ("systemctl", "--user", "restart", "clipcrop-daemon.service")


class FakeSession:
    """No daemon answers until one was started, by it or by us."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        self.started_by: list[str] = []

    def run(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        if tuple(command) != RESTART:
            return 0 if self.started_by else 1  # a ping
        if self.exit_code == 0:
            self.started_by.append("session")
        return self.exit_code

    def start(
        self, command: Sequence[str | Path], *, folder: Path, variables: Mapping[str, str]
    ) -> None:
        self.started_by.append("us")


@pytest.mark.parametrize(
    ("exit_code", "by_session", "started_by"),
    [
        pytest.param(0, (RESTART,), "session", id="it can"),
        pytest.param(1, (RESTART,), "us", id="it cannot"),
        pytest.param(0, (), "us", id="there is no such thing"),
    ],
)
def test_the_daemon_is_started_by_the_session_if_it_can(
    exit_code: int, by_session: tuple[tuple[str, ...], ...], started_by: str, home: Path
):
    session = FakeSession(exit_code)
    inspected = FakeInstallation(home).inspected
    assert inspected.environment is not None
    machine, disk = inspected.context.machine, inspected.context.disk
    context = Context(machine, disk, session.run, lambda line: None, session.start)

    step = StartDaemon(inspected.environment, inspected.places, by_session)
    step.apply(context, inspected.manifest)

    assert session.started_by == [started_by]
