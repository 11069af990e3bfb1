"""Run the project's checks side by side, and tell what happened to each.

The environment (``.venv-tests``) is made by the installer's code. Each check is a command that a
developer can run alone; none stops the others, and the output of each is printed when it ends.
Tests that need what this machine does not have are left out, and the closing table says so.
``--fast`` leaves out editors, downloads, data and slow tests; with arguments for pytest only the
tests run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from clipcrop_installer.environment import Recipe, ensure, program
from clipcrop_installer.errors import InstallError
from clipcrop_installer.process import Runner, read_lines, start_piped

PASSED, FAILED, LEFT_OUT = "passed", "FAILED", "left out"
FAST = "--fast"
EDITORS = ("gimp", "krita")
NO_TESTS_COLLECTED = 5  # pytest's exit code
NUM_WORKERS = min(os.cpu_count() or 1, 4)
"""Processes that share the default tests; each holds PyTorch in memory."""

_END_S = 20.0  # for a check to end what it has started
_COUNTS = ("passed", "failed", "skipped")

Prepare = Callable[[Runner], str]
"""Makes what a check needs; returns why the check cannot run here, or an empty string."""


@dataclass(frozen=True)
class Check:
    """A command whose exit code says whether all is well."""

    name: str
    command: Sequence[str | Path]
    report: Path | None = None
    """Where pytest writes its results."""

    prepare: Prepare = lambda _run: ""


@dataclass(frozen=True)
class Outcome:
    """What happened to one check."""

    name: str
    verdict: str
    note: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    """Of tests, by ``_COUNTS``; empty for the other checks."""

    output: tuple[str, ...] = ()
    """Lines of the command."""


def main(checkout: Path, arguments: Sequence[str]) -> int:
    """Make the environment, run the checks; the return value is the process's exit code."""
    recipe = Recipe(
        checkout,
        ".venv-tests",
        groups=("test", "lint"),
        extras=("owlvit", "train", "train-lite", "raw"),
    )
    rest = [one for one in arguments if one != FAST]
    commands = Commands()
    # As Ctrl-C: the checks are in groups of their own, and would go on without us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        ensure(recipe, say, is_live=sys.stderr.isatty())
        checks = list_checks(recipe, rest, is_fast=len(rest) < len(arguments))
        outcomes = run_checks(checks, recipe.checkout, say, commands.run)
    except InstallError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    finally:
        commands.end()
    return close(outcomes, say)


def list_checks(recipe: Recipe, arguments: Sequence[str], *, is_fast: bool = False) -> list[Check]:
    """All checks; the longest come first.

    Args:
        recipe: The environment to run them in.
        arguments: For pytest; with any, only the tests run.
        is_fast: Without what needs an editor, a download, data, or minutes.
    """

    def tests(mark: str, selection: Sequence[str], prepare: Prepare = lambda _run: "") -> Check:
        report = recipe.folder / f"results-{mark.replace(' ', '-') or 'default'}.xml"
        options = [*selection, f"--junitxml={report}", *arguments]
        command = [program(recipe, "python"), "-m", "pytest", *options]
        return Check(f"tests: {mark}" if mark else "tests", command, report, prepare)

    # Each test is selected once: its marks are those of one tier, and possibly "slow".
    no_editor = "not gimp and not krita"
    # A file's tests stay together, since they share what is slow to make.
    shared = ["--numprocesses", str(NUM_WORKERS), "--dist", "loadfile"]
    slow_tiers = [
        tests("krita", ["-m", "krita and not gimp"], _editors(recipe, "krita")),
        tests("gimp", ["-m", "gimp and not krita"], _editors(recipe, "gimp")),
        tests("gimp and krita", ["-m", "gimp and krita"], _editors(recipe, *EDITORS)),
        tests("slow", ["-m", f"slow and not data and not gpu and {no_editor}", *shared]),
        tests("data", ["-m", f"data and not gpu and {no_editor}"], _data(recipe)),
        tests("gpu", ["-m", f"gpu and {no_editor}"], _gpu(recipe)),
    ]
    default = tests("", shared)
    return [
        *([] if is_fast else slow_tiers),
        default,
        *([] if arguments else _static_checks(recipe)),
    ]


