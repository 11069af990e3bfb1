"""The command that is started at login."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InstallError


def daemon_command(environment: Path, platform: str) -> tuple[str, ...]:
    """How the daemon of an environment is started, without a window.

    Args:
        environment: The folder of the virtual environment.
        platform: As `sys.platform` says it.
    """
    if platform == "win32":
        # The environment's clipcrop-daemon.exe would open a console at every login.
        pythonw = environment / "Scripts" / "pythonw.exe"
        return (str(pythonw), "-m", "clipcrop_daemon", "run")
    return (str(environment / "bin" / "clipcrop-daemon"), "run")


def checked(command: Sequence[str]) -> tuple[str, ...]:
    """The command, if every format can hold it.

    Raises:
        InstallError: a part has a line break, another control character, or bytes that are no text.
    """
    for part in command:
        if not part.isprintable():  # as are control characters, and bytes that could not be decoded
            raise InstallError(
                f"no start at login with {part!r}: there are characters in it that cannot be "
                "written down; install into a folder with a plainer name"
            )
    return tuple(command)
