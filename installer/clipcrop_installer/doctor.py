"""``doctor``: say what is wrong, and what to do; as text or JSON.

It changes nothing. Whatever needs a package is asked of the environment's own programs.
"""

from __future__ import annotations

import argparse
import getpass
import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

from .doctor_checks import (
    INSTALL,
    Check,
    Finding,
    Inspected,
    check_completeness,
    check_connection,
    check_daemon,
    check_device,
    check_editors,
    check_environment,
    check_log,
    check_login,
    check_room,
    check_weights,
)
from .errors import InstallError
from .installation import read_manifest
from .machine import places
from .plan import Context
from .programs import installed_environment

_KEY = re.compile(r"\b[0-9a-fA-F]{32,}\b")
_PROMPT = re.compile(r"\b(prompt|text|exclude|image|path|file)=.*", re.IGNORECASE)
_SHORTEST_NAME = 3


@dataclass(frozen=True)
class Private:
    """What must not be in an issue tracker, besides keys and prompts."""

    home: PurePath
    user: str
    host: str

    def hidden(self, text: str) -> str:
        """The text with stand-ins for home, user, host, keys and prompts."""
        if self.home.name:  # else it is the root of all paths
            for home in {str(self.home), self.home.as_posix()}:
                text = text.replace(home, "~")
        for name, stand_in in ((self.user, "USER"), (self.host, "HOST")):
            if len(name) >= _SHORTEST_NAME:
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", stand_in, text)
        return _PROMPT.sub(r"\1=...", _KEY.sub("KEY", text))


def redacted(findings: Sequence[Finding], private: Private) -> list[Finding]:
    """Findings to be shown to strangers. Of the log no DEBUG line stays: those quote the user."""
    return [
        replace(
            one,
            text=private.hidden(one.text),
            advice=private.hidden(one.advice),
            details=tuple(private.hidden(line) for line in one.details if " DEBUG " not in line),
        )
        for one in findings
    ]


def to_lines(findings: Sequence[Finding], *, with_details: bool = False) -> list[str]:
    """One line each, and what to do below it; at the end the sum."""
    lines = []
    for one in findings:
        lines.append(f"{one.verdict:<8} {one.about}: {one.text}")
        if one.advice:
            lines.append(f"{'':<8} -> {one.advice}")
        if with_details:
            lines += [f"{'':<8}  | {line}" for line in one.details]
    counts = {kind: sum(one.verdict == kind for one in findings) for kind in ("problem", "warning")}
    if not any(counts.values()):
        return [*lines, "", "All is well."]
    said = [f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items()]
    return [*lines, "", f"{', '.join(said)}."]


def to_values(findings: Sequence[Finding], facts: Mapping[str, str]) -> dict[str, Any]:
    """As JSON has them.

    Args:
        findings: What was found.
        facts: About the machine, such as its system.
    """
    return {
        **facts,
        "ok": not has_problems(findings),
        "findings": [asdict(one) for one in findings],
    }


def has_problems(findings: Sequence[Finding]) -> bool:
    """Warnings are none."""
    return any(one.verdict == "problem" for one in findings)


CHECKS: Sequence[tuple[str, Check]] = (
    ("environment", check_environment),
    ("installation", check_completeness),
    ("engine", check_device),
    ("weights", check_weights),
    ("editors", check_editors),
    ("connection", check_connection),
    ("daemon", check_daemon),
    ("start at login", check_login),
    ("disk", check_room),
    ("log", check_log),
)
"""What each is about, in the order in which they are shown."""


BEFORE_INSTALLATION = ("environment", "disk")
"""What can be looked at where nothing is installed."""


def checks_for(inspected: Inspected) -> list[tuple[str, Check]]:
    """Those that make sense."""
    if inspected.manifest.version:
        return list(CHECKS)
    return [(about, check) for about, check in CHECKS if about in BEFORE_INSTALLATION]


def run_checks(inspected: Inspected, checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """Everything that is found; what cannot be looked at is a problem of its own."""
    for about, check in checks:
        try:
            yield from check(inspected)
        except (OSError, InstallError) as exc:
            yield Finding("problem", about, f"cannot be looked at: {exc}")
        except (ValueError, LookupError, TypeError) as exc:
            text = f"a program or a file said what is not understood: {exc!r}"
            yield Finding("problem", about, text, INSTALL)


EXIT_PROBLEMS = 1


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``doctor`` to the commands."""
    text = "say what is wrong with the installation, and what to do"
    parser = commands.add_parser(
        "doctor",
        help=text,
        description=f"{text.capitalize()}. Exit code 0: no problem, 1: some.",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="for an issue tracker: with versions and the end of the log, without your name, "
        "your folders, keys and prompts",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, context: Context) -> int:
    where = places(context.machine)
    manifest = read_manifest(where, context)
    inspected = Inspected(context, where, manifest, installed_environment(manifest, context))
    findings: list[Finding] = list(run_checks(inspected, checks_for(inspected)))
    commands = inspected.environment.python.parent if inspected.environment else None
    if options.report:
        findings = redacted(findings, _private(context))
    facts = {
        "clipcrop": manifest.version or "not installed",
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    if options.json:
        context.say(json.dumps(to_values(findings, facts), indent=1, ensure_ascii=False))
    else:
        if options.report:
            context.say("\n".join(f"{name}: {value}" for name, value in facts.items()))
        for line in to_lines(findings, with_details=options.report):
            context.say(line)
        if commands and not options.report and any(one.advice for one in findings):
            context.say(f"clipcrop-setup and clipcrop-daemon are in {commands}")
    return EXIT_PROBLEMS if has_problems(findings) else 0


def _private(context: Context) -> Private:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in the system's list; or no list
        user = context.machine.home.name
    return Private(context.machine.home, user, platform.node())
