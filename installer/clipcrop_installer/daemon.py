"""The settings by which plug-ins find the daemon; stopping, starting and trying the daemon."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipcrop_wire.endpoint import PATH_VARIABLE as CONNECTION_VARIABLE

from .errors import InstallError
from .files import NewFile, claim, items_of, missing_folders, move_aside, write_all
from .machine import Places
from .manifest import Manifest, ManifestEntry
from .plan import Context, Step
from .programs import Environment, last_line

STEP_NAME = "settings for the plug-ins"


class WriteSettings(Step):
    """Writes ``plugin.json``. Until then all use the older version, from then on the new one.

    So the manifest names the new version from here on, too.

    In Flatpak's sandbox no program of the machine can be started, so what plug-ins there read
    has no command.
    """

    name = STEP_NAME
    is_needed = True

    def __init__(
        self,
        version: str,
        environment: Environment,
        places: Places,
        *,
        has_flatpak: bool,
        force: bool,
    ) -> None:
        self._version = version
        self._environment = environment
        self._places = places
        self._force = force
        connection: dict[str, object] = {"connection_file": str(places.connection_file)}
        command = {"start_command": list(environment.daemon_command)}
        self._files = [_json_file(places.plugin_settings, {**connection, **command})]
        if has_flatpak:
            self._files.append(_json_file(places.sandbox_settings, connection))

    def describe(self) -> list[str]:
        """One line, and where."""
        return [
            "tell the plug-ins how to reach the daemon",
            *(str(one.path) for one in self._files),
        ]

    def items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """The files, and what the daemon will leave: from now on it can be started.

        Raises:
            NotOurs: they are there, and not ours.
        """
        paths = [one.path for one in self._files]
        moved = claim(STEP_NAME, paths, context, manifest, force=self._force)
        left_by_daemon = traces(STEP_NAME, self._places, context, manifest)
        return [*items_of(STEP_NAME, self._files, context, manifest, moved), *left_by_daemon]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Write them."""
        notes = move_aside(STEP_NAME, context, manifest)
        notes += write_all(self._files, context, manifest)
        manifest.version = self._version
        manifest.values["python"] = str(self._environment.python)
        return notes


def _json_file(path: Path, values: Mapping[str, object]) -> NewFile:
    return NewFile(path, (json.dumps(values, indent=1) + "\n").encode("ascii"), 0o600)


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
    """Stops the daemon of an older version, before its environment goes."""

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
                    f"the daemon does not answer: {last_line(lines)} (its log: {self._places.log})"
                )
            time.sleep(_POLL_S)

    def _is_started_by_session(self, context: Context) -> bool:
        codes = [context.output_of(command)[0] for command in self._by_session]
        return bool(codes) and codes[-1] == 0

    def _ping(self, context: Context) -> tuple[int, list[str]]:
        variables = {CONNECTION_VARIABLE: str(self._places.connection_file)}
        return self._environment.run("clipcrop-daemon", ["ping"], context, variables)


_PHOTO = Path("samples", "astronaut.jpg")
_PROMPT = "the woman in the orange suit"


def crop_sample(
    environment: Environment,
    context: Context,
    *,
    through_daemon: bool,
    connection_file: Path | None = None,
) -> str:
    """Crop it; returns what was found, for people.

    Args:
        environment: Whose programs to use.
        context: Where.
        through_daemon: Ask the running daemon, with whatever model it holds; else the small
            model that is in the package.
        connection_file: The daemon's, instead of the usual one.

    Raises:
        InstallError: there is no crop; the message has what was said last.
    """
    photo = environment.packages(["clipcrop"], context)("clipcrop") / _PHOTO
    manner = ["--daemon"] if through_daemon else ["--model", "lite"]
    variables = {CONNECTION_VARIABLE: str(connection_file)} if connection_file else {}
    code, lines = environment.run(
        "clipcrop", ["suggest", photo, _PROMPT, "--json", *manner], context, variables
    )
    answer = next((line for line in lines if line.startswith("{")), None)
    if code or answer is None:
        raise InstallError(f"no crop of a sample photo could be made: {last_line(lines)}")
    left, top, right, bottom = json.loads(answer)["suggestions"][0]["box_px"]
    return f'"{_PROMPT}" gave a crop of {right - left} x {bottom - top} pixels'


class SelfTest(Step):
    """The way that a crop takes in an editor, but for the editor."""

    name = "self-test"

    def __init__(self, environment: Environment, places: Places) -> None:
        self._environment = environment
        self._places = places

    def describe(self) -> list[str]:
        """One line."""
        return ["crop a sample photo through the daemon"]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Do it.

        Raises:
            InstallError: it gave no crop.
        """
        found = crop_sample(
            self._environment,
            context,
            through_daemon=True,
            connection_file=self._places.connection_file,
        )
        return [found]
