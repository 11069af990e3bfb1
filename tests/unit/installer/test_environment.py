from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_installer import environment
from clipcrop_installer.environment import NEEDED_BYTES, Recipe, ensure, is_ready, program
from clipcrop_installer.errors import (
    DiskFull,
    InstallError,
    NotOurs,
    PackageMissing,
    PythonUnsuitable,
    RegistryUnreachable,
)


class FakeRunner:
    """Stands for venv and pip: makes the Python that venv would make, and says what it is told to.

    Args:
        failing: part of a command -> the exit code and lines with which that command ends.
    """

    def __init__(self, failing: dict[str, tuple[int, list[str]]] | None = None) -> None:
        self.failing = failing or {}
        self.commands: list[str] = []
        self.variables: list[Mapping[str, str]] = []

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
        self.variables.append(variables)
        for part, (code, lines) in self.failing.items():
            if part in text:
                for line in lines:
                    on_line(line)
                return code
        if "-m venv" in text:
            python = program(Recipe(folder, Path(command[-1]).name), "python")
            python.parent.mkdir(parents=True)
            python.touch()
        return 0


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """An environment of a checkout that has only what a recipe reads."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    return Recipe(tmp_path, ".venv-try", groups=("test",))


def ignore(line: str) -> None:
    """Nobody listens."""


def test_the_environment_gets_the_project_its_groups_and_the_exact_versions(recipe: Recipe):
    run = FakeRunner()

    python = ensure(recipe, ignore, run)

    assert python == program(recipe, "python")
    make, upgrade_pip, install = run.commands
    assert make.endswith(f"-m venv {recipe.folder}")
    assert upgrade_pip.endswith("--upgrade pip")
    assert install.endswith(f"--editable {recipe.checkout} --group test")
    for command in (upgrade_pip, install):
        assert f"--constraint {recipe.checkout / 'constraints.txt'}" in command


def test_an_environment_is_used_again(recipe: Recipe):
    ensure(recipe, ignore, FakeRunner())
    again = FakeRunner()

    ensure(recipe, ignore, again)

    assert again.commands == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_an_environment_is_made_anew_when_what_it_is_made_from_changes(recipe: Recipe, name: str):
    ensure(recipe, ignore, FakeRunner())
    (recipe.folder / "left over").touch()
    (recipe.checkout / name).write_text("changed\n")
    again = FakeRunner()

    ensure(recipe, ignore, again)

    assert len(again.commands) == 3
    assert not (recipe.folder / "left over").exists()


def test_settings_of_the_checkers_do_not_ask_for_another_environment(recipe: Recipe):
    stamp = recipe.stamp()

    with (recipe.checkout / "pyproject.toml").open("a") as project:
        project.write("[tool.ruff]\nline-length = 100\n")

    assert recipe.stamp() == stamp


def test_other_groups_ask_for_another_environment(recipe: Recipe):
    assert recipe.stamp() != Recipe(recipe.checkout, recipe.name, groups=("lint",)).stamp()


def test_an_environment_whose_python_is_gone_is_made_anew(recipe: Recipe):
    python = ensure(recipe, ignore, FakeRunner())
    python.unlink()

    assert not is_ready(recipe)
    ensure(recipe, ignore, FakeRunner())

    assert python.exists()


def test_an_interrupted_build_is_made_anew(recipe: Recipe):
    class Interrupted(FakeRunner):
        """The user presses Ctrl-C while pip works."""

        def __call__(self, command: Sequence[str | Path], **rest: object) -> int:
            if "--editable" in command:
                raise KeyboardInterrupt
            return super().__call__(command, **rest)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        ensure(recipe, ignore, Interrupted())
    assert recipe.folder.exists()
    assert not is_ready(recipe)

    again = FakeRunner()
    ensure(recipe, ignore, again)

    assert len(again.commands) == 3
    assert is_ready(recipe)


def test_an_interrupted_rebuild_does_not_count_as_the_old_environment(recipe: Recipe):
    ensure(recipe, ignore, FakeRunner())
    old = (recipe.checkout / "pyproject.toml").read_text()
    (recipe.checkout / "pyproject.toml").write_text("changed\n")
    with pytest.raises(InstallError):
        ensure(recipe, ignore, FakeRunner({"--editable": (1, ["ERROR: something"])}))

    (recipe.checkout / "pyproject.toml").write_text(old)

    assert not is_ready(recipe)


@pytest.mark.parametrize("kind", ["folder with a file", "file", "link"])
def test_what_this_program_did_not_make_is_not_removed(recipe: Recipe, kind: str, tmp_path: Path):
    if kind == "folder with a file":
        recipe.folder.mkdir()
        (recipe.folder / "mine").touch()
    elif kind == "file":
        recipe.folder.touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        recipe.folder.symlink_to(tmp_path / "elsewhere")
    run = FakeRunner()

    with pytest.raises(NotOurs, match=r"is in the way, and was not made by this program"):
        ensure(recipe, ignore, run)

    assert run.commands == []
    assert recipe.folder.exists()


def test_an_empty_folder_is_not_in_the_way(recipe: Recipe):
    recipe.folder.mkdir()

    ensure(recipe, ignore, FakeRunner())

    assert is_ready(recipe)


def test_downloads_go_through_a_folder_in_the_checkout_that_is_removed(recipe: Recipe):
    run = FakeRunner()

    ensure(recipe, ignore, run)

    temporary = recipe.folder / "tmp"
    assert {variables["PIP_USER"] for variables in run.variables} == {"0"}
    assert {variables["TMPDIR"] for variables in run.variables} == {str(temporary)}
    assert not temporary.exists()


@pytest.mark.parametrize(
    ("lines", "error", "sentence"),
    [
        pytest.param(
            [
                "WARNING: Retrying (Retry(total=0)) after connection broken by "
                "'NewConnectionError: Temporary failure in name resolution'",
                "ERROR: Could not find a version that satisfies the requirement torch",
                "ERROR: No matching distribution found for torch",
            ],
            RegistryUnreachable,
            "the package registry cannot be reached; connect to the internet",
            id="no network",
        ),
        pytest.param(
            ["ERROR: Could not install packages: [Errno 28] No space left on device"],
            DiskFull,
            "the disk is full; free some gigabytes",
            id="disk full",
        ),
        pytest.param(
            ["ERROR: No matching distribution found for torch==2.13.0"],
            PackageMissing,
            r"the registry has no torch==2\.13\.0 for Python 3",
            id="no build for this Python",
        ),
        pytest.param(
            [
                "ERROR: Cannot install torch because these package versions have conflicts.",
                "The conflict is caused by:",
                "    The user requested torch",
                "    The user requested (constraint) torch==2.13.0",
                "",
                "ERROR: ResolutionImpossible: for help visit the documentation",
            ],
            PackageMissing,
            r"the registry has no torch==2\.13\.0 for Python 3",
            id="no build of the exact version",
        ),
        pytest.param(
            [
                "WARNING: Retrying after connection broken by 'SSLError(SSLCertVerificationError("
                "1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed')'",
                "ERROR: No matching distribution found for torch",
            ],
            RegistryUnreachable,
            "the certificate of the package registry is not trusted .*PIP_CERT",
            id="a certificate",
        ),
        pytest.param(
            ["ERROR: Invalid requirement: 'torch foo'", "    torch foo", "    ~~~^"],
            InstallError,
            r"exit code 1: ERROR: Invalid requirement: 'torch foo' \(details",
            id="an error in the middle",
        ),
        pytest.param(
            ["ERROR: something else", ""],
            InstallError,
            r"exit code 1: ERROR: something else \(details: .*install\.log\)",
            id="anything else",
        ),
        pytest.param([], InstallError, "printed nothing", id="silence"),
    ],
)
def test_a_failure_of_pip_is_explained_in_a_sentence(
    recipe: Recipe, lines: list[str], error: type[InstallError], sentence: str
):
    with pytest.raises(error, match=sentence) as caught:
        ensure(recipe, ignore, FakeRunner({"--editable": (1, lines)}))

    assert type(caught.value) is error
    assert recipe.log.read_text().splitlines() == lines
    assert not is_ready(recipe)


def test_a_venv_without_pip_is_explained(recipe: Recipe):
    run = FakeRunner(
        {"-m venv": (1, ["The virtual environment was not created because ensurepip is missing."])}
    )

    with pytest.raises(PythonUnsuitable, match="apt install python3-venv"):
        ensure(recipe, ignore, run)


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_the_modules_is_refused_before_anything_is_written(
    recipe: Recipe, module: str, monkeypatch: pytest.MonkeyPatch
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find_spec(name)
    )

    with pytest.raises(PythonUnsuitable, match=f"this Python has no module {module}"):
        ensure(recipe, ignore, FakeRunner())

    assert not recipe.folder.exists()


def test_a_pytorch_that_cannot_be_had_comes_from_the_usual_index_and_that_is_said(recipe: Recipe):
    recipe = replace(
        recipe, extras=("owlvit",), torch=("torch", "--index-url", "x"), torch_fallback=("torch",)
    )
    run, said = FakeRunner({"--index-url": (1, ["ERROR: Could not find a version"])}), []

    ensure(recipe, said.append, run)

    assert [command.rpartition(" ")[2] for command in run.commands[2:4]] == ["x", "torch"]
    assert run.commands[-1].endswith(f"--editable {recipe.checkout}[owlvit] --group test")
    assert "usual index" in " ".join(said)


def test_a_fallback_that_does_not_fit_on_the_disk_is_not_begun(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(recipe.checkout)._replace(free=5_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    large = replace(
        recipe,
        torch=("torch", "--index-url", "x"),
        torch_fallback=("torch",),
        fallback_bytes=int(1e10),
    )
    run = FakeRunner({"--index-url": (1, ["ERROR: Could not find a version"])})

    with pytest.raises(DiskFull, match=r"it takes 10\.0 GB"):
        ensure(large, ignore, run)

    assert run.commands[-1].endswith("--index-url x")


def test_too_little_room_is_refused_before_anything_is_written(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(recipe.checkout)._replace(free=NEEDED_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    with pytest.raises(DiskFull, match=r"no room for the environment: 1\.0 GB are free"):
        ensure(recipe, ignore, FakeRunner())

    assert not recipe.folder.exists()


@pytest.mark.parametrize(
    ("number", "error", "sentence"),
    [
        pytest.param(28, DiskFull, "no room for the environment", id="disk full"),
        pytest.param(
            13, InstallError, "cannot write .*; check that the folder is yours", id="denied"
        ),
    ],
)
def test_errors_of_the_disk_while_building_are_explained(
    recipe: Recipe, number: int, error: type[InstallError], sentence: str
):
    class FullDisk(FakeRunner):
        """The disk refuses a write."""

        def __call__(self, command: Sequence[str | Path], **rest: object) -> int:
            raise OSError(number, "refused")

    with pytest.raises(error, match=sentence):
        ensure(recipe, ignore, FullDisk())


def test_every_error_has_an_exit_code_of_its_own():
    errors = InstallError.__subclasses__()

    codes = [error.exit_code for error in errors]

    assert len(set(codes)) == len(codes)
    assert not set(codes) & {0, 1, 2}


def test_windows_keeps_its_programs_elsewhere(recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment.os, "name", "nt")

    path = program(recipe, "python")

    assert path.relative_to(recipe.folder).parts == ("Scripts", "python.exe")
