"""Starts the daemon: detached from the editor, and in an environment that is not the editor's.

Never with `sys.executable`: inside an editor that is the editor, or some other Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Mapping

from clipcrop_wire.endpoint import PATH_VARIABLE

from .config import Config
from .errors import NotStarted
from .texts import _, isolated

_EDITORS_PREFIXES = (
    "BABL_",
    "DYLD_",
    "GDK_",
    "GEGL_",
    "GIMP",
    "GIO_",
    "GI_",
    "GSETTINGS_",
    "GTK_",
    "KRITA",
    "LD_",
    "PYTHON",
    "QML",
    "QT_",
)
_EDITORS_NAMES = ("APPDIR", "APPIMAGE", "ARGV0", "OWD", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")

_DETACHED_PROCESS, _NEW_PROCESS_GROUP = 0x8, 0x200  # of Windows

_GRACE_S = 1.0
"""Another editor may have been first: its daemon is there soon."""


class Launcher:
    """Runs the start command, at most one at a time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.process: subprocess.Popen[bytes] | None = None
        """What was run last."""

        self._failed_s: float | None = None

    @property
    def can_start(self) -> bool:
        """There is a command for it."""
        return bool(self._config.start_command)

    @property
    def has_failed(self) -> bool:
        """The command ended with an error, and a while ago; it may have done its work and ended."""
        if self.process is None or not self.process.poll():
            return False
        if self._failed_s is None:
            self._failed_s = time.monotonic()
        return time.monotonic() - self._failed_s >= _GRACE_S

    def start(self) -> None:
        """Run the command unless it still runs; returns at once.

        Raises:
            NotStarted: it cannot be run.
        """
        if self.process is not None and self.process.poll() is None:
            return
        command = self._config.start_command
        variables = daemon_environment(os.environ, self._config.connection_file)
        self._failed_s = None
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=str(Path.home()),
                env=variables,
                **detached(sys.platform),
            )
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or str(exc)
            raise NotStarted(
                _("The ClipCrop daemon could not be started: {program}: {reason}.").format(
                    program=isolated(command[0]), reason=isolated(reason)
                )
            ) from exc


def daemon_environment(editors: Mapping[str, str], connection_file: Path) -> dict[str, str]:
    """The editor's environment without what is there for the editor's own libraries."""
    kept = {
        name: value
        for name, value in editors.items()
        if not name.startswith(_EDITORS_PREFIXES) and name not in _EDITORS_NAMES
    }
    kept[PATH_VARIABLE] = str(connection_file)  # where we look for it
    return kept


def detached(platform: str) -> dict[str, Any]:
    """What makes a process outlive the editor, on each system."""
    if platform == "win32":
        return {"creationflags": _DETACHED_PROCESS | _NEW_PROCESS_GROUP}
    return {"start_new_session": True}
