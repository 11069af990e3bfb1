from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from fake_daemon import FakeDaemon

from clipcrop_daemon import __version__, cli
from clipcrop_daemon.cli import claim_or_find, main, wait_until_gone
from clipcrop_daemon.errors import AlreadyRunning, CannotPublish
from clipcrop_daemon.instance import Instance, claim
from clipcrop_daemon.settings import Settings, option_of
from clipcrop_wire import protocol
from clipcrop_wire.errors import InternalError, InvalidRequest, Unavailable, VersionMismatch
from clipcrop_wire.messages import (
    Progress,
    ShutdownReply,
    StatusReply,
    UnloadReply,
    WarmReply,
)

STATUS = StatusReply(
    version="1.2.3",
    pid=77,
    uptime_s=3 * 3600 + 5 * 60,
    state="idle",
    loaded=("owlvit",),
    device="cuda:0",
    num_queued=1,
    num_clients=2,
    num_done=30,
    num_cached_images=4,
    cache_bytes=12_000_000,
    resident_bytes=29_000_000,
)

Run = Callable[..., int]


@pytest.fixture
def run(settings: Settings) -> Run:
    """The command line on the connection file of `settings`."""

    def run_command(command: str, *options: str) -> int:
        return main([command, "--connection-file", str(settings.connection_file), *options])

    return run_command


def answer(daemon: FakeDaemon, kind: str, body: Any) -> None:
    daemon.reply_of[kind] = lambda request: [protocol.encode_reply(request.id, kind, body)]


def decline(daemon: FakeDaemon, kind: str, error: Exception) -> None:
    daemon.reply_of[kind] = lambda request: [protocol.encode_error(request.id, kind, error)]


# ping, status, unload, warm


