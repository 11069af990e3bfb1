from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fake_home import FakeHome, errors_of
from fake_programs import FakePrograms
from polling import wait_until

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