def _static_checks(recipe: Recipe) -> list[Check]:
    python = program(recipe, "python")
    return [
        Check("types", [python, "-m", "mypy"]),
        Check("format", [python, "-m", "ruff", "format", "--check", "."]),
        Check("lint", [python, "-m", "ruff", "check", "."]),
        Check("imports", [program(recipe, "lint-imports")]),
    ]


def _gpu(recipe: Recipe) -> Prepare:
    probe = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    command = [program(recipe, "python"), "-c", probe]

    def look(run: Runner) -> str:
        code = run(command, folder=recipe.checkout, variables={}, on_line=lambda _: None)
        return "no GPU that PyTorch can use" if code else ""

    return look


def _data(recipe: Recipe) -> Prepare:
    folder = Path(os.environ.get("CLIPCROP_DATA") or recipe.checkout.parent / "shared" / "data")
    reason = "no photos that may not be published; name their folder in CLIPCROP_DATA"
    return lambda _run: "" if folder.is_dir() else reason


def _editors(recipe: Recipe, *names: str) -> Prepare:
    """Makes editors ready to be tested with, which takes minutes the first time."""

    def set_up(run: Runner) -> str:
        for name in names:
            said: list[str] = []
            setup = recipe.checkout / "tests" / "end_to_end" / name / "setup.py"
            command = [sys.executable, setup]
            code = run(command, folder=recipe.checkout, variables={}, on_line=said.append)
            if code:
                return said[-1] if said else f"{name}'s {setup.name} failed"
        return ""

    return set_up


def run_checks(
    checks: Sequence[Check], folder: Path, say: Callable[[str], None], run: Runner
) -> list[Outcome]:
    """Run all checks at once, and print the output of each when it ends.

    Args:
        checks: What to run.
        folder: Where to run it.
        say: Prints a line.
        run: Runs a command; is called from several threads.

    Returns:
        In the order of ``checks``.
    """
    say(f"{len(checks)} checks run side by side; the output of each is shown when it ends.")
    pool = ThreadPoolExecutor(len(checks))
    try:
        running = [pool.submit(_run_check, check, folder, run) for check in checks]
        for one in as_completed(running):
            outcome = one.result()
            for line in (f"\n== {outcome.name}: {outcome.verdict}", *outcome.output):
                say(line)
        return [one.result() for one in running]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _run_check(check: Check, folder: Path, run: Runner) -> Outcome:
    started = time.monotonic()
    reason = check.prepare(run)
    if reason:
        return Outcome(check.name, LEFT_OUT, reason)
    if check.report is not None:
        check.report.unlink(missing_ok=True)
    lines: list[str] = []
    variables = {"HF_HUB_OFFLINE": "1"}
    code = run(check.command, folder=folder, variables=variables, on_line=lines.append)
    counts = {} if check.report is None else _read_counts(check.report)
    note = f"{time.monotonic() - started:.0f} s"
    if check.report is not None and code == NO_TESTS_COLLECTED:
        return Outcome(check.name, LEFT_OUT, "no such test")
    return Outcome(check.name, FAILED if code else PASSED, note, counts, tuple(lines))


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


class Commands:
    """Runs commands, from several threads, until `end` ends them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._is_ended = False

    def run(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        """A `Runner`: run one command to its end."""
        with self._lock:
            if self._is_ended:
                return 1
            process = start_piped(command, folder=folder, variables=variables, has_own_group=True)
            self._running.add(process)
        code = read_lines(process, on_line)
        with self._lock:
            self._running.discard(process)
        return code

    def end(self) -> None:
        """Interrupt what still runs, as Ctrl-C does; kill what does not end then."""
        with self._lock:
            self._is_ended = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGINT)
        deadline = time.monotonic() + _END_S
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(process, None)


def _signal(process: subprocess.Popen[str], number: int | None) -> None:
    """Send a signal to a process and its children; with None, kill them."""
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL if number is None else number)


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
