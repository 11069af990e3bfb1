"""A fake of the module `winreg`, with its signatures: as much as the installer uses."""

from __future__ import annotations

from typing import Any


class FakeKey:
    def __init__(self, values: dict[str, tuple[Any, int]], access: int) -> None:
        self.values = values
        self.access = access

    def __enter__(self) -> FakeKey:
        return self

    def __exit__(self, *exc_info: object) -> None:
        return None


class FakeRegistry:
    """Keys are made by `CreateKeyEx`; names are compared as Windows does, without case."""

    HKEY_CURRENT_USER = 0x80000001
    KEY_READ = 0x20019
    KEY_SET_VALUE = 0x2
    REG_SZ = 1
    REG_BINARY = 3

    def __init__(self) -> None:
        self.keys: dict[tuple[int, str], dict[str, tuple[Any, int]]] = {}

    def OpenKey(  # noqa: N802 - winreg's own name
        self, key: Any, sub_key: str, reserved: int = 0, access: int = KEY_READ, /
    ) -> FakeKey:
        try:
            return FakeKey(self.keys[key, sub_key.lower()], access)
        except KeyError:
            raise FileNotFoundError(2, "The system cannot find the file specified") from None

    def CreateKeyEx(  # noqa: N802 - winreg's own name
        self, key: Any, sub_key: str, reserved: int = 0, access: int = 0x20006, /
    ) -> FakeKey:
        return FakeKey(self.keys.setdefault((key, sub_key.lower()), {}), access)

    def QueryValueEx(self, key: Any, name: str, /) -> tuple[Any, int]:  # noqa: N802 - winreg's
        assert key.access & self.KEY_READ == self.KEY_READ
        try:
            return key.values[name.lower()]
        except KeyError:
            raise FileNotFoundError(2, "The system cannot find the file specified") from None

    def SetValueEx(  # noqa: N802 - winreg's own name
        self, key: Any, value_name: str, reserved: Any, type: int, value: Any, /
    ) -> None:
        assert key.access & self.KEY_SET_VALUE
        key.values[value_name.lower()] = (value, type)

    def DeleteValue(self, key: Any, value: str, /) -> None:  # noqa: N802 - winreg's own name
        assert key.access & self.KEY_SET_VALUE
        try:
            del key.values[value.lower()]
        except KeyError:
            raise FileNotFoundError(2, "The system cannot find the file specified") from None
