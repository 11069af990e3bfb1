"""Run the project's checks one after the other, and tell what happened to each.

The environment (``.venv-tests``) is made by the installer's code. Each check is a command that a
developer can run alone; none stops the others. Tests that need what this machine does not have are
left out, and the closing table says so. With arguments for pytest only the tests run.
"""

from __future__ import annotations

import os
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipcrop_installer.environment import Recipe, ensure, program
from clipcrop_installer.errors import InstallError
from clipcrop_installer.process import Runner, run_command

PASSED, FAILED, LEFT_OUT = "passed", "FAILED", "left out"
TIERS = ("slow", "data", "gpu", "gimp", "krita")
"""Marks of tests that not every machine can run."""

NO_TESTS_COLLECTED = 5  # pytest's exit code
_COUNTS = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class Outcome:
    """What happened to one check."""

    name: str
    verdict: str
    note: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    """Of tests, by ``_COUNTS``; empty for the other checks."""


def main(checkout: Path, arguments: Sequence[str]) -> int:
    """Make the environment, run the checks; the return value is the process's exit code."""
    recipe = Recipe(checkout, ".venv-tests", groups=("test", "lint"))
    try:
        ensure(recipe, say, is_live=sys.stderr.isatty())
        outcomes = run_checks(recipe, arguments, missing_tools(recipe))
    except InstallError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return close(outcomes, say)


def run_checks(
    recipe: Recipe,
    arguments: Sequence[str],
    missing: dict[str, str],
    run: Runner = run_command,
) -> list[Outcome]:
    """Run what can run.

    Args:
        recipe: the environment to run it in.
        arguments: for pytest; with any, only the tests run.
        missing: mark of a tier of tests -> why it cannot run here.
        run: runs a command.
    """
    outcomes = []
    for name, command in _static_checks(recipe):
        if arguments:
            outcomes.append(Outcome(name, LEFT_OUT, "only tests, since arguments were given"))
        else:
            outcomes.append(_run_check(recipe, name, command, run))
    # The default tier comes last, so that what most people look for is what they see last.
    for mark in TIERS:
        if mark in missing:
            outcomes.append(Outcome(f"tests: {mark}", LEFT_OUT, missing[mark]))
        else:
            outcomes.append(_run_tests(recipe, mark, arguments, run, _selection(mark, missing)))
    outcomes.append(_run_tests(recipe, "", arguments, run))
    return outcomes


def missing_tools(recipe: Recipe, run: Runner = run_command) -> dict[str, str]:
    """Tiers of tests that this machine cannot run, and why."""
    missing = {}
    probe = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    python = program(recipe, "python")
    if run([python, "-c", probe], folder=recipe.checkout, variables={}, on_line=lambda _: None):
        missing["gpu"] = "no GPU that PyTorch can use"
    data = Path(os.environ.get("CLIPCROP_DATA") or recipe.checkout.parent / "shared" / "data")
    if not data.is_dir():
        missing["data"] = "no photos that may not be published; name their folder in CLIPCROP_DATA"
    for editor in ("gimp", "krita"):
        reason = _set_up(recipe, editor, run)
        if reason:
            missing[editor] = reason
    return missing


def _set_up(recipe: Recipe, editor: str, run: Runner) -> str:
    """Make an editor ready to be tested with, which can take minutes; why not, if it cannot be."""
    said: list[str] = []
    program = recipe.checkout / "tests" / "end_to_end" / editor / "setup.py"
    say(f"Looking for an editor to test in, or setting one up: {editor}")
    code = run([sys.executable, program], folder=recipe.checkout, variables={}, on_line=said.append)
    return said[-1] if code and said else f"{program.name} failed" if code else ""


def close(outcomes: Sequence[Outcome], say: Callable[[str], None]) -> int:
    """Show the closing table; the return value is the process's exit code.

    The last line is ``N passed, N failed, N skipped`` over all tests that ran.
    """
    width = max(len(outcome.name) for outcome in outcomes)
    say("\nWhat ran, and what did not:")
    for outcome in outcomes:
        note = outcome.note
        if outcome.counts:
            note = ", ".join(f"{outcome.counts[name]} {name}" for name in _COUNTS) + f"; {note}"
        say(f"  {outcome.name:<{width}}  {outcome.verdict:<8}  {note}")

    totals = {name: sum(outcome.counts.get(name, 0) for outcome in outcomes) for name in _COUNTS}
    broken = [outcome.name for outcome in outcomes if outcome.verdict == FAILED]
    if not totals["passed"] and not broken:
        broken = ["no test ran"]
    say(f"Failed: {', '.join(broken)}" if broken else "All that ran here passed.")
    say("\n" + ", ".join(f"{totals[name]} {name}" for name in _COUNTS))
    return 1 if broken else 0


def say(line: str) -> None:
    """Show a line at once, also where the output is a file or a pipe."""
    print(line, flush=True)


def _static_checks(recipe: Recipe) -> list[tuple[str, list[str | Path]]]:
    python = program(recipe, "python")
    return [
        ("format", [python, "-m", "ruff", "format", "--check", "."]),
        ("lint", [python, "-m", "ruff", "check", "."]),
        ("types", [python, "-m", "mypy"]),
        ("imports", [program(recipe, "lint-imports")]),
    ]


def _run_check(recipe: Recipe, name: str, command: list[str | Path], run: Runner) -> Outcome:
    code, seconds = _run(recipe, name, command, run)
    return Outcome(name, FAILED if code else PASSED, f"{seconds:.0f} s")


def _selection(tier: str, missing: Collection[str]) -> str:
    """Pytest's expression: a test of several tiers runs in the last one, if all of them can run."""
    later = TIERS[TIERS.index(tier) + 1 :]
    others = [one for one in TIERS if one != tier and (one in later or one in missing)]
    return " and not ".join([tier, *others])


def _run_tests(
    recipe: Recipe, mark: str, arguments: Sequence[str], run: Runner, selection: str = ""
) -> Outcome:
    name = f"tests: {mark}" if mark else "tests"
    report = recipe.folder / f"results-{mark or 'default'}.xml"
    report.unlink(missing_ok=True)
    select = ["-m", selection] if selection else []
    command: list[str | Path] = [program(recipe, "python"), "-m", "pytest", *select]
    code, seconds = _run(recipe, name, [*command, f"--junitxml={report}", *arguments], run)
    if code == NO_TESTS_COLLECTED:
        return Outcome(name, LEFT_OUT, "no such test")
    return Outcome(name, FAILED if code else PASSED, f"{seconds:.0f} s", _read_counts(report))


def _run(recipe: Recipe, name: str, command: list[str | Path], run: Runner) -> tuple[int, float]:
    say(f"\n== {name}")
    started = time.monotonic()
    code = run(command, folder=recipe.checkout, variables={"HF_HUB_OFFLINE": "1"}, on_line=say)
    return code, time.monotonic() - started


def _read_counts(report: Path) -> dict[str, int]:
    """Pytest's results file -> counts; empty where pytest did not get as far as writing one."""
    try:
        suites = list(ET.parse(report).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return {}
    tests, failures, errors, skipped = (
        sum(int(suite.get(name, "0")) for suite in suites)
        for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    return {"passed": tests - failed - skipped, "failed": failed, "skipped": skipped}
