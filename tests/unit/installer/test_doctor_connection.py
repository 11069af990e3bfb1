"""The connection file, start at login, room."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from fake_installation import FakeInstallation
from fake_registry import FakeRegistry

from clipcrop_installer import doctor_checks as login_check
from clipcrop_installer.doctor_checks import (
    check_connection,
    check_login,
    check_room,
)
from clipcrop_installer.login import LOGIN_STEP
from clipcrop_installer.login_formats import APPROVED_KEY, write_run_value
from clipcrop_installer.manifest import ManifestEntry
from clipcrop_wire.endpoint import ConnectionFile, write_connection_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="looks at rights of files")


@pytest.fixture
def short_installation(tmp_path_factory: pytest.TempPathFactory) -> FakeInstallation:
    """With a home whose path is short enough for sockets."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="cc"))
    yield FakeInstallation(folder)
    shutil.rmtree(folder)


@pytest.fixture
def connection_file(short_installation: FakeInstallation) -> Path:
    """As a daemon leaves it."""
    path = short_installation.inspected.places.connection_file
    (path.parent / "sockets").mkdir(parents=True, mode=0o700)
    socket = path.parent / "sockets" / "work"
    socket.touch()
    places = (f"ipc://{socket}",)
    write_connection_file(path, ConnectionFile("0" * 32, bytes(32), 1, 1.0, places, places))
    return path


def test_a_connection_file_that_is_the_users_alone_is_ok(
    short_installation: FakeInstallation, connection_file: Path
):
    (finding,) = check_connection(short_installation.inspected)

    assert finding.verdict == "ok"
    assert finding.text.endswith("is yours alone, and names ipc endpoints")


def test_no_connection_file_means_no_daemon(short_installation: FakeInstallation):
    (finding,) = check_connection(short_installation.inspected)

    assert finding.verdict == "ok"
    assert finding.text.endswith("so no daemon runs")


def test_a_connection_file_that_others_can_read_is_a_problem(
    short_installation: FakeInstallation, connection_file: Path
):
    connection_file.chmod(0o644)

    (finding,) = check_connection(short_installation.inspected)

    assert finding.verdict == "problem"
    assert f"{connection_file} has mode 644" in finding.text
    assert finding.advice == "start the daemon again"


@pytest.mark.parametrize("is_running", [True, False])
def test_a_folder_that_others_can_write_to_is_a_problem(
    short_installation: FakeInstallation, connection_file: Path, is_running: bool
):
    connection_file.parent.chmod(0o777)
    if not is_running:  # a daemon that does not start leaves no file
        connection_file.unlink()

    finding, _ = check_connection(short_installation.inspected)

    assert (finding.verdict, finding.advice) == (
        "problem",
        f"chmod go-w {connection_file.parent}",
    )


def test_a_folder_that_a_group_of_the_user_alone_can_write_to_is_ok(
    short_installation: FakeInstallation, connection_file: Path, monkeypatch: pytest.MonkeyPatch
):
    grp, pwd = pytest.importorskip("grp"), pytest.importorskip("pwd")
    user = pwd.getpwuid(os.geteuid())
    group = grp.struct_group((user.pw_name, "x", user.pw_gid, []))
    monkeypatch.setattr(grp, "getgrgid", lambda number: group)
    os.chown(connection_file.parent, -1, user.pw_gid)
    connection_file.parent.chmod(0o775)

    (finding,) = check_connection(short_installation.inspected)

    assert finding.verdict == "ok"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_belongs_to_another_user_is_a_problem(
    short_installation: FakeInstallation, connection_file: Path, what: str
):
    path = connection_file if what == "file" else connection_file.parent
    os.chown(path, 12345, 12345)

    finding = check_connection(short_installation.inspected)[0]

    assert finding.verdict == "problem"
    assert f"{path} belongs to user 12345" in finding.text
    assert finding.advice


def test_a_damaged_connection_file_is_a_problem(
    short_installation: FakeInstallation, connection_file: Path
):
    connection_file.write_text("{")

    (finding,) = check_connection(short_installation.inspected)

    assert finding.verdict == "problem"
    assert str(connection_file) in finding.text


def test_a_socket_that_is_gone_is_a_problem(
    short_installation: FakeInstallation, connection_file: Path
):
    (connection_file.parent / "sockets" / "work").unlink()

    (finding,) = check_connection(short_installation.inspected)

    assert "names a socket that is not there" in finding.text


def test_a_path_that_is_too_long_for_sockets_is_told(tmp_path: Path):
    installation = FakeInstallation(tmp_path / ("long" * 30))

    finding, _ = check_connection(installation.inspected)

    assert finding.verdict == "ok"
    assert "too long for sockets" in finding.text


def test_sandboxed_editors_that_cannot_see_the_sockets_are_a_warning(tmp_path: Path):
    installation = FakeInstallation(tmp_path / ("long" * 30))
    (installation.home / ".var" / "app" / "org.kde.krita" / "data" / "krita").mkdir(parents=True)

    finding, _ = check_connection(installation.inspected)

    assert finding.verdict == "warning"
    assert "which Krita Flatpak cannot see" in finding.text
    assert "CLIPCROP_CONNECTION_FILE" in finding.advice


