"""The facts from which decisions are made, and where everything of ClipCrop is on each system."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from clipcrop_wire.endpoint import FILE_NAME, data_folder

from .disk import Disk


@dataclass(frozen=True)
class Machine:
    """One user's machine. Pure functions take it, so that each system is tested on every other."""

    platform: str
    """As `sys.platform`: linux, darwin, win32."""

    home: PurePath
    """The user's."""

    variables: Mapping[str, str]
    """Environment variables."""

    names_in: Callable[[PurePath], list[str]]
    """Names in a folder; empty where there is none."""

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
    """The machine that this program runs on."""
    return Machine(
        platform="linux" if sys.platform.startswith("linux") else sys.platform,
        home=Path.home(),
        variables=dict(os.environ),
        names_in=lambda path: disk.names_in(Path(path)),
        read=lambda path: disk.read(Path(path)),
    )


@dataclass(frozen=True)
class Places:
    """Files and folders of one user."""

    data: Path
    """Holds all the others but the log."""

    log: Path
    """Folder of the daemon's log."""

    @property
    def connection_file(self) -> Path:
        """The daemon writes it."""
        return self.data / FILE_NAME

    @property
    def plugin_settings(self) -> Path:
        """The plug-ins read it."""
        return self.data / "plugin.json"

    @property
    def sandbox_settings(self) -> Path:
        """Plug-ins in Flatpak's sandbox read this one instead."""
        return self.data / "plugin.flatpak.json"

    @property
    def manifest(self) -> Path:
        """See `manifest`."""
        return self.data / "manifest.json"

    @property
    def lock(self) -> Path:
        """Held while an installer runs; see `installation`."""
        return self.data / "install.lock"

    @property
    def pip_log(self) -> Path:
        """What pip said when an environment was made, or could not be."""
        return self.data / "install.log"

    @property
    def environments(self) -> Path:
        """Folders of private environments."""
        return self.data / "environments"

    @property
    def downloads(self) -> Path:
        """Pip's cache while an environment is made, where the user has none."""
        return self.data / "downloads"


def places(machine: Machine) -> Places:
    """On that machine."""
    home = machine.home
    local = machine.folder_named("LOCALAPPDATA", home / "AppData" / "Local")
    data = data_folder(machine.platform, home, local)
    if machine.platform == "win32":
        log = data / "Logs"
    elif machine.platform == "darwin":
        log = home / "Library" / "Logs" / "clipcrop"
    else:
        state = machine.folder_named("XDG_STATE_HOME", home / ".local" / "state")
        log = state / "clipcrop" / "log"
    return Places(Path(data), Path(log))


def own_folders(machine: Machine) -> tuple[Path, ...]:
    """Folders in which everything is ClipCrop's; only there whole trees are removed."""
    found = places(machine)
    if machine.platform in ("win32", "darwin"):
        return found.data, found.log
    share = machine.folder_named("XDG_DATA_HOME", machine.home / ".local" / "share")
    return found.data, found.log, Path(share, "clipcrop")  # the last: weights, as platformdirs says


def weights_here(machine: Machine) -> list[str]:
    """Models that were downloaded or placed; all of them need PyTorch."""
    folders = dict.fromkeys(folder / "models" for folder in own_folders(machine))
    if machine.platform == "win32":
        folders[own_folders(machine)[0] / "clipcrop" / "models"] = None  # as platformdirs has it
    return [
        name
        for folder in folders
        for name in machine.names_in(folder)
        if not name.startswith(".") and machine.names_in(folder / name)
    ]


def pip_cache(machine: Machine) -> PurePath | None:
    """The user's own cache of pip; None if there is none."""
    named = machine.variables.get("PIP_CACHE_DIR")
    if named:
        return machine.path(named)
    home = machine.home
    if machine.platform == "win32":
        folder = machine.folder_named("LOCALAPPDATA", home / "AppData" / "Local") / "pip"
    elif machine.platform == "darwin":
        folder = home / "Library" / "Caches" / "pip"
    else:
        folder = machine.folder_named("XDG_CACHE_HOME", home / ".cache") / "pip"
    return folder if machine.has(folder) else None
