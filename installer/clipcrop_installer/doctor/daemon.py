"""The daemon's answer, and the end of its log."""

from __future__ import annotations

import json
import re
from typing import Any

from ..programs import CONNECTION_VARIABLE, last_line
from .finding import Context, Finding

_ABOUT = "daemon"
LOG_NAME = "daemon.log"
NUM_LOG_LINES = 20
_TAIL_BYTES = 64_000
_TROUBLE = re.compile(r" (?:ERROR|CRITICAL) ")


def check_daemon(context: Context) -> list[Finding]:
    """Whether it answers, and is of the version that was installed."""
    if context.environment is None:
        return []
    variables = {CONNECTION_VARIABLE: str(context.places.connection_file)}
    code, lines = context.environment.run(
        "clipcrop-daemon", ["status", "--json"], context.world, variables
    )
    answer = next((line for line in lines if line.startswith("{")), None)
    values: dict[str, Any] = json.loads(answer) if answer else {}
    if code or "state" not in values:
        error = values.get("error", {})
        text = f"no answer: {error.get('message') or last_line(lines)}"
        if error.get("code") == "daemon_not_running":
            advice = "editors start it when they need it; or run clipcrop-daemon run"
            return [Finding("warning", _ABOUT, text, advice)]
        return [Finding("problem", _ABOUT, text, "run clipcrop-daemon stop, then start it again")]
    loaded = ", ".join(values["loaded"]) or "no model"
    text = f"answers: version {values['version']}, {values['state']}, {loaded} loaded"
    if values["version"] != context.manifest.version:
        text += f", but version {context.manifest.version} was installed"
        return [Finding("warning", _ABOUT, text, "run clipcrop-daemon stop: the new one follows")]
    return [Finding("ok", _ABOUT, text)]


def check_log(context: Context) -> list[Finding]:
    """Errors among the last lines; the lines themselves are for the report."""
    path = context.places.log / LOG_NAME
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
