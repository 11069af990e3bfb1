"""The command line: what is parsed, said and returned. The programs under it are fakes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest
from fake_home import FakeHome

from clipcrop_installer import cli
from clipcrop_installer.disk import Disk
from clipcrop_installer.errors import InstallError, PythonUnsuitable
from clipcrop_installer.install import Choices, remembered, to_remember
from clipcrop_installer.installation import opened
from clipcrop_installer.manifest import ManifestEntry
from clipcrop_installer.uninstall import MODELS

Run = Callable[..., int]


@pytest.fixture
def run(user: FakeHome) -> Run:
    """Runs a command line for that user."""

    def run_one(*arguments: str, program: str = cli.IN_CHECKOUT, answer: str | None = None) -> int:
        ask = None if answer is None else lambda question: str(answer)
        context = replace(user.context, say=cli.say, ask=ask)
        return cli.main(arguments, program, context=context, checkout=user.checkout)

    return run_one


def test_installing_says_what_will_be_and_what_was_done(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    assert run("install") == 0

    said = capsys.readouterr().out
    plan, done = said.split("Done:")
    assert plan.startswith("To install ClipCrop 1:\n 1. make a private environment")
    assert "put the plug-in into GIMP 3.0" in plan
    assert "self-test" in done
    assert "gave a crop of 300 x 200 pixels" in done
    assert "Not done:" not in done
    assert user.programs.daemon.exists()


@pytest.mark.parametrize(
    ("arguments", "answer", "is_removed"),
    [([], "n\n", False), ([], "", False), ([], "y\n", True), (["--yes"], "n\n", True)],
)
def test_on_a_terminal_taking_away_is_agreed_to(
    run: Run, user: FakeHome, arguments: list[str], answer: str, is_removed: bool
):
    run("install")

    assert run("uninstall", *arguments, answer=answer) == 0

    assert user.places.data.exists() is not is_removed


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
@pytest.mark.parametrize("arguments", [["--dry-run"], []])
def test_a_python_that_cannot_make_environments_is_noticed_before_anything_else(
    run: Run,
    user: FakeHome,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: str,
    arguments: list[str],
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find_spec(name)
    )
    before = user.contents()

    assert run("install", *arguments) == PythonUnsuitable.exit_code

    assert capsys.readouterr().out == ""
    assert user.contents() == before


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        pytest.param("/bin/bash", "export PATH=", id="bash"),
        pytest.param("/usr/bin/fish", "fish_add_path ", id="fish"),
        pytest.param("", "export PATH=", id="none"),
    ],
)
def test_a_user_whose_shell_finds_no_commands_is_told_the_line_to_add(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str], shell: str, line: str
):
    user.variables["SHELL"] = shell

    run("install")

    lines = [one.strip() for one in capsys.readouterr().out.splitlines()]
    (found,) = [one for one in lines if one.startswith(line)]
    assert str(user.home / ".local" / "bin") in found


def test_a_user_whose_shell_finds_the_commands_is_told_nothing_to_add(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    user.variables["PATH"] = f"/usr/bin:{user.home / '.local' / 'bin'}"

    run("install")

    assert "export PATH" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "answer", "is_installed"),
    [
        pytest.param([], "n\n", False, id="no"),
        pytest.param([], "what?\n", False, id="not understood"),
        pytest.param([], "\n", True, id="the usual answer"),
        pytest.param([], "Yes\n", True, id="yes"),
        pytest.param([], "", False, id="no answer, as Ctrl-D gives"),
        pytest.param(["--yes"], "n\n", True, id="not asked"),
    ],
)
def test_on_a_terminal_the_plan_is_agreed_to(
    run: Run, user: FakeHome, arguments: list[str], answer: str, is_installed: bool
):
    assert run("install", *arguments, answer=answer) == 0

    assert user.places.plugin_settings.exists() is is_installed


def test_a_dry_run_only_says_it(run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]):
    before = user.contents()

    assert run("install", "--dry-run") == 0
    assert run("uninstall", "--dry-run") == 0

    assert user.contents() == before
    assert "To install ClipCrop 1:" in capsys.readouterr().out


def test_what_would_be_taken_away_is_listed(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    run("install")
    before = user.contents()
    capsys.readouterr()

    assert run("uninstall", "--dry-run") == 0

    said = capsys.readouterr().out
    plug_in = user.home / ".config/GIMP/3.0/plug-ins"
    num_files = sum(path.is_file() for path in plug_in.rglob("*"))
    assert f"remove {num_files} files in {plug_in}" in said
    assert f"take back a line of {user.home / '.config/kritarc'}" in said
    assert len(said.splitlines()) < 40
    assert user.contents() == before


def test_taking_away_says_what_is_kept(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    run("install")
    mine = user.home / ".config/GIMP/3.0/plug-ins/clipcrop_gimp/mine.txt"
    mine.touch()

    assert run("uninstall") == 0
    assert "mine.txt in it is not ours" in capsys.readouterr().out
    assert mine.exists()


def test_what_cannot_be_taken_away_is_said_and_tried_again(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    before = user.contents()
    run("install")
    user.disk = HeldByAnother()

    assert run("uninstall") == 6

    said = capsys.readouterr().out
    assert "NOT REMOVED: " in said
    assert "plugin.json cannot be removed: in use" in said
    user.disk = Disk()
    assert run("uninstall") == 0
    assert user.contents() == before


class HeldByAnother(Disk):
    """Does as Windows does with a file that a program has open."""

    def remove_file(self, path: Path) -> None:
        if path.name == "plugin.json":
            raise PermissionError(13, "in use", str(path))
        super().remove_file(path)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["--krita-folder", "nowhere"], "there is no folder .*nowhere", id="folder"),
        pytest.param(["--environment", "this"], "is not installed in", id="environment"),
    ],
)
def test_choices_that_do_not_fit_are_refused(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
):
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)

    assert run("install", *arguments) != 0

    assert re.search(sentence, capsys.readouterr().err)


def test_an_environment_with_the_namesake_is_not_used(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.5.0")

    assert run("install", "--environment", "this") == 1

    error = capsys.readouterr().err
    assert "clipcrop 2.5.0" in error
    assert "pip uninstall clipcrop" in error


@pytest.mark.parametrize(
    ("project", "sentence"),
    [
        pytest.param(None, "there is no checkout of ClipCrop at", id="none"),
        pytest.param("[project]\n", "names no version", id="another project's"),
    ],
)
def test_only_a_checkout_of_clipcrop_is_installed(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str], project: str | None, sentence: str
):
    path = user.checkout / "pyproject.toml"
    path.unlink() if project is None else path.write_text(project)

    assert run("install") == 1

    assert sentence in capsys.readouterr().err


def test_with_nothing_installed_there_is_nothing_to_take_away_or_bring_up_to_date(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    assert run("uninstall") == 0
    assert run("upgrade") == InstallError.exit_code

    said = capsys.readouterr()
    assert "Nothing is installed here." in said.out
    assert "use install" in said.err


def test_an_upgrade_of_nothing_touches_nothing(run: Run, user: FakeHome):
    before = user.contents()

    run("upgrade")

    assert user.contents() == before


def test_an_upgrade_remembers_the_choices(run: Run, user: FakeHome):
    run("install", "--no-gimp", "--torch", "torch==2.9")
    user.programs.commands.clear()
    user.release("2")

    assert run("upgrade") == 0

    assert not (user.home / ".config/GIMP/3.0/plug-ins").exists()
    assert any(command.endswith(" torch==2.9") for command in user.programs.commands)
    assert run("upgrade", "--torch", "cpu") == 0
    choices = json.loads(user.places.manifest.read_text())["values"]["choices"]
    assert (choices["torch"], choices["gimp"]) == ("cpu", False)


def requirement_of(user: FakeHome) -> str:
    """What pip was asked for, of ClipCrop itself."""
    return user.programs.commands_with("pip install")[-1].rpartition(" ")[2]


def test_an_installation_is_light_unless_something_needs_pytorch(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    assert run("install") == 0

    plan, summary = capsys.readouterr().out.split("Done:")
    assert requirement_of(user) == f"{user.checkout}[raw]"
    assert not [one for one in user.programs.commands_with("pip install") if " torch" in one]
    assert re.search(r"engine light: .*--engine owlvit", plan)
    assert re.search(r"fetches about \d+ MB, takes [\d.]+ GB .* [\d.]+ GB of memory", plan)
    assert "upgrade --engine owlvit" in summary


def test_an_upgrade_moves_between_the_engines(run: Run, user: FakeHome):
    run("install")

    assert run("upgrade", "--engine", "owlvit") == 0
    assert requirement_of(user) == f"{user.checkout}[raw,owlvit]"
    assert run("upgrade") == 0  # it is remembered
    assert len(list(user.places.environments.iterdir())) == 1
    assert run("upgrade", "--engine", "light") == 0

    assert requirement_of(user) == f"{user.checkout}[raw]"
    assert len(list(user.places.environments.iterdir())) == 1
    assert run("uninstall") == 0
    assert not user.places.data.exists()


@pytest.mark.parametrize(("has_weights", "extra"), [(False, "[raw]"), (True, "[raw,owlvit]")])
def test_an_installation_from_before_there_were_engines_is_moved(
    run: Run, user: FakeHome, has_weights: bool, extra: str
):
    run("install", "--engine", "owlvit")
    values = json.loads(user.places.manifest.read_text())
    del values["values"]["choices"]["engine"]
    user.places.manifest.write_text(json.dumps(values))
    if has_weights:
        (user.places.data / "models" / "owlvit").mkdir(parents=True)
        (user.places.data / "models" / "owlvit" / "model.safetensors").touch()
    user.release("2")

    assert run("upgrade") == 0

    assert requirement_of(user) == f"{user.checkout}{extra}"


@pytest.mark.parametrize(("answers", "is_fetched"), [("yn", False), ("yy", True)])
def test_with_pytorch_the_weights_are_offered(
    run: Run,
    user: FakeHome,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: str,
    is_fetched: bool,
):
    fetched: list[object] = []
    monkeypatch.setattr(
        "clipcrop_installer.install.run_models",
        lambda words, context: fetched.append(words) or 0,
    )
    given = iter(answers)
    context = replace(user.context, say=cli.say, ask=lambda question: next(given) + "\n")

    assert cli.main(["install", "--engine", "owlvit"], context=context, checkout=user.checkout) == 0

    assert fetched == ([["download", "owlvit"]] if is_fetched else [])
    assert "models download owlvit" in capsys.readouterr().out


def test_an_environment_of_the_users_own_is_told_how_to_change_its_engine(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version_of_ours(name))
    monkeypatch.setattr("clipcrop_installer.install.find_spec", lambda name: None)

    assert run("install", "--environment", "this", "--engine", "owlvit") == 1

    assert "pip install 'clipcrop-desktop[owlvit]'" in capsys.readouterr().err


def version_of_ours(name: str) -> str:
    if name == "clipcrop-desktop":
        return "1"
    raise importlib.metadata.PackageNotFoundError(name)


@pytest.mark.parametrize(
    ("failing", "exit_code", "sentence"),
    [
        pytest.param(
            ("pip install", (1, "No space left on device")), 9, "the disk is full", id="needed"
        ),
        pytest.param(
            ("clipcrop-daemon ping", (1, "error: it is stuck")),
            6,
            "error: it is stuck",
            id="not needed",
        ),
    ],
)
def test_what_was_not_done_is_said_with_its_reason(
    run: Run,
    user: FakeHome,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failing: tuple[str, tuple[int, str]],
    exit_code: int,
    sentence: str,
):
    monkeypatch.setattr("clipcrop_installer.daemon.START_PATIENCE_S", 0.0)
    user.programs.failing = dict([failing])

    assert run("install") == exit_code

    not_done = capsys.readouterr().out.split("Not done:")[1]
    assert sentence in not_done
    assert "run the same command again" in not_done


def test_another_plug_in_of_the_name_makes_it_incomplete(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    (user.home / ".config/GIMP/3.0/plug-ins/clipcrop_gimp").mkdir(parents=True)

    assert run("install") == 6

    assert "was not made by this program" in capsys.readouterr().out
    assert run("install", "--force") == 0


def test_the_program_of_an_environment_uses_that_environment(
    run: Run, capsys: pytest.CaptureFixture[str]
):
    assert run("install", "--dry-run", program=cli.IN_ENVIRONMENT) == 0

    assert "environment" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run("demo", program=cli.IN_ENVIRONMENT)


def test_every_choice_has_an_option(run: Run, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        run("install", "--help")

    said = capsys.readouterr().out
    for one in fields(Choices):
        option = one.name.replace("_", "-")
        assert (f"--no-{option}" if one.default is True else f"--{option} ") in said


def test_choices_are_remembered_without_what_a_newer_version_knows():
    choices = Choices(gimp=False, gimp_folder=("a", "b"))
    written = json.loads(json.dumps({**to_remember(choices), "of_the_future": 1}))

    assert remembered(written) == choices
    assert remembered("nonsense") == Choices()


def test_a_folder_in_the_way_is_named(run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]):
    user.places.data.parent.mkdir(parents=True, exist_ok=True)
    Path(user.places.data).write_text("a file")

    assert run("install") == 5

    assert f"{user.places.data} should be a folder, and is a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        pytest.param([], "n\n", id="refused on a terminal"),
        pytest.param(["--gimp-folder", "/nowhere"], None, id="a folder that is not there"),
        pytest.param(["--torch", "tensorflow"], None, id="no PyTorch"),
    ],
)
def test_where_nothing_was_begun_nothing_is_left(
    run: Run, user: FakeHome, arguments: list[str], answer: str | None
):
    before = user.contents()

    run("install", *arguments, answer=answer)

    assert user.contents() == before


def test_where_there_is_no_room_from_the_start_nothing_is_left(
    run: Run,
    user: FakeHome,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    before = user.contents()
    usage = shutil.disk_usage(user.home)._replace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    assert run("install") == 9

    assert "no room for the environment: 0.0 GB are free" in capsys.readouterr().out
    assert user.contents() == before


def test_a_run_under_sudo_is_refused(
    run: Run,
    user: FakeHome,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    user.variables["SUDO_USER"] = "zoe"
    before = user.contents()

    assert run("install") == 1

    assert "without sudo" in capsys.readouterr().err
    assert user.contents() == before


def test_a_note_stands_below_its_step_and_the_commands_are_named(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    run("install")

    lines = capsys.readouterr().out.splitlines()
    assert "gave a crop" in lines[lines.index("  self-test") + 1]
    assert f"Its commands are in {user.home / '.local' / 'bin'}" in lines


def test_a_second_install_is_called_a_repair(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    for release, words in (
        ("1", "To install ClipCrop 1:"),
        ("1", "To repair or renew ClipCrop 1:"),
        ("2", "To upgrade to ClipCrop 2:"),
    ):
        user.release(release)
        run("install")
        assert capsys.readouterr().out.startswith(words)


def test_a_closed_output_is_no_error(home: Path, checkout: Path):
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, checkout / "installer", "doctor"],
        env={**os.environ, "HOME": str(home)},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )

    os.close(writing)
    assert (done.returncode, done.stderr) == (cli.EXIT_UNHEARD, b"")


def test_after_all_but_the_weights_went_nothing_counts_as_installed(
    run: Run, user: FakeHome, capsys: pytest.CaptureFixture[str]
):
    run("install")
    with opened(user.places, user.context) as manifest:
        weights = user.places.data / "models"
        weights.mkdir()
        manifest.begin([ManifestEntry(kind="tree", path=str(weights), step=MODELS)])

    run("uninstall", "--keep-models")

    assert run("upgrade") == 1
    assert "nothing to upgrade" in capsys.readouterr().err
    assert weights.exists()
