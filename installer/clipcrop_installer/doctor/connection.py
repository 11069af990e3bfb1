"""The connection file: who can read it, and whether sockets can be beside it."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from pathlib import Path

from ..editors import OWN_BUILD, Gimp, Krita, find_editors
from .finding import Context, Finding

_ABOUT = "connection"

# As the daemon has them: clipcrop_wire.endpoint and clipcrop_daemon.folders.
MAX_IPC_PATH_BYTES = 100
MAX_SOCKET_NAME_BYTES = 24


def check_connection(context: Context) -> list[Finding]:
    """Whether it is the user's alone, and leads anywhere."""
    path = context.places.connection_file
    findings = _places_of_sockets(context)
    if not path.exists():
        return [*findings, Finding("ok", _ABOUT, f"no {path}, so no daemon runs")]
    findings += _rights(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        endpoints = [*map(str, values["work"]), *map(str, values["control"])]
    except (ValueError, KeyError, TypeError):
        advice = "stop the daemon and start it again: it writes a new one"
        return [*findings, Finding("problem", _ABOUT, f"{path} is damaged", advice)]
    sockets = [Path(one.partition("://")[2]) for one in endpoints if one.startswith("ipc://")]
    if gone := [one for one in sockets if not one.exists()]:
        text = f"{path} names a socket that is not there: {gone[0]}"
        return [*findings, Finding("problem", _ABOUT, text, "stop the daemon and start it again")]
    if any(one.verdict == "problem" for one in findings):
        return findings
    kinds = " and ".join(sorted({one.partition("://")[0] for one in endpoints}))
    return [*findings, Finding("ok", _ABOUT, f"{path} is yours alone, and names {kinds} endpoints")]


def _rights(path: Path) -> list[Finding]:
    if sys.platform == "win32":  # where a folder below the user's own is nobody else's
        return []
    findings = []
    found, around = path.stat(), path.parent.stat()
    for one, place in ((found, path), (around, path.parent)):
        if one.st_uid != os.geteuid():
            text = f"{place} belongs to user {one.st_uid}, not to you"
            advice = f"make it yours again: sudo chown -R $USER {shlex.quote(str(path.parent))}"
            findings.append(Finding("problem", _ABOUT, text, advice))
    if found.st_mode & 0o077:
        text = f"others can read {path}: it has mode {stat.S_IMODE(found.st_mode):o}"
        findings.append(Finding("problem", _ABOUT, text, f"chmod 600 {path}"))
    if around.st_mode & 0o022:
        text = f"others can write to {path.parent}: it has mode {stat.S_IMODE(around.st_mode):o}"
        findings.append(Finding("problem", _ABOUT, text, f"chmod go-w {path.parent}"))
    return findings


def _places_of_sockets(context: Context) -> list[Finding]:
    """Where the path is too long for a socket, they lie elsewhere, out of sandboxes' sight."""
    if context.world.machine.platform == "win32":
        return []
    folder = os.fsencode(context.places.connection_file.with_name("sockets"))
    if len(folder) + 1 + MAX_SOCKET_NAME_BYTES <= MAX_IPC_PATH_BYTES:
        return []
    text = (
        f"the path of {context.places.data} is too long for sockets ({len(folder)} bytes), so they "
        "lie in a private folder for temporary files"
    )
    found = find_editors(context.world.machine)
    editors: list[Gimp | Krita] = [*found.gimps, *found.kritas]
    sandboxed = [one.title for one in editors if one.build != OWN_BUILD]
    if not sandboxed:
        return [Finding("ok", _ABOUT, text)]
    text += f", which {' and '.join(sandboxed)} cannot see"
    return [
        Finding(
            "warning",
            _ABOUT,
            text,
            "set CLIPCROP_CONNECTION_FILE to a shorter path, for the daemon and for the editors",
        )
    ]
