"""All checks together, the command, and what strangers may see."""

from __future__ import annotations

import argparse
import json
from pathlib import Path, PureWindowsPath

import pytest
from fake_installation import FakeInstallation

from clipcrop_installer import doctor
from clipcrop_installer.doctor import (
    CHECKS,
    Private,
    checks_for,
    has_problems,
    redacted,
    run_checks,
    to_lines,
)
from clipcrop_installer.doctor_checks import Finding, Inspected
from clipcrop_installer.errors import InstallError
from clipcrop_installer.plan import Context

ADA = Private(Path("/home/ada"), "ada", "engine")


def test_every_check_runs_on_an_installation_with_which_all_is_well(
    installation: FakeInstallation,
):
    findings = list(run_checks(installation.inspected, CHECKS))

    assert not has_problems(findings), to_lines(findings)
    assert {one.about for one in findings} >= {about for about, _ in CHECKS}


def test_where_nothing_is_installed_that_is_all_there_is_to_say(installation: FakeInstallation):
    installation.manifest.version = ""
    installation.manifest.values.clear()
    inspected = installation.inspected

    problem, room = run_checks(inspected, checks_for(inspected))

    assert (problem.text, problem.advice) == ("ClipCrop is not installed", "run install")
    assert room.about == "disk"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "cannot be looked at: "),
        (InstallError("no"), "cannot be looked at: no"),
        (ValueError("no JSON"), "said what is not understood: ValueError"),
        (KeyError("version"), "said what is not understood: KeyError"),
    ],
)
def test_what_cannot_be_looked_at_is_a_problem(
    error: Exception, words: str, installation: FakeInstallation
):
    def broken(inspected: Inspected) -> list[Finding]:
        raise error

    (finding,) = run_checks(installation.inspected, [("thing", broken)])

    assert finding.verdict == "problem"
    assert words in finding.text


def test_a_line_says_what_to_do():
    lines = to_lines(
        [Finding("problem", "disk", "it is full", "free some"), Finding("ok", "a", "b")]
    )

    assert lines == [
        "problem  disk: it is full",
        "         -> free some",
        "ok       a: b",
        "",
        "1 problem, 0 warnings.",
    ]


def test_all_well_is_said():
    assert to_lines([Finding("ok", "a", "b")])[-1] == "All is well."


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/home/ada/.config/GIMP", "~/.config/GIMP"),
        ("ada's machine is engine.", "USER's machine is HOST."),
        ("canada and engineering stay", "canada and engineering stay"),
        (f"key {'0f' * 32}!", "key KEY!"),
    ],
)
def test_what_is_the_users_own_is_hidden(text: str, hidden: str):
    assert ADA.hidden(text) == hidden


def test_a_home_on_windows_is_hidden_in_both_spellings():
    private = Private(PureWindowsPath("C:\\Users\\Ada"), "Ada", "engine")

    assert private.hidden("C:\\Users\\Ada\\x and C:/Users/Ada/x") == "~\\x and ~/x"


def test_a_short_name_does_not_riddle_the_report():
    assert Private(Path("/home/a"), "a", "b").hidden("a plan b in /home/a") == "a plan b in ~"


def test_prompts_in_the_log_are_hidden():
    details = (
        "2026 DEBUG clipcrop_daemon request prompt=my secret",
        "2026 INFO request.done id=1 ms=20",
        "2026 ERROR request.failed prompt=my secret image=/home/ada/a.jpg",
    )

    (finding,) = redacted([Finding("ok", "log", "", details=details)], ADA)

    assert finding.details == (
        "2026 INFO request.done id=1 ms=20",
        "2026 ERROR request.failed prompt=...",
    )


def run(installation: FakeInstallation, *words: str) -> tuple[int, list[str]]:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    doctor.add_command(commands)
    options = parser.parse_args(words)
    said: list[str] = []
    context = Context(installation.machine, installation.disk, installation.run, said.append)
    manifest = installation.inspected.places.manifest
    manifest.parent.mkdir(parents=True, exist_ok=True)
    installation.manifest.path = manifest
    installation.manifest.save()
    return options.run(options, context), said


def test_the_command_ends_with_0_if_all_is_well(installation: FakeInstallation):
    code, said = run(installation, "doctor")

    assert code == 0, said


def test_the_command_ends_with_1_if_there_are_problems(installation: FakeInstallation):
    installation.python.unlink()

    code, said = run(installation, "doctor")

    assert code == 1
    assert said[-1].startswith("1 problem,")


def test_programs_get_json(installation: FakeInstallation):
    _, said = run(installation, "doctor", "--json")

    values = json.loads("\n".join(said))
    assert values["ok"] is True
    assert values["clipcrop"] == "1.2.3"
    assert {one["verdict"] for one in values["findings"]} <= {"ok", "warning", "problem"}


@pytest.mark.parametrize("words", [["--report"], ["--report", "--json"]])
def test_a_report_does_not_tell_the_home(words: list[str], installation: FakeInstallation):
    _, said = run(installation, "doctor", *words)

    assert str(installation.home) not in "\n".join(said)


def test_a_user_whom_the_system_does_not_know_gets_a_report(
    installation: FakeInstallation, monkeypatch: pytest.MonkeyPatch
):
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(doctor.getpass, "getuser", unknown)

    code, said = run(installation, "doctor", "--report")

    assert code == 0
    assert str(installation.home) not in "\n".join(said)


def test_a_prompt_is_hidden_in_every_part_of_a_finding():
    line = "ERROR request.failed prompt=my secret wedding"
    finding = Finding("warning", "log", f"the last error: {line}", "", (line,))

    (hidden,) = redacted([finding], ADA)

    assert "wedding" not in hidden.text + "".join(hidden.details)


def test_a_home_that_is_the_root_of_all_paths_hides_nothing():
    private = Private(Path("/"), "root", "engine")

    assert private.hidden("/etc/x of root") == "/etc/x of USER"


def test_where_the_advised_commands_are_is_said(installation: FakeInstallation):
    installation.answers["clipcrop-daemon status"] = (1, ["no answer"])

    _, said = run(installation, "doctor")

    assert said[-1] == f"clipcrop-setup and clipcrop-daemon are in {installation.python.parent}"
