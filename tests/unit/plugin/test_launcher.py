from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from polling import wait_until

from clipcrop_plugin.config import Config
from clipcrop_plugin.errors import NotStarted
from clipcrop_plugin.launcher import Launcher, daemon_environment, detached

TELL = (
    "import json, os, pathlib, sys; path = pathlib.Path(sys.argv[1]); "
    "part = path.with_name('part'); "
    "part.write_text(json.dumps([dict(os.environ), os.getcwd(), os.getsid(0) == os.getpid()])); "
    "part.rename(path)"
)


@pytest.fixture
def launch(tmp_path):
    """Starts a program with the path of a file as its argument -> launcher and file."""
    launchers = []

    def launch_one(code):
        command = (sys.executable, "-c", code, str(tmp_path / "told"))
        launcher = Launcher(Config(tmp_path / "connection.json", command))
        launchers.append(launcher)
        launcher.start()
        return launcher, tmp_path / "told"

    yield launch_one
    for launcher in launchers:
        launcher.process.kill()
        launcher.process.wait(120)


@pytest.mark.skipif(sys.platform == "win32", reason="sessions are for Unix; see the next but one")
def test_the_daemon_does_not_inherit_the_editors_world(launch, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "/editor/python")
    monkeypatch.setenv("GI_TYPELIB_PATH", "/editor/typelibs")
    monkeypatch.setenv("A_USERS_OWN", "kept")

    _launcher, told = launch(TELL)
    wait_until(told.exists)

    variables, folder, leads_its_session = json.loads(told.read_text(encoding="utf-8"))
    assert not {"PYTHONPATH", "GI_TYPELIB_PATH"} & set(variables)
    assert variables["A_USERS_OWN"] == "kept"
    assert variables["CLIPCROP_CONNECTION_FILE"] == str(tmp_path / "connection.json")
    assert Path(folder).resolve() == Path.home().resolve()
    assert leads_its_session


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONHOME",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "DYLD_LIBRARY_PATH",
        "GI_TYPELIB_PATH",
        "GDK_PIXBUF_MODULE_FILE",
        "QT_PLUGIN_PATH",
        "GIMP3_DIRECTORY",
        "GEGL_PATH",
        "APPDIR",
    ],
)
def test_what_is_for_the_editors_own_libraries_is_left_out(name):
    left = daemon_environment({name: "x", "HOME": "/home/me"}, Path("/c.json"))

    assert left == {"HOME": "/home/me", "CLIPCROP_CONNECTION_FILE": str(Path("/c.json"))}


def test_a_process_is_detached_in_each_systems_way():
    assert detached("linux") == detached("darwin") == {"start_new_session": True}
    assert detached("win32") == {"creationflags": 0x208}


def test_a_command_that_still_runs_is_not_run_again(launch):
    launcher, _told = launch("import time; time.sleep(60)")
    process = launcher.process

    launcher.start()

    assert launcher.process is process
    assert not launcher.has_failed


def test_a_command_that_has_ended_is_run_again(launch):
    launcher, told = launch(TELL)
    wait_until(lambda: launcher.process.poll() is not None)
    told.unlink()

    launcher.start()

    wait_until(told.exists)


def test_a_command_that_has_done_its_work_and_ended_has_not_failed(launch):
    launcher, _told = launch("")
    wait_until(lambda: launcher.process.poll() is not None)

    assert not launcher.has_failed


def test_a_command_that_ends_with_an_error_has_failed_a_while_later(launch):
    launcher, _told = launch("raise SystemExit(1)")
    wait_until(lambda: launcher.process.poll() is not None)

    assert not launcher.has_failed  # somebody else's daemon may be on its way
    wait_until(lambda: launcher.has_failed)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param((str(Path("/no/such/program")),), id="missing"),
        pytest.param((sys.executable, "a\0b"), id="zeros"),
    ],
)
def test_a_program_that_cannot_be_run_is_told_with_its_name(tmp_path, command):
    launcher = Launcher(Config(tmp_path / "c.json", command))

    with pytest.raises(NotStarted, match="could not be started") as caught:
        launcher.start()

    assert command[0] in str(caught.value)
    assert not launcher.has_failed


def test_without_a_command_nothing_can_be_started(tmp_path):
    assert not Launcher(Config(tmp_path / "c.json")).can_start
    assert Launcher(Config(tmp_path / "c.json", ("/bin/true",))).can_start
