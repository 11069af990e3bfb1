"""The daemon is started by what starts it at login, if that can do it now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from fake_installation import FakeInstallation

from clipcrop_installer.daemon import StartDaemon
from clipcrop_installer.plan import Context

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
