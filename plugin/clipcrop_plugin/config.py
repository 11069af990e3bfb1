"""plugin.json: where the daemon is and how it is started. The installer writes it, we only read.

In Flatpak's sandbox it is plugin.flatpak.json: programs of the machine cannot be started there.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from clipcrop_wire.endpoint import PATH_VARIABLE as CONNECTION_VARIABLE
from clipcrop_wire.endpoint import default_path

from . import storage

PATH_VARIABLE = "CLIPCROP_PLUGIN_CONFIG"
"""Environment variable that names the file instead of `config_path`."""

FLATPAK_INFO = Path("/.flatpak-info")
"""Is there in Flatpak's sandbox, and nowhere else."""

_MAX_ARGUMENTS = 64


@dataclass(frozen=True)
class Config:
    """What the installer knows and the plug-in must."""

    connection_file: Path
    """The daemon writes it while it runs."""

    start_command: tuple[str, ...] = ()
    """Starts the daemon; empty: the user does."""


def config_path() -> Path:
    """Where the file is: beside the connection file, unless the environment says otherwise."""
    named = os.environ.get(PATH_VARIABLE)
    name = "plugin.flatpak.json" if FLATPAK_INFO.exists() else "plugin.json"
    return Path(named) if named else default_path().with_name(name)


def read_config(path: Path | None = None) -> Config:
    """Read the file, if it can be trusted: it names a program. Never fails.

    Args:
        path: By default that of `config_path`.
    """
    path = path or config_path()
    values = storage.parse(storage.read(path)) if _is_ours(path) else {}
    connection_file = default_path()
    named = values.get("connection_file")
    if not os.environ.get(CONNECTION_VARIABLE) and _is_path(named):
        connection_file = Path(str(named))
    return Config(connection_file, _command(values.get("start_command")))


def _is_ours(path: Path) -> bool:
    """Whether only the user and the administrator can have written it."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return False
    if not stat.S_ISREG(found.st_mode):
        return False
    return sys.platform == "win32" or (
        found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022
    )


def _is_path(value: object) -> bool:
    """An absolute one, of this system."""
    if not storage.is_text(value, 4096):
        return False
    text = str(value)
    return "\0" not in text and Path(text).is_absolute()


def _command(value: object) -> tuple[str, ...]:
    """A program by its absolute path, and its arguments."""
    if type(value) is not list or not 1 <= len(value) <= _MAX_ARGUMENTS:
        return ()
    is_good = all(storage.is_text(part, 4096) and "\0" not in part for part in value)
    return tuple(value) if is_good and _is_path(value[0]) else ()
