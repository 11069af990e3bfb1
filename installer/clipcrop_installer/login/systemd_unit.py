"""A unit of the user's systemd, which starts the daemon at login and looks after it.

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

import re
from collections.abc import Sequence
from pathlib import Path

from ..process import checked

UNIT_NAME = "clipcrop-daemon.service"

NVIDIA_MODPROBE = "/usr/bin/nvidia-modprobe"
"""Where distributions and NVIDIA's own installer have it."""

_UNSAFE_IN_PROGRAM = re.compile(r"[\"'\\$]")

_TEXT = """\
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
    return _TEXT.format(name=UNIT_NAME, prepare=prepare, command=_command_line(checked(command)))


def _command_line(command: tuple[str, ...]) -> str:
    if _UNSAFE_IN_PROGRAM.search(command[0]):  # systemd takes no such program, quoted or not
        command = ("/bin/sh", "-c", 'exec "$0" "$@"', *command)
    return " ".join(_quoted(part) for part in command)


def _quoted(part: str) -> str:
    """One argument, whatever is in it; ``%`` and ``$`` mean something else in there."""
    escaped = part.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return escaped if re.fullmatch(r"[\w./%@:=+-]+", escaped) else f'"{escaped}"'
