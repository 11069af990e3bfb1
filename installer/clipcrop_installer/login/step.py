"""The step that has the daemon started at login, and how it is undone.

Its name is always the same. So where another way fits by now, as on a system that has got systemd,
the installer undoes what the manifest has of the old one: the daemon is never started twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from ..disk import sha256_of
from ..errors import InstallError, NotOurs
from ..files import NewFile, missing_folders, write_all
from ..manifest import Manifest, ManifestEntry
from ..plan import Context, Step
from ..process import Runner
from ..programs import last_line
from ..undo import FILES, GONE, KEPT, REMOVED, Outcome, Undo
from .items import ASK_MANAGER, LoginFile, LoginItem, Way, choose_way, make_login_item
from .run_key import (
    RUN_KEY,
    VALUE_NAME,
    Registry,
    read_run_value,
    remove_run_value,
    write_run_value,
)
from .systemd_unit import NVIDIA_MODPROBE

STEP_NAME = "start at login"

_SWITCH, _VALUE = "login-switch", "login-value"
_VALUE_PATH = rf"HKEY_CURRENT_USER\{RUN_KEY}\{VALUE_NAME}"

_SENTENCES: Mapping[Way, str] = {
    "systemd": "have systemd start the daemon at login",
    "launchd": "have launchd start the daemon at login",
    "xdg": "have the desktop session start the daemon at login",
    "run-key": "have Windows start the daemon at login",
}


def login_item(context: Context, command: Sequence[str]) -> LoginItem:
    """What fits this machine.

    Args:
        context: Its machine, and its processes: systemd's manager is asked for.
        command: Such as `Environment.daemon_command`.

    Raises:
        InstallError: the command cannot be written down.
    """
    machine = context.machine
    home = Path(machine.home)
    has_manager = machine.platform == "linux" and has_user_manager(context.run)
    return make_login_item(
        choose_way(machine.platform, has_user_manager=has_manager),
        command,
        home=home,
        config_home=Path(machine.folder_named("XDG_CONFIG_HOME", machine.home / ".config")),
        user_id=os.getuid() if hasattr(os, "getuid") else 0,
        has_nvidia_modprobe=machine.has(machine.path(NVIDIA_MODPROBE)),
    )


def has_user_manager(run: Runner) -> bool:
    """Whether systemd's user manager answers in this session."""
    try:
        return run(ASK_MANAGER, folder=Path("/"), variables={}, on_line=lambda line: None) == 0
    except OSError:  # no systemctl
        return False


