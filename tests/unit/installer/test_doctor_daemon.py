from __future__ import annotations

import json

from fake_installation import LITE, STATUS, FakeInstallation

from clipcrop_installer.doctor_checks import NUM_LOG_LINES, check_daemon, check_log, check_weights


def test_weights_that_are_right_are_ok(installation: FakeInstallation):
    owlv2 = {
        "name": "owlv2",
        "size_bytes": 619.9e6,
        "problems": [],
        "proof": "hashes",
        "proof_text": "as published",
    }
    installation.answers["models verify"] = (0, [json.dumps(LITE), json.dumps(owlv2)])

    findings = check_weights(installation.inspected)

    assert [(one.verdict, one.text) for one in findings] == [
        ("ok", "lite is whole (12 MB)"),
        ("ok", "owlv2 is as published (620 MB)"),
    ]


def test_weights_with_another_hash_are_a_problem(installation: FakeInstallation):
    installation.says("models verify", {**LITE, "name": "owlvit", "problems": ["other hash"]}, 1)

    (finding,) = check_weights(installation.inspected)

    assert (finding.verdict, finding.text) == ("problem", "other hash")
    assert finding.advice == "clipcrop-setup models download owlvit"


def test_a_command_that_fails_is_a_problem(installation: FakeInstallation):
    installation.answers["models verify"] = (70, ["error: that is a bug"])

    (finding,) = check_weights(installation.inspected)

    assert finding.verdict == "problem"
    assert "exit code 70: error: that is a bug" in finding.text


def test_a_daemon_that_answers_is_ok(installation: FakeInstallation):
    (finding,) = check_daemon(installation.inspected)

    assert (finding.verdict, finding.text) == (
        "ok",
        "answers: version 1.2.3, idle, lite loaded",
    )


def test_no_daemon_is_a_warning(installation: FakeInstallation):
    error = {"error": {"code": "daemon_not_running", "message": "no daemon: start it"}}
    installation.says("clipcrop-daemon status", error, code=1)

    (finding,) = check_daemon(installation.inspected)

    assert (finding.verdict, finding.text) == ("warning", "no answer: no daemon: start it")


def test_a_daemon_that_is_stuck_is_a_problem(installation: FakeInstallation):
    error = {"error": {"code": "request_timeout", "message": "no reply in 2 s"}}
    installation.says("clipcrop-daemon status", error, code=1)

    (finding,) = check_daemon(installation.inspected)

    assert finding.verdict == "problem"


def test_a_daemon_that_says_nothing_readable_is_a_problem(installation: FakeInstallation):
    installation.answers["clipcrop-daemon status"] = (1, ["Segmentation fault"])

    (finding,) = check_daemon(installation.inspected)

    assert (finding.verdict, finding.text) == ("problem", "no answer: Segmentation fault")


def test_a_daemon_of_another_version_is_a_warning(installation: FakeInstallation):
    installation.says("clipcrop-daemon status", {**STATUS, "version": "1.0.0"})

    (finding,) = check_daemon(installation.inspected)

    assert finding.verdict == "warning"
    assert finding.text.endswith("but version 1.2.3 was installed")


def test_no_log_is_ok(installation: FakeInstallation):
    (finding,) = check_log(installation.inspected)

    assert finding.verdict == "ok"


def write_log(installation: FakeInstallation, lines: list[str]) -> None:
    folder = installation.inspected.places.log
    folder.mkdir(parents=True)
    (folder / "daemon.log").write_text("\n".join(lines) + "\n")


def test_a_log_without_errors_is_ok_and_its_end_is_kept(installation: FakeInstallation):
    write_log(installation, [f"2026-01-01 INFO request.done id={n}" for n in range(9_999)])

    (finding,) = check_log(installation.inspected)

    assert finding.verdict == "ok"
    assert len(finding.details) == NUM_LOG_LINES
    assert finding.details[-1].endswith("id=9998")


def test_errors_at_the_end_of_the_log_are_a_warning(installation: FakeInstallation):
    write_log(installation, ["2026 INFO a", "2026 ERROR clipcrop_daemon.cli daemon.failed", "end"])

    (finding,) = check_log(installation.inspected)

    assert finding.verdict == "warning"
    assert "daemon.failed" in finding.text
