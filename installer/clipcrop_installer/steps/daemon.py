"""Stopping the daemon of an older version, starting the new one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import InstallError
from ..files import missing_folders
from ..manifest import Manifest, ManifestEntry
from ..places import Places
from ..plan import Context, Step
from ..programs import CONNECTION_VARIABLE, Environment, last_line

START_PATIENCE_S = 30.0
"""How long a daemon may take until it answers."""

_POLL_S = 0.1
_LOG_FILES = ("daemon.log", "daemon.log.1", "daemon.log.2")


def stop_daemon(environment: Environment, places: Places, context: Context) -> str:
    """Ask it to end, by its own command, and wait until it has; returns what that said."""
    if context.disk.kind_of(environment.program("clipcrop-daemon")) == "":
        return ""
    variables = {CONNECTION_VARIABLE: str(places.connection_file)}
    _, lines = environment.run("clipcrop-daemon", ["stop"], context, variables)
    return last_line(lines)


def traces(step: str, places: Places, context: Context, manifest: Manifest) -> list[ManifestEntry]:
    """What a daemon will make while it runs, unless that is there."""
    connection, log = places.connection_file, places.log
    folders = [
        *missing_folders(connection.with_name("sockets"), context, manifest),
        *missing_folders(log, context, manifest),
    ]
    files = [connection, connection.with_name(f"{connection.name}.lock")]
    files += [log / name for name in _LOG_FILES]
    new = [one for one in files if not context.disk.kind_of(one) or manifest.find("trace", one)]
    return [
        *(ManifestEntry(kind="folder", path=str(one), step=step) for one in folders),
        *(ManifestEntry(kind="trace", path=str(one), step=step) for one in new),
    ]


class StopDaemon(Step):
    """The one of an older version."""

    name = "daemon of the older version"

    def __init__(self, environment: Environment, places: Places) -> None:
        self._environment = environment
        self._places = places

    def describe(self) -> list[str]:
        """One line."""
        return ["stop the daemon of the older version"]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Stop it, if it runs."""
        stop_daemon(self._environment, self._places, context)
        return []


class StartDaemon(Step):
    """Starts it unless it runs.

    Args:
        environment: Where it is.
        places: Where its files go.
        by_session: Commands that start it in the care of what starts it at login; without them, or
            where they fail, it is started by us, and is in that care after the next login.
    """

    name = "daemon"

    def __init__(
        self,
        environment: Environment,
        places: Places,
        by_session: Sequence[Sequence[str]] = (),
    ) -> None:
        self._environment = environment
        self._places = places
        self._by_session = by_session

    def describe(self) -> list[str]:
        """One line."""
        return ["start the daemon, unless it runs, and wait for its answer"]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Start it.

        Raises:
            InstallError: it gives no answer.
        """
        if self._ping(context)[0] == 0:
            return []
        if not self._is_started_by_session(context):
            variables = {CONNECTION_VARIABLE: str(self._places.connection_file)}
            home = Path(context.machine.home)
            context.start(self._environment.daemon_command, folder=home, variables=variables)
        deadline = time.monotonic() + START_PATIENCE_S
        while True:
            code, lines = self._ping(context)
            if code == 0:
                return []
            if time.monotonic() >= deadline:
                raise InstallError(
                    f"the daemon gives no answer: {last_line(lines)} (its log: {self._places.log})"
                )
            time.sleep(_POLL_S)

    def _is_started_by_session(self, context: Context) -> bool:
        home = Path(context.machine.home)
        codes = [
            context.run(command, folder=home, variables={}, on_line=lambda line: None)
            for command in self._by_session
        ]
        return bool(codes) and codes[-1] == 0

    def _ping(self, context: Context) -> tuple[int, list[str]]:
        variables = {CONNECTION_VARIABLE: str(self._places.connection_file)}
        return self._environment.run("clipcrop-daemon", ["ping"], context, variables)
