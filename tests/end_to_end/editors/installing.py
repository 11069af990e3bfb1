"""The plug-ins as the installer puts them into a user's profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgpack

CHECKOUT = Path(__file__).resolve().parents[3]
_LEAVE = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "*.pyx", "*.c")


def install_krita(folder: Path) -> Path:
    """Into a folder, whose content then goes into ``pykrita`` and ``actions`` of a profile."""
    shutil.copytree(CHECKOUT / "plugin" / "krita", folder, ignore=_LEAVE, dirs_exist_ok=True)
    _add_packages(folder / "clipcrop_krita" / "vendor")
    return folder


def _add_packages(folder: Path) -> None:
    """All that a shell needs."""
    for package in (
        CHECKOUT / "plugin" / "clipcrop_plugin",
        CHECKOUT / "daemon" / "clipcrop_wire",
        Path(msgpack.__file__).parent,
    ):
        shutil.copytree(package, folder / package.name, ignore=_LEAVE)
