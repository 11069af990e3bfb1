"""A desktop entry that a session without systemd's user manager starts at login.

With systemd there is a unit instead: its autostart generator would start both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..process import checked

ENTRY_NAME = "clipcrop-daemon.desktop"

_TEXT = """\
[Desktop Entry]
Type=Application
Name=ClipCrop daemon
Comment=Crops by description, for GIMP and Krita
Exec={command}
Terminal=false
NoDisplay=true
"""


def entry_path(config_home: Path) -> Path:
    """Where sessions look for it, under ``$XDG_CONFIG_HOME``."""
    return config_home / "autostart" / ENTRY_NAME


def entry_text(command: Sequence[str]) -> str:
    """The entry that starts a command.

    Raises:
        InstallError: the command cannot be written down.
    """
    return _TEXT.format(command=" ".join(_quoted(part) for part in checked(command)))


def _quoted(part: str) -> str:
    """One argument as the Desktop Entry Specification wants it, escaped twice.

    First as an argument in quotes, then as the text that every value of an entry is.
    """
    argument = re.sub(r'(["`$\\])', r"\\\1", part).replace("%", "%%")
    return '"' + argument.replace("\\", "\\\\") + '"'
