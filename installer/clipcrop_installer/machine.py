"""What decisions are made from: the system, the user's home, the environment, what there is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from .disk import Disk


@dataclass(frozen=True)
class Machine:
    """One user's machine. Pure functions take it, so that each system is tested on every other."""

    platform: str
    """As `sys.platform`: linux, darwin, win32."""

    home: PurePath
    """The user's."""

    variables: Mapping[str, str]
    """Of the environment."""

    names_in: Callable[[PurePath], list[str]]
    """What is in a folder; nothing where there is none."""

    read: Callable[[PurePath], bytes | None]
    """A small file; None where there is none."""

    @property
    def path(self) -> type[PurePath]:
        """What paths of that system are made with."""
        return PureWindowsPath if self.platform == "win32" else PurePosixPath

    def has(self, path: PurePath) -> bool:
        """Whether it is there."""
        return path.name in self.names_in(path.parent)

    def folder_named(self, variable: str, default: PurePath) -> PurePath:
        """The one that a variable names; systems ignore one that is not absolute, and so do we."""
        named = self.variables.get(variable, "")
        path = self.path(named)
        return path if named and path.is_absolute() else default


def is_on_path(folder: PurePath, machine: Machine) -> bool:
    """Whether a shell finds programs in it by their names."""
    separator = ";" if machine.platform == "win32" else ":"
    return str(folder) in machine.variables.get("PATH", "").split(separator)


def this_machine(disk: Disk) -> Machine:
    """The one that we run on."""
    return Machine(
        platform="linux" if sys.platform.startswith("linux") else sys.platform,
        home=Path.home(),
        variables=dict(os.environ),
        names_in=lambda path: disk.names_in(Path(path)),
        read=lambda path: disk.read(Path(path)),
    )