@pytest.fixture
def unit(installation: FakeInstallation) -> Path:
    folder = installation.home / ".config" / "systemd" / "user"
    return installation.put(LOGIN_STEP, folder / "clipcrop-daemon.service")


def verdict_of(installation: FakeInstallation) -> tuple[str, str]:
    (finding,) = check_login(installation.inspected)
    return finding.verdict, finding.text


def test_a_unit_that_is_enabled_is_ok(unit: Path, installation: FakeInstallation):
    assert verdict_of(installation) == ("ok", "by systemd: enabled, active now")


def test_a_unit_that_is_disabled_is_a_problem(unit: Path, installation: FakeInstallation):
    installation.answers["systemctl --user is-enabled"] = (1, ["disabled"])

    assert verdict_of(installation) == ("problem", "the unit is disabled, not enabled")


def test_a_unit_that_has_failed_is_a_problem(unit: Path, installation: FakeInstallation):
    installation.answers["systemctl --user is-active"] = (3, ["failed"])

    assert verdict_of(installation)[0] == "problem"


def test_a_session_without_a_manager_is_a_warning(unit: Path, installation: FakeInstallation):
    installation.answers["systemctl --user show"] = (1, ["Failed to connect to bus"])

    assert verdict_of(installation)[0] == "warning"


def test_a_unit_that_is_gone_is_a_problem(unit: Path, installation: FakeInstallation):
    unit.unlink()

    assert verdict_of(installation) == ("problem", f"{unit} is gone")


def test_a_unit_that_was_changed_is_a_warning(unit: Path, installation: FakeInstallation):
    unit.write_text("mine")

    assert verdict_of(installation) == ("warning", f"{unit} was changed")


def test_two_ways_at_once_are_a_warning(unit: Path, installation: FakeInstallation):
    entry = installation.home / ".config" / "autostart" / "clipcrop-daemon.desktop"
    entry.parent.mkdir()
    entry.touch()

    (finding,) = check_login(installation.inspected)

    assert (finding.verdict, finding.advice) == ("warning", f"remove {entry}")


def test_a_desktop_entry_is_ok(installation: FakeInstallation):
    folder = installation.home / ".config" / "autostart"
    entry = installation.put(LOGIN_STEP, folder / "clipcrop-daemon.desktop")

    assert verdict_of(installation) == ("ok", f"by the desktop session: {entry}")


@pytest.mark.parametrize(("code", "verdict"), [(0, "ok"), (113, "warning")])
def test_launchd_is_asked_for_its_agent(code: int, verdict: str, home: Path):
    installation = FakeInstallation(home, platform="darwin")
    installation.put(LOGIN_STEP, home / "Library/LaunchAgents/org.clipcrop.daemon.plist")
    installation.answers["launchctl print"] = (code, [])

    assert verdict_of(installation)[0] == verdict


def test_windows_is_asked_for_its_value(home: Path, monkeypatch: pytest.MonkeyPatch):
    installation = FakeInstallation(home, platform="win32")
    item = ManifestEntry(kind="login-value", path="HKEY_CURRENT_USER", step=LOGIN_STEP)
    installation.manifest.begin([item])
    registry = FakeRegistry()
    monkeypatch.setattr(login_check, "windows_registry", lambda: registry)
    assert verdict_of(installation) == ("problem", "the value of the registry is gone")

    write_run_value(registry, "pythonw.exe")
    assert verdict_of(installation) == ("ok", "by Windows: pythonw.exe")

    with registry.CreateKeyEx(registry.HKEY_CURRENT_USER, APPROVED_KEY, 0, 2) as key:
        registry.SetValueEx(key, "ClipCrop", 0, registry.REG_BINARY, b"\x03" + bytes(11))
    assert verdict_of(installation) == ("warning", "switched off in the task manager")


def test_no_start_at_login_is_no_finding_where_none_was_wanted(installation: FakeInstallation):
    assert verdict_of(installation)[0] == "warning"

    installation.manifest.values["choices"] = {"login": False}

    assert verdict_of(installation) == ("ok", "not wanted")


@pytest.mark.parametrize(
    ("free_bytes", "verdict"), [(50e9, "ok"), (1e9, "warning"), (1e6, "problem")]
)
def test_room_is_told(
    free_bytes: float,
    verdict: str,
    installation: FakeInstallation,
    monkeypatch: pytest.MonkeyPatch,
):
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, free_bytes))

    (finding,) = check_room(installation.inspected)

    assert finding.verdict == verdict


def test_a_start_at_login_of_which_only_a_folder_is_left_is_a_problem(
    installation: FakeInstallation,
):
    installation.manifest.begin([ManifestEntry(kind="folder", path="/x", step=LOGIN_STEP)])

    assert verdict_of(installation) == ("problem", "what was installed for it is gone")
