from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from clipcrop_installer.environment import Recipe

RESULTS = (
    '<testsuites><testsuite tests="5" failures="{failures}" errors="0" skipped="1"/></testsuites>'
)


@pytest.fixture(scope="module")
def checks() -> Iterator[ModuleType]:
    """The module behind ``python3 tests``, which no package holds."""
    spec = importlib.util.spec_from_file_location("checks", Path(__file__).parents[2] / "checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["checks"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["checks"]


class FakeRunner:
    """Stands for the checks: each ends with 0, unless a part of its command is listed."""

    def __init__(self, codes: dict[str, int] | None = None) -> None:
        self.codes = codes or {}
        self.commands: list[str] = []

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        text = " ".join(str(part) for part in command)
        self.commands.append(text)
        on_line(f"the output of {text}")
        code = next((code for part, code in self.codes.items() if part in text), 0)
        for part in map(str, command):
            if part.startswith("--junitxml="):
                Path(part.partition("=")[2]).write_text(RESULTS.format(failures=int(code == 1)))
        return code

    def selections(self) -> set[str]:
        """What pytest was to select, for each time that it ran with marks."""
        return {
            one.partition("pytest -m ")[2].partition(" --")[0]
            for one in self.commands
            if "pytest -m" in one
        }


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """An environment that is there already, on a machine without data."""
    monkeypatch.setenv("CLIPCROP_DATA", str(tmp_path / "no data"))
    (tmp_path / ".venv-tests").mkdir()
    return Recipe(tmp_path, ".venv-tests")


@pytest.fixture
def run_all(checks: ModuleType, recipe: Recipe) -> Callable[..., tuple[int, list[str]]]:
    """Runs what is listed; returns the exit code and the printed lines."""

    def run_them(run: FakeRunner, *arguments: str, is_fast: bool = False) -> tuple[int, list[str]]:
        said: list[str] = []
        listed = checks.list_checks(recipe, arguments, is_fast=is_fast)
        outcomes = checks.run_checks(listed, recipe.checkout, said.append, run)
        return checks.close(outcomes, said.append), said

    return run_them


RunAll = Callable[..., tuple[int, list[str]]]
NOTHING_HERE = {"torch.cuda": 1, "gimp/setup.py": 3, "krita/setup.py": 3}
"""Of a machine without a GPU and without editors."""


def test_everything_runs_and_the_last_line_counts_the_tests(run_all: RunAll):
    code, said = run_all(FakeRunner(NOTHING_HERE))

    assert code == 0
    assert said[-1].strip() == "8 passed, 0 failed, 2 skipped"  # the slow and the default tests


def test_what_cannot_run_here_is_named_with_its_reason(run_all: RunAll):
    _code, said = run_all(FakeRunner(NOTHING_HERE))

    left_out = {line.partition("  left out  ")[0].strip(): line for line in said if "left" in line}
    assert "CLIPCROP_DATA" in left_out["tests: data"]
    assert "GPU" in left_out["tests: gpu"]
    assert "gimp/setup.py" in left_out["tests: gimp"], "the setup's own words"
    assert "krita/setup.py" in left_out["tests: krita"]
    assert "tests: gimp and krita" in left_out


@pytest.mark.parametrize("part", ["ruff format", "ruff check", "mypy", "lint-imports", "-m slow"])
def test_one_failure_fails_the_whole_and_stops_nothing(run_all: RunAll, part: str):
    run = FakeRunner({**NOTHING_HERE, part: 1})

    code, said = run_all(run)

    assert code == 1
    all_is_well = FakeRunner(NOTHING_HERE)
    run_all(all_is_well)
    assert sorted(run.commands) == sorted(all_is_well.commands)
    assert any(line.startswith("Failed: ") for line in said)


def test_a_pytest_that_breaks_before_it_counts_is_a_failure(run_all: RunAll):
    class Broken(FakeRunner):
        """Ends without a results file."""

        def __call__(self, command: Sequence[str | Path], **rest: object) -> int:
            return 4 if "-m pytest" in " ".join(map(str, command)) else 0

    assert run_all(Broken())[0] == 1


def test_no_test_at_all_is_a_failure(checks: ModuleType, run_all: RunAll):
    code, said = run_all(FakeRunner({"-m pytest": checks.NO_TESTS_COLLECTED}))

    assert code == 1
    assert "Failed: no test ran" in said


def test_arguments_reach_pytest_and_leave_the_other_checks_out(run_all: RunAll):
    run = FakeRunner(NOTHING_HERE)

    run_all(run, "-k", "boxes")

    of_pytest = [one for one in run.commands if "-m pytest" in one]
    assert len(of_pytest) == 2
    assert all(one.endswith("-k boxes") for one in of_pytest)
    assert not any("ruff" in one or "mypy" in one for one in run.commands)


def test_the_fast_run_has_neither_editors_nor_slow_tests(run_all: RunAll):
    run = FakeRunner()

    run_all(run, is_fast=True)

    assert len(run.commands) == 5  # four checks and the default tests
    assert run.selections() == set()
    assert not any("setup.py" in one for one in run.commands)


def test_each_combination_of_marks_is_selected_once(
    run_all: RunAll, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLIPCROP_DATA", str(recipe.folder))
    run = FakeRunner()

    run_all(run)

    marks = ("slow", "data", "gpu", "gimp", "krita")
    for of_a_test in [
        *({mark} for mark in marks),
        *({"slow", mark} for mark in marks),
        {"slow", "gimp", "krita"},
        {"data", "gpu"},
    ]:
        values = {mark: mark in of_a_test for mark in marks}
        chosen = [one for one in run.selections() if eval(one, values)]
        assert len(chosen) == 1, (of_a_test, chosen)


def test_the_output_of_a_check_is_shown_whole_though_others_run(checks: ModuleType, tmp_path: Path):
    both_run = threading.Barrier(2, timeout=60)
    said: list[str] = []

    def run(command: Sequence[str | Path], *, on_line: Callable[[str], None], **_: object) -> int:
        for number in range(3):
            both_run.wait()
            on_line(f"{command[0]} {number}")
        return 0

    listed = [checks.Check(name, [name]) for name in ("a", "b")]
    checks.run_checks(listed, tmp_path, said.append, run)

    shown = [line for line in said if line[:2] in ("a ", "b ")]
    assert sorted(shown) == [f"{name} {number}" for name in "ab" for number in range(3)]
    assert [line[0] for line in shown] in (list("aaabbb"), list("bbbaaa"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_ends_a_command_and_lets_it_tidy_up(checks: ModuleType, tmp_path: Path):
    code = (
        "import sys, threading\n"
        "try:\n    print('runs', flush=True); threading.Event().wait()\n"
        "except KeyboardInterrupt:\n    print('tidied up', flush=True); sys.exit(7)"
    )
    commands, lines, runs = checks.Commands(), list[str](), threading.Event()

    def on_line(line: str) -> None:
        lines.append(line)
        runs.set()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(
            commands.run,
            [sys.executable, "-c", code],
            folder=tmp_path,
            variables={},
            on_line=on_line,
        )
        assert runs.wait(60)
        commands.end()

        assert ended.result(60) == 7
    assert lines == ["runs", "tidied up"]


def test_a_commands_output_and_exit_code_are_given(checks: ModuleType, tmp_path: Path):
    lines: list[str] = []
    code = "import os, sys; print(os.getcwd(), os.environ['X']); sys.exit(3)"

    got = checks.Commands().run(
        [sys.executable, "-c", code], folder=tmp_path, variables={"X": "y"}, on_line=lines.append
    )

    assert got == 3
    assert lines == [f"{tmp_path.resolve()} y"]
