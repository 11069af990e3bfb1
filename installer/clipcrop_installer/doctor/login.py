"""Whether the daemon is started at login, by one way only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..disk import sha256_of
from ..login.launch_agent import LABEL
from ..login.run_key import is_switched_off, read_run_value
from ..login.step import STEP_NAME, has_user_manager, windows_registry
from ..login.systemd_unit import UNIT_NAME, unit_path
from ..login.xdg_autostart import entry_path
from .finding import INSTALL, Finding, Inspected

_ABOUT = "start at login"


def check_login(inspected: Inspected) -> list[Finding]:
    """What was installed for it is there, and switched on."""
    items = inspected.manifest.of_step(STEP_NAME)
    if not items:
        choices = inspected.manifest.values.get("choices")
        if isinstance(choices, dict) and not choices.get("login", True):
            return [Finding("ok", _ABOUT, "not wanted")]
        return [Finding("warning", _ABOUT, "nothing starts the daemon at login", INSTALL)]
    if both := _two_ways(inspected):
        return [both]
    if inspected.context.machine.platform == "win32":
        return [_run_key()]
    file = next((item for item in items if item.kind == "file"), None)
    if file is None:
        return [Finding("problem", _ABOUT, "what was installed for it is gone", INSTALL)]
    path = Path(file.path)
    if not path.is_file():
        return [Finding("problem", _ABOUT, f"{path} is gone", INSTALL)]
    if sha256_of(path.read_bytes()) not in file.hashes:
        text = f"{path} was changed"
        return [Finding("warning", _ABOUT, text, f"if that was not you, {INSTALL}")]
    if path.name == UNIT_NAME:
        return [_systemd(inspected)]
    if path.suffix == ".plist":
        return [_launchd(inspected)]
    return [Finding("ok", _ABOUT, f"by the desktop session: {path}")]


def _two_ways(inspected: Inspected) -> Finding | None:
    machine = inspected.context.machine
    config = Path(machine.folder_named("XDG_CONFIG_HOME", machine.home / ".config"))
    both = [path for path in (unit_path(config), entry_path(config)) if path.exists()]
    if len(both) < 2:
        return None
    text = f"two ways are in place, and the second start is for nothing: {both[0]} and {both[1]}"
    return Finding("warning", _ABOUT, text, f"remove {both[1]}")


def _systemd(inspected: Inspected) -> Finding:
    if not has_user_manager(inspected.context.run):
        text = "the unit is there, but no user manager of systemd answers in this session"
        return Finding("warning", _ABOUT, text, "log in to your desktop and look again")
    state = _say(inspected, ["systemctl", "--user", "is-enabled", UNIT_NAME])
    if state != "enabled":
        advice = f"systemctl --user enable --now {UNIT_NAME}"
        return Finding("problem", _ABOUT, f"the unit is {state}, not enabled", advice)
    active = _say(inspected, ["systemctl", "--user", "is-active", UNIT_NAME])
    if active == "failed":
        advice = f"journalctl --user -u {UNIT_NAME} says why"
        return Finding("problem", _ABOUT, "the unit is enabled, and has failed", advice)
    return Finding("ok", _ABOUT, f"by systemd: enabled, {active} now")


def _launchd(inspected: Inspected) -> Finding:
    user_id = os.getuid() if hasattr(os, "getuid") else 0
    code = inspected.context.run(
        ["launchctl", "print", f"gui/{user_id}/{LABEL}"],
        folder=Path(inspected.context.machine.home),
        variables={},
        on_line=lambda line: None,
    )
    if code:
        text = "launchd does not know the agent"
        return Finding(
            "warning", _ABOUT, text, "log out and in again; if that is no help, reinstall"
        )
    return Finding("ok", _ABOUT, "by launchd")


def _run_key() -> Finding:
    registry = windows_registry()
    value = read_run_value(registry)
    if value is None:
        return Finding("problem", _ABOUT, "the value of the registry is gone", INSTALL)
    if is_switched_off(registry):
        advice = "switch it on there, under startup apps"
        return Finding("warning", _ABOUT, "switched off in the task manager", advice)
    return Finding("ok", _ABOUT, f"by Windows: {value}")


def _say(inspected: Inspected, command: Sequence[str]) -> str:
    lines: list[str] = []
    inspected.context.run(
        command, folder=Path(inspected.context.machine.home), variables={}, on_line=lines.append
    )
    return lines[-1].strip() if lines else "not known"
