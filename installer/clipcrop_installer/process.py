"""Starting other programs: the edge that tests replace with a fake."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .errors import InstallError

# Settings of the caller's shell that would point an environment of ours at other packages.
_MISLEADING = (
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_CONSTRAINT",
    "PIP_REQUIREMENT",
)

_DETACHED_PROCESS, _NEW_PROCESS_GROUP = 0x8, 0x200  # of Windows

_left_to_themselves: list[subprocess.Popen[bytes]] = []  # else Python warns that they still run


class Runner(Protocol):
    """Runs a command to its end."""

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        """Run ``command`` in ``folder`` and return its exit code.

        Args:
            command: the program and its arguments.
            folder: its working directory.
            variables: added to the cleaned environment variables.
            on_line: called with each line of its output, both streams together.
        """


class Starter(Protocol):
    """Starts a program that stays."""

    def __call__(
        self, command: Sequence[str | Path], *, folder: Path, variables: Mapping[str, str]
    ) -> None:
        """Start it apart from us, and return at once.

        Args:
            command: the program and its arguments.
            folder: its working directory.
            variables: added to the cleaned environment variables.

        Raises:
            OSError: it cannot be run.
        """


def clean_variables(added: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment variables without those that mislead an environment of ours."""
    kept = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **added}


def run_command(
    command: Sequence[str | Path],
    *,
    folder: Path,
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
) -> int:
    """The real ``Runner``; the child ends with us, also when we are interrupted."""
    process = start_piped(command, folder=folder, variables=variables)
    try:
        return read_lines(process, on_line)
    except BaseException:
        process.kill()
        process.wait()
        raise


def start_piped(
    command: Sequence[str | Path],
    *,
    folder: Path,
    variables: Mapping[str, str],
    has_own_group: bool = False,
) -> subprocess.Popen[str]:
    """Start a command whose output, both streams together, is for `read_lines`.

    Args:
        command: the program and its arguments.
        folder: its working directory.
        variables: added to the cleaned environment variables.
        has_own_group: a signal to its process group reaches what it has started, and not us.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=clean_variables(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=has_own_group,
    )


def read_lines(process: subprocess.Popen[str], on_line: Callable[[str], None]) -> int:
    """Give each line of the output to ``on_line``; returns the exit code."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            on_line(line.rstrip("\r\n"))
    return process.wait()


def start_detached(
    command: Sequence[str | Path], *, folder: Path, variables: Mapping[str, str]
) -> None:
    """The real ``Starter``: what it starts outlives us and our terminal."""
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": _DETACHED_PROCESS | _NEW_PROCESS_GROUP}
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=clean_variables(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **apart,
    )
    _left_to_themselves.append(process)


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
