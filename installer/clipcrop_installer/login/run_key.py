"""A value of Windows' registry that starts the daemon at login; it needs no rights."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol

from ..errors import InstallError
from ..process import checked

RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
APPROVED_KEY = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"
"""Where Windows notes what the user switched off in its task manager."""

VALUE_NAME = "ClipCrop"
MAX_COMMAND_CHARACTERS = 260
"""Windows ignores longer ones."""


class Key(Protocol):
    """An open key of the registry; `winreg.HKEYType`."""

    def __enter__(self) -> Key:
        """Nothing more."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        """Close it."""


class Registry(Protocol):
    """What we use of the module `winreg`, with its signatures."""

    HKEY_CURRENT_USER: int
    KEY_READ: int
    KEY_SET_VALUE: int
    REG_SZ: int

    def OpenKey(  # noqa: N802 - winreg's own name
        self, key: Any, sub_key: str, reserved: int = 0, access: int = ..., /
    ) -> Key:
        """Raises FileNotFoundError if there is none."""

    def CreateKeyEx(  # noqa: N802 - winreg's own name
        self, key: Any, sub_key: str, reserved: int = 0, access: int = ..., /
    ) -> Key:
        """Open it, made where there is none."""

    def QueryValueEx(self, key: Any, name: str, /) -> tuple[Any, int]:  # noqa: N802 - winreg's
        """A value and its type; raises FileNotFoundError."""

    def SetValueEx(  # noqa: N802 - winreg's own name
        self, key: Any, value_name: str, reserved: Any, type: int, value: Any, /
    ) -> None:
        """Write a value."""

    def DeleteValue(self, key: Any, value: str, /) -> None:  # noqa: N802 - winreg's own name
        """Raises FileNotFoundError if there is none."""


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


def read_run_value(registry: Registry) -> str | None:
    """What is started at login under our name; None if nothing is."""
    try:
        with registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_READ) as key:
            value, _ = registry.QueryValueEx(key, VALUE_NAME)
    except FileNotFoundError:
        return None
    return str(value)


def write_run_value(registry: Registry, line: str) -> None:
    """Start a command line at login.

    Raises:
        OSError: the registry cannot be written.
    """
    with registry.CreateKeyEx(
        registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE
    ) as key:
        registry.SetValueEx(key, VALUE_NAME, 0, registry.REG_SZ, line)


def remove_run_value(registry: Registry) -> None:
    """Start nothing at login any more; fine if nothing was.

    Raises:
        OSError: the registry cannot be written.
    """
    with (
        contextlib.suppress(FileNotFoundError),
        registry.OpenKey(registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE) as key,
    ):
        registry.DeleteValue(key, VALUE_NAME)


def is_switched_off(registry: Registry) -> bool:
    """Whether the user switched it off in the task manager."""
    try:
        with registry.OpenKey(
            registry.HKEY_CURRENT_USER, APPROVED_KEY, 0, registry.KEY_READ
        ) as key:
            value, _ = registry.QueryValueEx(key, VALUE_NAME)
    except FileNotFoundError:
        return False
    return isinstance(value, bytes) and value[:1] != b"\x02"