def test_ping_says_how_fast_the_answer_came(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    assert run("ping") == 0

    assert re.fullmatch(
        r"answers in \d+\.\d ms; the first .* \d+\.\d ms\n", capsys.readouterr().out
    )


def test_ping_says_it_in_json(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    assert run("ping", "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert 0 < told["ms"] < 60_000
    assert 0 < told["first_ms"] < 60_000


def test_status_is_a_table_for_people(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    answer(fake_daemon, "status", STATUS)

    assert run("status") == 0

    assert capsys.readouterr().out.splitlines() == [
        "state        idle",
        "model        owlvit on cuda:0",
        "requests     30 done, 1 waiting",
        "clients      2",
        "images       4 held, 12 MB",
        "memory       29 MB",
        "running for  3 h 5 min",
        "process      77, release 1.2.3",
    ]


def test_status_of_a_daemon_that_has_loaded_nothing(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    answer(fake_daemon, "status", StatusReply("1.2.3", 77, 3.2, "idle"))

    assert run("status") == 0

    out = capsys.readouterr().out
    assert "model        none loaded\n" in out
    assert "memory       not known\n" in out
    assert "running for  3 s\n" in out


@pytest.mark.parametrize(
    ("uptime_s", "expected"), [(59.7, "60 s"), (60, "1 min"), (3600, "1 h 0 min"), (9e4, "1 d 1 h")]
)
def test_durations_are_said_in_two_units_at_most(
    fake_daemon: FakeDaemon,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    uptime_s: float,
    expected: str,
):
    answer(fake_daemon, "status", StatusReply("1.2.3", 77, uptime_s, "idle"))

    run("status")

    assert f"running for  {expected}\n" in capsys.readouterr().out


def test_status_in_json_has_the_fields_of_the_message(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    answer(fake_daemon, "status", STATUS)

    assert run("status", "--json") == 0

    told = json.loads(capsys.readouterr().out)
    assert set(told) == {one.name for one in fields(StatusReply)}
    assert told["loaded"] == ["owlvit"]


@pytest.mark.parametrize(
    ("unloaded", "expected"), [(("lite", "owlvit"), "lite, owlvit"), ((), "nothing")]
)
def test_unload_says_what_was_unloaded(
    fake_daemon: FakeDaemon,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    unloaded: tuple[str, ...],
    expected: str,
):
    answer(fake_daemon, "unload", UnloadReply(unloaded))

    assert run("unload") == 0

    assert capsys.readouterr().out == f"unloaded {expected}\n"


def test_warm_shows_progress_on_standard_error_and_the_result_on_the_other(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    def warm(request: Any) -> list[bytes]:
        told = [
            Progress("queued"),
            Progress("loading", 0.5, "weights"),
            Progress("loading", 0.501, "weights"),
        ]
        reply = WarmReply(request.body.model, "cpu", 1.25, ("out of memory on cuda",))
        return [
            *(protocol.encode_progress(request.id, one) for one in told),
            protocol.encode_reply(request.id, "warm", reply),
        ]

    fake_daemon.reply_of["warm"] = warm

    assert run("warm", "--model", "lite") == 0

    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["queued", "loading 50% weights"]
    assert captured.out.splitlines() == [
        "lite is ready on cpu, after 1.2 s",
        "out of memory on cuda",
    ]


def test_warm_asks_for_the_time_that_it_is_given(fake_daemon: FakeDaemon, run: Run):
    answer(fake_daemon, "warm", WarmReply("lite", "cpu", 1.0))

    run("warm", "--timeout", "7")

    warm = next(one for one in fake_daemon.requests if one.kind == "warm")
    assert (warm.body.model, warm.body.timeout_s) == ("auto", 7)


# What goes wrong, and the exit code


@pytest.mark.parametrize("command", ["ping", "status", "warm", "unload", "stop"])
def test_without_a_daemon_a_sentence_says_so(
    run: Run, settings: Settings, command: str, capsys: pytest.CaptureFixture[str]
):
    assert run(command) == 1

    path = settings.connection_file
    err = capsys.readouterr().err
    assert str(path) in err
    assert "`clipcrop-daemon run`" in err


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        pytest.param(Unavailable("the weights of owlvit are not here"), 1, id="unavailable"),
        pytest.param(InvalidRequest("no such model: 'x'"), 2, id="invalid"),
        pytest.param(InternalError("a bug"), 1, id="internal"),
    ],
)
def test_what_the_daemon_declines_is_an_exit_code_and_its_own_sentence(
    fake_daemon: FakeDaemon,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    error: Any,
    exit_code: int,
):
    decline(fake_daemon, "warm", error)

    assert run("warm", "--json") == exit_code

    captured = capsys.readouterr()
    assert captured.err == f"error: {error}\n"
    assert json.loads(captured.out) == {"error": {"code": error.code, "message": str(error)}}


def test_a_value_out_of_its_limits_never_reaches_the_daemon(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    assert run("warm", "--timeout", "-1") == 2

    assert "timeout_s" in capsys.readouterr().err
    assert fake_daemon.requests == []


def test_other_errors_have_codes_of_their_own_in_json(run: Run, capsys: pytest.CaptureFixture[str]):
    assert run("ping", "--json") == 1

    assert json.loads(capsys.readouterr().out)["error"]["code"] == "daemon_not_running"


@pytest.mark.parametrize("command", ["run", "ping"])
def test_a_bad_setting_is_exit_code_2(
    run: Run, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "mine.toml"
    path.write_text("threads = -1")

    assert run(command, "--settings", str(path)) == 2

    err = capsys.readouterr().err
    assert f"threads in {path} is -1" in err
    assert "0 to 1024" in err


def test_an_unknown_setting_is_told_and_does_not_stop_a_command(
    fake_daemon: FakeDaemon, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "mine.toml").write_text("hues = 3")

    assert run("ping", "--settings", str(tmp_path / "mine.toml")) == 0

    assert "setting.unknown key=hues" in capsys.readouterr().err


def test_the_environment_names_the_connection_file_too(
    fake_daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", str(fake_daemon.path))

    assert main(["ping"]) == 0


def test_a_bug_is_exit_code_70_and_says_where_to_look(
    fake_daemon: FakeDaemon, run: Run, capsys: pytest.CaptureFixture[str]
):
    answer(fake_daemon, "unload", UnloadReply())
    broken = BrokenOutput()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", broken)
        exit_code = run("unload")

    assert exit_code == 70
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err
    assert "standard error" in err


class BrokenOutput:
    """A fake stream with a bug in it."""

    def write(self, text: str) -> int:
        return 1 // 0

    def flush(self) -> None:
        pass


def test_ctrl_c_ends_a_command_that_waits_with_exit_code_130(
    fake_daemon: FakeDaemon, settings: Settings
):
    asked = threading.Event()

    def warm(request: Any) -> list[bytes]:
        asked.set()
        return []

    fake_daemon.reply_of["warm"] = warm
    command = [sys.executable, "-m", "clipcrop_daemon", "warm"]
    environ = {**os.environ, "CLIPCROP_CONNECTION_FILE": str(settings.connection_file)}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert asked.wait(120)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()

    assert (process.returncode, err) == (130, "stopped\n")


def test_a_closed_standard_output_is_no_error(fake_daemon: FakeDaemon, settings: Settings):
    answer(fake_daemon, "status", STATUS)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "clipcrop_daemon", "status"]
    environ = {**os.environ, "CLIPCROP_CONNECTION_FILE": str(settings.connection_file)}

    result = subprocess.run(
        command, env=environ, stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False
    )

    os.close(writer)
    assert (result.returncode, result.stderr) == (0, b"")


# stop


def stop_as_asked(daemon: FakeDaemon, instance: Instance) -> threading.Thread:
    """Let the fake daemon end some time after its reply, as a real one does."""
    asked = threading.Event()

    def shutdown(request: Any) -> list[bytes]:
        asked.set()
        return [protocol.encode_reply(request.id, "shutdown", ShutdownReply())]

    def end() -> None:
        assert asked.wait(120)
        daemon.path.unlink()
        instance.close()

    daemon.reply_of["shutdown"] = shutdown
    thread = threading.Thread(target=end)
    thread.start()
    return thread


@pytest.fixture
def claimed_daemon(
    settings: Settings, short_path: Path, request: pytest.FixtureRequest
) -> tuple[FakeDaemon, Instance]:
    """A fake daemon and the claim that a real one would hold."""
    instance = claim(settings)
    return request.getfixturevalue("fake_daemon"), instance


def test_stop_comes_back_when_the_daemon_is_gone(
    claimed_daemon: tuple[FakeDaemon, Instance],
    run: Run,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
):
    daemon, instance = claimed_daemon
    thread = stop_as_asked(daemon, instance)

    assert run("stop") == 0

    thread.join(120)
    claim(settings).close()
    assert capsys.readouterr().out == f"stopped: process {os.getpid()}\n"


def test_stop_says_so_when_the_daemon_does_not_end(
    claimed_daemon: tuple[FakeDaemon, Instance],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    daemon, instance = claimed_daemon
    answer(daemon, "shutdown", ShutdownReply())
    monkeypatch.setattr(cli, "STOP_PATIENCE_S", 0.1)

    assert run("stop") == 1

    err = capsys.readouterr().err
    assert str(os.getpid()) in err
    instance.close()


def test_a_daemon_that_was_replaced_is_gone(claimed_daemon: tuple[FakeDaemon, Instance]):
    daemon, instance = claimed_daemon

    assert not wait_until_gone(daemon.path, daemon.session, patience_s=0)
    assert wait_until_gone(daemon.path, "0" * 32, patience_s=0)
    instance.close()


def test_a_daemon_that_was_killed_is_gone(fake_daemon: FakeDaemon):
    assert wait_until_gone(fake_daemon.path, fake_daemon.session, patience_s=0)


# run


def test_a_daemon_that_is_there_already_is_enough(
    claimed_daemon: tuple[FakeDaemon, Instance], run: Run, capsys: pytest.CaptureFixture[str]
):
    daemon, instance = claimed_daemon
    answer(daemon, "status", STATUS)

    assert run("run") == 0
    assert run("run", "--json") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "already running: process 77, idle"
    assert json.loads(lines[1])["is_new"] is False
    instance.close()


def test_systemd_hears_that_a_daemon_is_there_already(
    claimed_daemon: tuple[FakeDaemon, Instance],
    run: Run,
    short_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Else it would take the good end of its own one for a start that failed."""
    daemon, instance = claimed_daemon
    answer(daemon, "status", STATUS)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(short_path / "notify"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(short_path / "notify"))

        assert run("run") == 0

        assert listener.recv(1000).startswith(b"READY=1\nSTATUS=already running")
    instance.close()


def test_a_daemon_that_is_just_starting_is_waited_for(
    settings: Settings, short_path: Path, request: pytest.FixtureRequest
):
    instance = claim(settings)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(claim_or_find(settings, patience_s=30)))
    thread.start()

    answer(request.getfixturevalue("fake_daemon"), "status", STATUS)
    thread.join(120)

    assert found == [STATUS]
    instance.close()


def test_a_daemon_that_is_just_stopping_is_replaced(claimed_daemon: tuple[FakeDaemon, Instance]):
    daemon, instance = claimed_daemon
    asked = threading.Event()

    def status(request: Any) -> list[bytes]:
        asked.set()
        body = StatusReply("1.2.3", 77, 1.0, "stopping")
        return [protocol.encode_reply(request.id, "status", body)]

    daemon.reply_of["status"] = status
    found: list[Any] = []
    settings = Settings(connection_file=daemon.path)
    thread = threading.Thread(target=lambda: found.append(claim_or_find(settings, patience_s=30)))
    thread.start()
    assert asked.wait(120)
    daemon.hang_up()
    instance.close()
    thread.join(120)

    assert [type(one) for one in found] == [Instance]
    found[0].close()


def test_a_daemon_that_holds_the_lock_and_says_nothing_is_an_error(settings: Settings):
    instance = claim(settings)

    with pytest.raises(AlreadyRunning) as caught:
        claim_or_find(settings, patience_s=0)

    assert f"{settings.connection_file}.lock" in str(caught.value)
    instance.close()


def test_a_daemon_of_another_version_is_told_at_once(claimed_daemon: tuple[FakeDaemon, Instance]):
    daemon, instance = claimed_daemon
    values = json.loads(daemon.path.read_text())
    values["protocol"] = [99, 0]
    daemon.path.write_text(json.dumps(values))
    start = time.monotonic()

    with pytest.raises(VersionMismatch, match="version 99 of the protocol"):
        claim_or_find(Settings(connection_file=daemon.path), patience_s=120)

    assert time.monotonic() - start < 60
    instance.close()


def test_why_a_daemon_cannot_start_is_in_its_log(
    settings: Settings, short_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
):
    (short_path / "sockets").symlink_to(short_path)

    assert run("run", "--log-file", str(settings.log_file)) == 1

    _, _, sentence = capsys.readouterr().err.partition("error: ")
    assert f"{short_path}/sockets" in sentence
    assert settings.log_file is not None
    assert settings.log_file.read_text().endswith(f"daemon.failed reason={sentence}")


def test_a_place_that_cannot_be_written_is_told(settings: Settings, short_path: Path):
    (short_path / "file").write_text("")

    with pytest.raises(CannotPublish):
        claim_or_find(Settings(connection_file=short_path / "file" / "connection.json"))


# The parser


def test_every_setting_is_an_option_of_run(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["run", "--help"])

    out = capsys.readouterr().out
    assert all(f"{option_of(one.name)} " in out for one in fields(Settings))


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"clipcrop-daemon {__version__}\n"


def test_a_client_command_loads_neither_libzmq_nor_locks(fake_daemon: FakeDaemon, checkout: Path):
    code = (
        "import sys; from clipcrop_daemon.cli import main; "
        f"main(['ping', '--connection-file', {str(fake_daemon.path)!r}]); "
        "print(sorted({'zmq', 'filelock', 'torch', 'numpy', 'clipcrop'} & set(sys.modules)))"
    )

    result = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout, check=True, capture_output=True, text=True
    )

    assert result.stdout.splitlines()[-1] == "[]"
