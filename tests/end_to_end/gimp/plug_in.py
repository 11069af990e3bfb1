"""The plug-in as the installer puts it into a user's profile."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgpack

CHECKOUT = Path(__file__).resolve().parents[3]
_LEAVE = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "*.pyx", "*.c")


def install(plug_ins: Path) -> Path:
    """Put it into a folder of plug-ins, with all it needs beside it -> its own folder."""
    folder = plug_ins / "clipcrop_gimp"
    shutil.copytree(CHECKOUT / "plugin" / "gimp" / "clipcrop_gimp", folder, ignore=_LEAVE)
    parts = [
        CHECKOUT / "plugin" / "clipcrop_plugin",
        CHECKOUT / "daemon" / "clipcrop_wire",
        Path(msgpack.__file__).parent,
    ]
    for part in parts:
        shutil.copytree(part, folder / part.name, ignore=_LEAVE)
    (folder / "clipcrop_gimp.py").chmod(0o755)
    return folder
