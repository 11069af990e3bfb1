"""``doctor``: say what is wrong, and what to do."""

from __future__ import annotations

import argparse
import getpass
import json
import platform
from collections.abc import Iterator, Sequence

from ..errors import InstallError
from ..installation import read_manifest
from ..places import places
from ..plan import Context
from ..programs import installed_environment
from .daemon import check_connection, check_daemon, check_log
from .editors import check_editors
from .environment import (
    check_completeness,
    check_device,
    check_environment,
    check_room,
    check_weights,
)
from .finding import INSTALL, Check, Finding, Inspected
from .login import check_login
from .report import Private, has_problems, redacted, to_lines, to_values

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
    """Add it."""
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
