"""Which way of starting at login fits a system: what it writes, how it is switched on and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .launch_agent import LABEL, agent_path, agent_plist
from .run_key import run_command_line
from .systemd_unit import UNIT_NAME, unit_path, unit_text
from .xdg_autostart import entry_path, entry_text

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
