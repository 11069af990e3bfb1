"""A property list that has macOS's launchd start the daemon at login and look after it."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from pathlib import Path

from ..process import checked

LABEL = "org.clipcrop.daemon"


def agent_path(home: Path) -> Path:
    """Where launchd looks for it."""
    return home / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def agent_plist(command: Sequence[str]) -> bytes:
    """The property list that starts a command.

    Raises:
        InstallError: the command cannot be written down.
    """
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(checked(command)),
            "RunAtLoad": True,
            # Again after a crash; not after `clipcrop-daemon stop`, nor where one runs already.
            "KeepAlive": {"SuccessfulExit": False},
            # Seconds; launchd knows no exit code after which it should give up.
            "ThrottleInterval": 60,
            "ExitTimeOut": 20,
            # Editors wait for its answers, so it gets the priority of a program in front.
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
            "Umask": 0o077,
        }
    )
