"""What starts a program at login: systemd unit, desktop entry, launch agent, registry value.

With systemd there is a unit and no desktop entry: its autostart generator would start both.

A user's manager is not root. What follows from that was tried with systemd 252 and is kept by
``tests/end_to_end/installer/test_user_manager.py``:

- Settings that need a mount namespace (ProtectSystem, ProtectHome, PrivateTmp, PrivateDevices ...)
  need a user namespace there. Without one they are ignored silently, and where distributions
  restrict such namespaces they still are, or the start fails. They would protect little: the daemon
  has no more rights than its user. PrivateTmp would even hide its sockets, which lie in the folder
  for temporary files when the path of the home is too long for one.
- MemoryDenyWriteExecute ends PyTorch ("could not create a primitive"): it writes the machine code
  of its convolutions at run time.
- NoNewPrivileges, which every filter of system calls brings along, keeps NVIDIA's library from
  running nvidia-modprobe, which has root's rights and makes the devices of CUDA. So that runs
  before, with ``+``, which leaves it out of all this.
"""

from __future__ import annotations

import contextlib
import plistlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import InstallError
from .process import checked

UNIT_NAME = "clipcrop-daemon.service"

NVIDIA_MODPROBE = "/usr/bin/nvidia-modprobe"
"""Where distributions and NVIDIA's own installer have it."""

_UNSAFE_IN_PROGRAM = re.compile(r"[\"'\\$]")

_UNIT = """\
# Written by ClipCrop's installer, which replaces it when it upgrades. Your own settings belong into
# a drop-in: systemctl --user edit {name}

[Unit]
Description=ClipCrop daemon: crops by description, for GIMP and Krita
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
# It says when clients can connect.
Type=notify
{prepare}ExecStart={command}
Restart=on-failure
RestartSec=5
# 2: a setting is of no use; starting again would not help.
RestartPreventExitStatus=2
TimeoutStartSec=60
TimeoutStopSec=20
# The daemon ends its model process itself; what is left after that is killed.
KillMode=mixed
# If the model process takes too much memory, that costs one request, not the daemon.
OOMPolicy=continue

# The key, the log and the sockets are for the user only.
UMask=0077
# A memory dump would hold the user's image.
LimitCORE=0
# Nothing that it starts can gain rights.
NoNewPrivileges=yes
RestrictSUIDSGID=yes
# Unix sockets; 127.0.0.1 if the settings ask for it; netlink for drivers.
RestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK
# It has no use for containers, other processes' memory, kernel modules, disks or the clock.
RestrictNamespaces=yes
SystemCallFilter=~@clock @debug @module @mount @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
LockPersonality=yes
RestrictRealtime=yes

[Install]
WantedBy=default.target
"""


def unit_path(config_home: Path) -> Path:
    """Where the user's manager looks for it, under ``$XDG_CONFIG_HOME``."""
    return config_home / "systemd" / "user" / UNIT_NAME


def unit_text(command: Sequence[str], *, has_nvidia_modprobe: bool = False) -> str:
    """The unit that starts a command.

    Args:
        command: The program with its absolute path, and its arguments.
        has_nvidia_modprobe: Whether there is `NVIDIA_MODPROBE`.

    Raises:
        InstallError: the command cannot be written down.
    """
    prepare = ""
    if has_nvidia_modprobe:
        prepare = (
            "# Makes the devices of CUDA, with rights that the daemon does not have; may fail.\n"
            f"ExecStartPre=-+{NVIDIA_MODPROBE} -c 0 -u\n"
        )
    return _UNIT.format(name=UNIT_NAME, prepare=prepare, command=_command_line(checked(command)))


def _command_line(command: tuple[str, ...]) -> str:
    if _UNSAFE_IN_PROGRAM.search(command[0]):  # systemd takes no such program, quoted or not
        command = ("/bin/sh", "-c", 'exec "$0" "$@"', *command)
    return " ".join(_unit_argument(part) for part in command)


def _unit_argument(part: str) -> str:
    """One argument, whatever is in it; ``%`` and ``$`` mean something else in there."""
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w./%@:=+-]+", escaped) else f'"{escaped}"'


ENTRY_NAME = "clipcrop-daemon.desktop"

_ENTRY = """\
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
    return _ENTRY.format(command=" ".join(_entry_argument(part) for part in checked(command)))


def _entry_argument(part: str) -> str:
    """One argument as the Desktop Entry Specification wants it, escaped twice.

    First as an argument in quotes, then as the text that every value of an entry is.
    """
    argument = re.sub(r'(["`$\\])', r"\\\1", part).replace("%", "%%")
    return '"' + argument.replace("\\", "\\\\") + '"'


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


RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED_KEY = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
"""Where Windows notes what the user switched off in its task manager."""

VALUE_NAME = "ClipCrop"
MAX_COMMAND_CHARACTERS = 260
"""Windows ignores longer ones."""


def run_command_line(command: Sequence[str]) -> str:
    """A command as the value holds it. Percent signs stay: this type of value is not expanded.

    Raises:
        InstallError: Windows would ignore it.
    """
    line = subprocess.list2cmdline(checked(command))
    if len(line) > MAX_COMMAND_CHARACTERS:
        raise InstallError(
            f"no start at login: Windows takes commands of {MAX_COMMAND_CHARACTERS} characters, "
            f"and this has {len(line)}: {line}; install into a folder with a shorter path"
        )
    return line


def read_run_value(registry: Any) -> str | None:
    """What is started at login under our name; None if nothing is. ``registry`` is `winreg`."""
    try:
        with registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_READ) as key:
            value, _ = registry.QueryValueEx(key, VALUE_NAME)
    except FileNotFoundError:
        return None
    return str(value)


def write_run_value(registry: Any, line: str) -> None:
    """Start a command line at login.

    Raises:
        OSError: the registry cannot be written.
    """
    with registry.CreateKeyEx(
        registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE
    ) as key:
        registry.SetValueEx(key, VALUE_NAME, 0, registry.REG_SZ, line)


def remove_run_value(registry: Any) -> None:
    """Start nothing at login any more; fine if nothing was.

    Raises:
        OSError: the registry cannot be written.
    """
    with (
        contextlib.suppress(FileNotFoundError),
        registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE) as key,
    ):
        registry.DeleteValue(key, VALUE_NAME)


def is_switched_off(registry: Any) -> bool:
    """Whether the user switched it off in the task manager."""
    try:
        with registry.OpenKey(
            registry.HKEY_CURRENT_USER, APPROVED_KEY, 0, registry.KEY_READ
        ) as key:
            value, _ = registry.QueryValueEx(key, VALUE_NAME)
    except FileNotFoundError:
        return False
    return isinstance(value, bytes) and value[:1] != b"\x02"
