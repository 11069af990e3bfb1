"""Where the plug-ins find the daemon, and how they start it: the switch to a new version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..files import NewFile, claim, items_of, move_aside, write_all
from ..manifest import Manifest, ManifestEntry
from ..places import Places
from ..plan import Context, Step
from ..programs import Environment
from .daemon import traces

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
