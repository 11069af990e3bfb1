"""Starts the daemon at login: which way fits a system, the step, and how it is undone.

The step's name is always the same. Where another way fits by now, as on a system that has got
systemd, the installer undoes the old one by the manifest: the daemon is never started twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from .disk import sha256_of
from .errors import InstallError, NotOurs
from .files import (
    FILES,
    GONE,
    KEPT,
    REMOVED,
    NewFile,
    Outcome,
    Undo,
    UndoHandlers,
    missing_folders,
    write_all,
)
from .login_formats import (
    LABEL,
    NVIDIA_MODPROBE,
    RUN_KEY,
    UNIT_NAME,
    VALUE_NAME,
    agent_path,
    agent_plist,
    entry_path,
    entry_text,
    read_run_value,
    remove_run_value,
    run_command_line,
    unit_path,
    unit_text,
    write_run_value,
)
from .manifest import Manifest, ManifestEntry
from .plan import Context, Step
from .programs import last_line

Way = Literal["systemd", "xdg", "launchd", "run-key"]

ASK_MANAGER = ("systemctl", "--user", "show", "--property=Version")
"""Ends with 0 where a user manager answers."""


@dataclass(frozen=True)
class LoginFile:
    """A file that makes a session start the daemon, and the commands around it."""

    way: Way

    path: Path

    content: bytes

    switch_on: tuple[tuple[str, ...], ...] = ()
    """Commands to run once it is written, in this order. They start nothing."""

    start: tuple[tuple[str, ...], ...] = ()
    """Commands that start the daemon now, as the session would; all but the last may fail."""

    switch_off: tuple[str, ...] = ()
    """Command to run before it is removed, and before it is read anew; it may fail."""

    folder_of_links: Path | None = None
    """Where switching on leaves a link that switching off takes away."""


@dataclass(frozen=True)
class LoginValue:
    """A value of Windows' registry."""

    command_line: str

    way: Way = "run-key"


LoginItem = LoginFile | LoginValue


def choose_way(platform: str, *, has_user_manager: bool) -> Way:
    """The one way of a system; never two at once.

    Args:
        platform: As `sys.platform` says it.
        has_user_manager: Whether systemd's user manager answers.
    """
    if platform == "win32":
        return "run-key"
    if platform == "darwin":
        return "launchd"
    return "systemd" if has_user_manager else "xdg"


def make_login_item(
    way: Way,
    command: Sequence[str],
    *,
    home: Path,
    config_home: Path,
    user_id: int = 0,
    has_nvidia_modprobe: bool = False,
) -> LoginItem:
    """What must be where, and what must be run.

    Args:
        way: From `choose_way`.
        command: The program with its absolute path, and its arguments.
        home: The user's.
        config_home: ``$XDG_CONFIG_HOME``, or what stands for it.
        user_id: For launchd, which names sessions by it.
        has_nvidia_modprobe: See `unit_text`.

    Raises:
        InstallError: the command cannot be written down.
    """
    if way == "run-key":
        return LoginValue(run_command_line(command))
    if way == "xdg":
        return LoginFile(way, entry_path(config_home), entry_text(command).encode())
    if way == "launchd":
        path, session = agent_path(home), f"gui/{user_id}"
        return LoginFile(
            way,
            path,
            agent_plist(command),
            start=(
                ("launchctl", "bootstrap", session, str(path)),  # it may be loaded already
                ("launchctl", "kickstart", "-k", f"{session}/{LABEL}"),
            ),
            switch_off=("launchctl", "bootout", f"{session}/{LABEL}"),
        )
    path = unit_path(config_home)
    systemctl = ("systemctl", "--user")
    return LoginFile(
        way,
        path,
        unit_text(command, has_nvidia_modprobe=has_nvidia_modprobe).encode(),
        switch_on=((*systemctl, "daemon-reload"), (*systemctl, "enable", UNIT_NAME)),
        # Restarted rather than started: an upgrade has a new program behind the same unit.
        start=((*systemctl, "restart", UNIT_NAME),),
        switch_off=(*systemctl, "disable", "--now", UNIT_NAME),
        folder_of_links=path.with_name("default.target.wants"),
    )


LOGIN_STEP = "start at login"

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
    has_manager = machine.platform == "linux" and has_user_manager(context)
    return make_login_item(
        choose_way(machine.platform, has_user_manager=has_manager),
        command,
        home=home,
        config_home=Path(machine.folder_named("XDG_CONFIG_HOME", machine.home / ".config")),
        user_id=os.getuid() if hasattr(os, "getuid") else 0,
        has_nvidia_modprobe=machine.has(machine.path(NVIDIA_MODPROBE)),
    )


def has_user_manager(context: Context) -> bool:
    """Whether systemd's user manager answers in this session."""
    try:
        return context.output_of(ASK_MANAGER)[0] == 0
    except OSError:  # no systemctl
        return False


class StartAtLogin(Step):
    """A step of the installer (`plan.Step`).

    Args:
        wanted: What must be where, and what must be run.
        registry: Windows' own unless a test brings another.
    """

    name = LOGIN_STEP

    def __init__(self, wanted: LoginItem, registry: Any = None) -> None:
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


def login_undo_handlers(registry: Any = None) -> dict[str, Undo]:
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
    """The exit code, and the last line of the output."""
    try:
        code, lines = context.output_of(command)
    except OSError as exc:
        raise InstallError(f"{command[0]} cannot be run: {exc.strerror or exc}") from exc
    return code, last_line(lines)


def windows_registry() -> Any:
    """The module `winreg`, which only Windows has."""
    return import_module("winreg")


def all_undo_handlers() -> UndoHandlers:
    """Every kind of item -> what undoes it."""
    return {**FILES, **login_undo_handlers()}
