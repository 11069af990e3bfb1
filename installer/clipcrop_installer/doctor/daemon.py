"""The daemon: whether it answers, its files, its log."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import sys
from pathlib import Path
from typing import Any

from ..editors import OWN_BUILD, Gimp, Krita, find_editors
from ..programs import CONNECTION_VARIABLE, last_line
from .finding import Finding, Inspected

LOG_NAME = "daemon.log"
NUM_LOG_LINES = 20
_TAIL_BYTES = 64_000
_TROUBLE = re.compile(r" (?:ERROR|CRITICAL) ")


def check_daemon(inspected: Inspected) -> list[Finding]:
    """Whether it answers, and is of the version that was installed."""
    if inspected.environment is None:
        return []
    variables = {CONNECTION_VARIABLE: str(inspected.places.connection_file)}
    code, lines = inspected.environment.run(
        "clipcrop-daemon", ["status", "--json"], inspected.context, variables
    )
    answer = next((line for line in lines if line.startswith("{")), None)
    values: dict[str, Any] = json.loads(answer) if answer else {}
    if code or "state" not in values:
        error = values.get("error", {})
        text = f"no answer: {error.get('message') or last_line(lines)}"
        if error.get("code") == "daemon_not_running":
            advice = "editors start it when they need it; or run clipcrop-daemon run"
            return [Finding("warning", "daemon", text, advice)]
        return [Finding("problem", "daemon", text, "run clipcrop-daemon stop, then start it again")]
    loaded = ", ".join(values["loaded"]) or "no model"
    text = f"answers: version {values['version']}, {values['state']}, {loaded} loaded"
    if values["version"] != inspected.manifest.version:
        text += f", but version {inspected.manifest.version} was installed"
        return [Finding("warning", "daemon", text, "run clipcrop-daemon stop: the new one follows")]
    return [Finding("ok", "daemon", text)]


def check_log(inspected: Inspected) -> list[Finding]:
    """Errors among the last lines; the lines themselves are for the report."""
    path = inspected.places.log / LOG_NAME
    if not path.is_file():
        return [Finding("ok", "log", f"no {path} yet")]
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = tuple(text.splitlines()[-NUM_LOG_LINES:])
    errors = [line for line in lines if _TROUBLE.search(line)]
    if errors:
        said = f"the last of {len(errors)} errors at the end of {path}: {errors[-1]}"
        advice = "if it goes on, add what doctor --report says to an issue"
        return [Finding("warning", "log", said, advice, lines)]
    return [Finding("ok", "log", f"no error at the end of {path}", details=lines)]


# As the daemon has them: clipcrop_wire.endpoint and clipcrop_daemon.folders.
MAX_IPC_PATH_BYTES = 100
MAX_SOCKET_NAME_BYTES = 24


def check_connection(inspected: Inspected) -> list[Finding]:
    """Whether it is the user's alone, and leads anywhere."""
    path = inspected.places.connection_file
    findings = _places_of_sockets(inspected)
    if not path.exists():
        return [*findings, Finding("ok", "connection", f"no {path}, so no daemon runs")]
    findings += _rights(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        endpoints = [*map(str, values["work"]), *map(str, values["control"])]
    except (ValueError, KeyError, TypeError):
        advice = "stop the daemon and start it again: it writes a new one"
        return [*findings, Finding("problem", "connection", f"{path} is damaged", advice)]
    sockets = [Path(one.partition("://")[2]) for one in endpoints if one.startswith("ipc://")]
    if gone := [one for one in sockets if not one.exists()]:
        text = f"{path} names a socket that is not there: {gone[0]}"
        return [
            *findings,
            Finding("problem", "connection", text, "stop the daemon and start it again"),
        ]
    if any(one.verdict == "problem" for one in findings):
        return findings
    kinds = " and ".join(sorted({one.partition("://")[0] for one in endpoints}))
    return [
        *findings,
        Finding("ok", "connection", f"{path} is yours alone, and names {kinds} endpoints"),
    ]


def _rights(path: Path) -> list[Finding]:
    if sys.platform == "win32":  # where the user's own folders are closed to other users
        return []
    findings = []
    found, around = path.stat(), path.parent.stat()
    for one, place in ((found, path), (around, path.parent)):
        if one.st_uid != os.geteuid():
            text = f"{place} belongs to user {one.st_uid}, not to you"
            advice = f"make it yours again: sudo chown -R $USER {shlex.quote(str(path.parent))}"
            findings.append(Finding("problem", "connection", text, advice))
    if found.st_mode & 0o077:
        text = f"others can read {path}: it has mode {stat.S_IMODE(found.st_mode):o}"
        findings.append(Finding("problem", "connection", text, f"chmod 600 {path}"))
    if around.st_mode & 0o022:
        text = f"others can write to {path.parent}: it has mode {stat.S_IMODE(around.st_mode):o}"
        findings.append(Finding("problem", "connection", text, f"chmod go-w {path.parent}"))
    return findings


def _places_of_sockets(inspected: Inspected) -> list[Finding]:
    """Where the path is too long for a socket, they lie elsewhere, out of sandboxes' sight."""
    if inspected.context.machine.platform == "win32":
        return []
    folder = os.fsencode(inspected.places.connection_file.with_name("sockets"))
    if len(folder) + 1 + MAX_SOCKET_NAME_BYTES <= MAX_IPC_PATH_BYTES:
        return []
    text = (
        f"the path of {inspected.places.data} is too long for sockets ({len(folder)} bytes); they "
        "lie in a private folder for temporary files"
    )
    found = find_editors(inspected.context.machine)
    editors: list[Gimp | Krita] = [*found.gimps, *found.kritas]
    sandboxed = [one.title for one in editors if one.build != OWN_BUILD]
    if not sandboxed:
        return [Finding("ok", "connection", text)]
    text += f", which {' and '.join(sandboxed)} cannot see"
    return [
        Finding(
            "warning",
            "connection",
            text,
            "set CLIPCROP_CONNECTION_FILE to a shorter path, for the daemon and for the editors",
        )
    ]