class StartAtLogin(Step):
    """A step of the installer (`plan.Step`).

    Args:
        wanted: What must be where, and what must be run.
        registry: Windows' own unless a test brings another.
    """

    name = STEP_NAME

    def __init__(self, wanted: LoginItem, registry: Registry | None = None) -> None:
        self._wanted = wanted
        self._registry = registry

    @property
    def start_commands(self) -> tuple[tuple[str, ...], ...]:
        """They start the daemon now, in the session's care; none where that cannot be."""
        return self._wanted.start if isinstance(self._wanted, LoginFile) else ()

    def describe(self) -> list[str]:
        """One line, and where it is written down."""
        wanted = self._wanted
        place = str(wanted.path) if isinstance(wanted, LoginFile) else _VALUE_PATH
        return [_SENTENCES[wanted.way], place]

    def items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """Folders, the file, what is switched on; or the value of the registry.

        Raises:
            NotOurs: such a file or value is there already, and was not made by this program.
        """
        wanted = self._wanted
        if not isinstance(wanted, LoginFile):
            self._refuse_strange_value(manifest)
            hashes = (_hash_of(wanted.command_line),)
            return [ManifestEntry(kind=_VALUE, path=_VALUE_PATH, step=self.name, hashes=hashes)]
        kind = context.disk.kind_of(wanted.path)
        if kind and manifest.find("file", wanted.path) is None:
            raise NotOurs(
                f"{wanted.path} is there already, and was not made by this program; "
                "move it away and try again"
            )
        items = [
            ManifestEntry(kind="folder", path=str(folder), step=self.name)
            for folder in self._folders(context, manifest)
        ]
        hashes = (sha256_of(wanted.content),)
        items.append(
            ManifestEntry(kind="file", path=str(wanted.path), step=self.name, hashes=hashes)
        )
        if wanted.switch_off:
            details = {"command": list(wanted.switch_off)}
            items.append(
                ManifestEntry(kind=_SWITCH, path=wanted.path.name, step=self.name, details=details)
            )
        return items

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Write it, and switch it on. A file that the user changed is put aside.

        Raises:
            InstallError: the system did not take it.
        """
        wanted = self._wanted
        if not isinstance(wanted, LoginFile):
            registry = self._registry or windows_registry()
            found, listed = read_run_value(registry), manifest.find(_VALUE, _VALUE_PATH)
            write_run_value(registry, wanted.command_line)
            if found is not None and listed and _hash_of(found) not in listed.hashes:
                return [f"{_VALUE_PATH} had been changed: your value was {found}"]
            return []
        for folder in self._folders(context, manifest):
            context.disk.make_folder(folder, 0o700)
        # launchd does not read a file twice.
        if wanted.way == "launchd" and context.disk.read(wanted.path) != wanted.content:
            _run(context, wanted.switch_off)
        notes = write_all([NewFile(wanted.path, wanted.content)], context, manifest)
        for command in wanted.switch_on:
            code, said = _run(context, command)
            if code:
                raise InstallError(
                    f"`{' '.join(command)}` ended with exit code {code}: {said}; the daemon may "
                    "not start at login, but editors start it when they need it"
                )
        return notes

    def _folders(self, context: Context, manifest: Manifest) -> list[Path]:
        assert isinstance(self._wanted, LoginFile)
        innermost = self._wanted.folder_of_links or self._wanted.path.parent
        return missing_folders(innermost, context, manifest)

    def _refuse_strange_value(self, manifest: Manifest) -> None:
        found = read_run_value(self._registry or windows_registry())
        if found is not None and manifest.find(_VALUE, _VALUE_PATH) is None:
            raise NotOurs(
                f"{_VALUE_PATH} is there already, and was not made by this program: {found}; "
                "remove it and try again"
            )


def login_kinds(registry: Registry | None = None) -> dict[str, Undo]:
    """Kind of an item of this step -> what undoes it; files and folders are undone as all are."""

    def undo_value(item: ManifestEntry, context: Context) -> Outcome:
        found = read_run_value(registry or windows_registry())
        if found is None:
            return Outcome(GONE)
        if _hash_of(found) not in item.hashes:
            return Outcome(KEPT, f"{item.path} was changed since it was installed, and is kept")
        remove_run_value(registry or windows_registry())
        return Outcome(REMOVED)

    return {_SWITCH: _undo_switch, _VALUE: undo_value}


def _hash_of(command_line: str) -> str:
    return sha256_of(command_line.encode("utf-8", "surrogatepass"))


def _undo_switch(item: ManifestEntry, context: Context) -> Outcome:
    """Stop it, and have it not started again; the file goes after that."""
    try:
        code, said = _run(context, [str(part) for part in item.details["command"]])
    except InstallError as exc:
        code, said = 1, str(exc)
    # Outside a login session there is no manager. Without its file nothing is started.
    return Outcome(REMOVED) if not code else Outcome(KEPT, f"{item.path} may still run: {said}")


def _run(context: Context, command: Sequence[str]) -> tuple[int, str]:
    """The exit code, and the last thing said."""
    lines: list[str] = []
    try:
        code = context.run(
            command, folder=Path(context.machine.home), variables={}, on_line=lines.append
        )
    except OSError as exc:
        raise InstallError(f"{command[0]} cannot be run: {exc.strerror or exc}") from exc
    return code, last_line(lines)


def windows_registry() -> Registry:
    """Windows' own."""
    return cast("Registry", import_module("winreg"))


def all_kinds() -> Mapping[str, Undo]:
    """Every kind of item -> what undoes it."""
    return {**FILES, **login_kinds()}
