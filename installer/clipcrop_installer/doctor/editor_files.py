"""What GIMP and Krita write down about plug-ins and starts: text -> facts."""

from __future__ import annotations

import re
from dataclasses import dataclass

_GIMP_ENTRY = re.compile(r'^\(plug-in-def "((?:[^"\\]|\\.)*)" (\d+)', re.MULTILINE)
_GIMP_PROCEDURE = re.compile(r'\(proc-def "([^"]+)"')
_KRITA_SESSION = re.compile(r"^SESSION: (.+?)\. Executing ", re.MULTILINE)
_KRITA_VERSION = re.compile(r"^Krita Version: ([^,\s]+)", re.MULTILINE)


@dataclass(frozen=True)
class GimpEntry:
    """What ``pluginrc`` has of a plug-in: GIMP has started it, and it said what it can do."""

    modified_s: int
    """When the plug-in's file was changed that GIMP has looked at, seconds since 1970."""

    procedures: tuple[str, ...]
    """Names of what it offers."""


def read_pluginrc(text: str, file_name: str) -> GimpEntry | None:
    """The entry of a plug-in.

    Args:
        text: Of ``pluginrc``.
        file_name: The plug-in's file in its folder, such as ``clipcrop_gimp/clipcrop_gimp.py``; the
            path before it is written in several ways.

    Returns:
        None if GIMP does not know it.
    """
    entries = list(_GIMP_ENTRY.finditer(text))
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        if entry[1].replace("\\\\", "/").endswith(f"/{file_name}"):
            end = following.start() if following else len(text)
            procedures = _GIMP_PROCEDURE.findall(text[entry.end() : end])
            return GimpEntry(int(entry[2]), tuple(procedures))
    return None


@dataclass(frozen=True)
class KritaSession:
    """The last start that ``krita.log`` has."""

    version: str

    started: str
    """As Krita writes it."""


def read_krita_log(text: str) -> KritaSession | None:
    """The last start; None if there was none."""
    sessions = list(_KRITA_SESSION.finditer(text))
    if not sessions:
        return None
    version = _KRITA_VERSION.search(text, sessions[-1].end())
    return KritaSession(version[1] if version else "of an unknown version", sessions[-1][1])
