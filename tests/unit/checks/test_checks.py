from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        code = next((code for part, code in self.codes.items() if part in text), 0)
        for part in map(str, command):
            if part.startswith("--junitxml="):
                Path(part.partition("=")[2]).write_text(RESULTS.format(failures=int(code == 1)))
        return code


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """An environment that is there already."""
    (tmp_path / ".venv-tests").mkdir()
    return Recipe(tmp_path, ".venv-tests")


NO_EDITORS = {
    "data": "no photos",
    "gpu": "no GPU",
    "gimp": "GIMP is not installed",
    "krita": "Krita is not installed",
}


def test_everything_runs_and_the_last_line_counts_the_tests(checks: ModuleType, recipe: Recipe):
    run, said = FakeRunner(), list[str]()

    code = checks.close(checks.run_checks(recipe, [], NO_EDITORS, run), said.append)

    assert code == 0
    assert len(run.commands) == 6  # four checks, the slow tier, the default tier
    assert said[-1].strip() == "8 passed, 0 failed, 2 skipped"


def test_what_cannot_run_here_is_named_with_its_reason(checks: ModuleType, recipe: Recipe):
    said: list[str] = []

    checks.close(checks.run_checks(recipe, [], NO_EDITORS, FakeRunner()), said.append)

    table = "\n".join(said)
    for mark, reason in NO_EDITORS.items():
        assert f"tests: {mark}" in table
        assert f"left out  {reason}" in table


@pytest.mark.parametrize("part", ["ruff format", "ruff check", "mypy", "lint-imports", "-m slow"])
def test_one_failure_fails_the_whole_and_stops_nothing(
    checks: ModuleType, recipe: Recipe, part: str
):
    run, said = FakeRunner({part: 1}), list[str]()

    code = checks.close(checks.run_checks(recipe, [], NO_EDITORS, run), said.append)

    assert code == 1
    assert len(run.commands) == 6
    assert any(line.startswith("Failed: ") for line in said)


def test_a_pytest_that_breaks_before_it_counts_is_a_failure(checks: ModuleType, recipe: Recipe):
    class Broken(FakeRunner):
        """Ends without a results file."""

        def __call__(self, command: Sequence[str | Path], **rest: object) -> int:
            self.commands.append(str(command))
            return 4 if "-m pytest" in " ".join(map(str, command)) else 0

    assert checks.close(checks.run_checks(recipe, [], {}, Broken()), lambda line: None) == 1


def test_no_test_at_all_is_a_failure(checks: ModuleType, recipe: Recipe):
    run, said = FakeRunner({"-m pytest": checks.NO_TESTS_COLLECTED}), list[str]()

    code = checks.close(checks.run_checks(recipe, [], NO_EDITORS, run), said.append)

    assert code == 1
    assert "Failed: no test ran" in said


def test_arguments_reach_pytest_and_leave_the_other_checks_out(checks: ModuleType, recipe: Recipe):
    run = FakeRunner()

    outcomes = checks.run_checks(recipe, ["-k", "boxes"], NO_EDITORS, run)

    assert all(command.endswith("-k boxes") for command in run.commands)
    assert len(run.commands) == 2
    assert [o.note for o in outcomes[:4]] == ["only tests, since arguments were given"] * 4


def test_tiers_whose_tools_are_here_run(checks: ModuleType, recipe: Recipe):
    run = FakeRunner()

    checks.run_checks(recipe, [], {}, run)

    marks = [c.partition("pytest -m ")[2].split()[0] for c in run.commands if "pytest -m" in c]
    assert marks == ["slow", "data", "gpu", "gimp", "krita"]


def test_a_test_of_several_tiers_runs_once_and_only_where_all_of_them_can(
    checks: ModuleType, recipe: Recipe
):
    run = FakeRunner()

    checks.run_checks(recipe, [], {"gpu": "none", "gimp": "none"}, run)

    selections = [c.partition("pytest -m ")[2].partition(" --")[0] for c in run.commands]
    assert [one for one in selections if one] == [
        "slow and not data and not gpu and not gimp and not krita",
        "data and not gpu and not gimp and not krita",
        "krita and not gpu and not gimp",
    ]


def test_an_editor_that_cannot_be_set_up_is_named_with_the_setups_own_words(
    checks: ModuleType, recipe: Recipe
):
    class Refusing(FakeRunner):
        """The setup of an editor cannot do its work."""

        def __call__(
            self,
            command: Sequence[str | Path],
            *,
            folder: Path,
            variables: Mapping[str, str],
            on_line: Callable[[str], None],
        ) -> int:
            if str(command[-1]).endswith("setup.py"):
                on_line("making it")
                on_line(f"no {Path(command[-1]).parent.name} here, and only root can have one")
                return 3
            return super().__call__(command, folder=folder, variables=variables, on_line=on_line)

    missing = checks.missing_tools(recipe, Refusing())

    assert missing["gimp"] == "no gimp here, and only root can have one"
    assert missing["krita"] == "no krita here, and only root can have one"
    assert not {"gimp", "krita"} & set(checks.missing_tools(recipe, FakeRunner()))
