"""The unit under a real user manager: the real daemon, started, hardened, restarted, taken away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from user_manager import UserManager, why_not

from clipcrop_installer.disk import Disk
from clipcrop_installer.files import FILES, KEPT
from clipcrop_installer.login import (
    LoginFile,
    StartAtLogin,
    login_item,
    login_undo_handlers,
    make_login_item,
)
from clipcrop_installer.login_formats import UNIT_NAME
from clipcrop_installer.machine import this_machine
from clipcrop_installer.manifest import Manifest
from clipcrop_installer.plan import Context
from clipcrop_installer.process import run_command

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")]


@pytest.fixture
def manager(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UserManager]:
    """Runs, and is the one that ``systemctl --user`` of this process speaks to."""
    runtime = Path(tempfile.mkdtemp(prefix="cc"))
    manager = UserManager(home, runtime, runtime / "log")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    try:
        manager.start()
        yield manager
    finally:
        manager.end()
        shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture
def connection_file() -> Iterator[Path]:
    """In a folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    yield folder / "connection.json"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def command(tmp_path: Path, connection_file: Path) -> tuple[str, ...]:
    """The real daemon of this environment, under a name that a unit has to escape."""
    program = tmp_path / "Žofia O'Neill, 100% $HOME" / "clipcrop-daemon"
    program.parent.mkdir()
    program.symlink_to(Path(sys.executable).with_name("clipcrop-daemon"))
    options = ("--model", "lite", "--device", "cpu", "--connection-file", str(connection_file))
    return (str(program), "run", *options, "--log-file", str(tmp_path / "daemon.log"))


@pytest.fixture
def context(manager: UserManager) -> Context:
    disk = Disk()
    return Context(machine=this_machine(disk), disk=disk, run=run_command, say=lambda line: None)


def install(command: tuple[str, ...], context: Context, manifest: Manifest) -> None:
    step = StartAtLogin(login_item(context, command))
    items = step.items(context, manifest)
    manifest.begin(items)
    step.apply(context, manifest)
    manifest.finish(items)
    for start in step.start_commands:
        context.run(start, folder=Path("/"), variables={}, on_line=lambda line: None)


def test_a_crop_is_made_by_the_daemon_that_systemd_started(
    manager: UserManager,
    context: Context,
    command: tuple[str, ...],
    connection_file: Path,
    samples: Path,
    tmp_path: Path,
    home: Path,
):
    manifest = Manifest(tmp_path / "manifest.json", context.disk)

    install(command, context, manifest)

    found = manager.wait_for(UNIT_NAME, ActiveState="active", SubState="running")
    assert found["UnitFileState"] == "enabled"
    status = Path("/proc", found["MainPID"], "status").read_text().split()
    assert status[status.index("NoNewPrivs:") + 1] == "1"
    assert status[status.index("Seccomp:") + 1] == "2"
    crop = subprocess.run(
        [
            Path(sys.executable).with_name("clipcrop"),
            *("suggest", samples / "chelsea.jpg", "the cat", "--daemon", "--json"),
        ],
        env={**os.environ, "CLIPCROP_CONNECTION_FILE": str(connection_file)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert crop.returncode == 0, crop.stderr
    assert json.loads(crop.stdout)["suggestions"]

    for item in reversed(manifest.items):
        outcome = {**FILES, **login_undo_handlers()}[item.kind](item, context)
        assert outcome.verdict != KEPT, outcome.note
    assert not Path("/proc", found["MainPID"]).exists()
    assert not (home / ".config").exists()


def test_a_daemon_that_crashed_is_started_again(
    manager: UserManager, context: Context, command: tuple[str, ...], tmp_path: Path
):
    install(command, context, Manifest(tmp_path / "manifest.json", context.disk))
    first = manager.wait_for(UNIT_NAME, SubState="running")["MainPID"]

    os.kill(int(first), signal.SIGKILL)

    found = manager.wait_for(UNIT_NAME, SubState="running", NRestarts="1")
    assert found["MainPID"] != first


def test_a_daemon_that_was_stopped_stays_so(
    manager: UserManager,
    context: Context,
    command: tuple[str, ...],
    connection_file: Path,
    tmp_path: Path,
):
    install(command, context, Manifest(tmp_path / "manifest.json", context.disk))
    manager.wait_for(UNIT_NAME, SubState="running")

    variables = {**os.environ, "CLIPCROP_CONNECTION_FILE": str(connection_file)}
    subprocess.run([command[0], "stop"], env=variables, check=True, capture_output=True, timeout=60)

    found = manager.wait_for(UNIT_NAME, ActiveState="inactive", SubState="dead")
    assert found["Result"] == "success"


def test_a_second_daemon_is_no_failed_start(
    manager: UserManager,
    context: Context,
    command: tuple[str, ...],
    connection_file: Path,
    tmp_path: Path,
):
    """An editor may have been first."""
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        ping = [command[0], "ping", "--connection-file", str(connection_file)]
        while subprocess.run(ping, capture_output=True, timeout=60).returncode:
            assert first.poll() is None

        install(command, context, Manifest(tmp_path / "manifest.json", context.disk))

        found = manager.wait_for(UNIT_NAME, ActiveState="inactive", SubState="dead")
        assert (found["Result"], found["NRestarts"]) == ("success", "0")
    finally:
        first.terminate()
        first.communicate(timeout=60)


def test_a_daemon_with_a_useless_setting_is_not_started_again(
    manager: UserManager, context: Context, command: tuple[str, ...], home: Path
):
    item = make_login_item(
        "systemd",
        (*command, "--idle-minutes", "soon"),
        home=home,
        config_home=home / ".config",
    )
    assert isinstance(item, LoginFile)
    item.path.parent.mkdir(parents=True)
    item.path.write_bytes(item.content)
    manager.systemctl("daemon-reload")

    assert manager.systemctl("start", UNIT_NAME).returncode != 0

    found = manager.wait_for(UNIT_NAME, ActiveState="failed", ExecMainStatus="2")
    assert found["NRestarts"] == "0"


def test_what_is_installed_under_systemd_leaves_nothing(
    manager: UserManager, home: Path, monkeypatch: pytest.MonkeyPatch
):
    """The whole program; the environment is this one."""
    (home / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    before = sorted(home.rglob("*"))

    installed = setup("install", "--environment", "this", "--yes")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    manager.wait_for(UNIT_NAME, ActiveState="active", SubState="running")
    examined = setup("doctor")
    assert examined.returncode == 0, examined.stdout
    assert "ok       start at login: by systemd: enabled, active now" in examined.stdout
    removed = setup("uninstall")

    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert sorted(home.rglob("*")) == before


def setup(*words: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from clipcrop_installer.cli import setup; sys.exit(setup(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=300
    )
