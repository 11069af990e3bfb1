"""``doctor``: say what is wrong, and what to do."""

from __future__ import annotations

import argparse
import getpass
import json
import platform

from ..doctor.checks import checks_for, run_checks
from ..doctor.finding import Context, Finding
from ..doctor.report import Private, has_problems, redacted, to_lines, to_values
from ..installation import read_manifest
from ..places import places
from ..plan import World
from ..programs import installed_environment

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


def _run(options: argparse.Namespace, world: World) -> int:
    where = places(world.machine)
    manifest = read_manifest(where, world)
    context = Context(world, where, manifest, installed_environment(manifest, world))
    findings: list[Finding] = list(run_checks(context, checks_for(context)))
    commands = context.environment.python.parent if context.environment else None
    if options.report:
        findings = redacted(findings, _private(world))
    facts = {
        "clipcrop": manifest.version or "not installed",
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    if options.json:
        world.say(json.dumps(to_values(findings, facts), indent=1, ensure_ascii=False))
    else:
        if options.report:
            world.say("\n".join(f"{name}: {value}" for name, value in facts.items()))
        for line in to_lines(findings, with_details=options.report):
            world.say(line)
        if commands and not options.report and any(one.advice for one in findings):
            world.say(f"clipcrop-setup and clipcrop-daemon are in {commands}")
    return EXIT_PROBLEMS if has_problems(findings) else 0


def _private(world: World) -> Private:
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in the system's list; or no list
        user = world.machine.home.name
    return Private(world.machine.home, user, platform.node())
