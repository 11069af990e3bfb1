"""What each system reads, as golden files, and what comes of it when it is read back."""

from __future__ import annotations

import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_registry import FakeRegistry

from clipcrop_installer.errors import InstallError
from clipcrop_installer.login_formats import (
    APPROVED_KEY,
    RUN_KEY,
    UNIT_NAME,
    agent_plist,
    entry_text,
    is_switched_off,
    read_run_value,
    remove_run_value,
    run_command_line,
    unit_text,
    write_run_value,
)
from clipcrop_installer.process import checked

GOLDEN = Path(__file__).with_name("golden")
COMMAND = ("/home/ada/.local/share/clipcrop/environment/bin/clipcrop-daemon", "run")
HARD = ('/home/Žofia O\'Neill/100% "crops"/$HOME/a\\b/`id`/clipcrop-daemon', "run", "a b", "%h", "")
"""Everything that means something to one of the formats."""

GENERATOR = Path("/usr/lib/systemd/user-generators/systemd-xdg-autostart-generator")


def test_the_unit_is_as_agreed():
    assert unit_text(COMMAND) == (GOLDEN / "plain.service").read_text()


def test_the_unit_of_a_hard_path_on_a_machine_with_nvidias_driver_is_as_agreed():
    assert unit_text(HARD, has_nvidia_modprobe=True) == (GOLDEN / "hard.service").read_text()


def test_the_desktop_entry_is_as_agreed():
    assert entry_text(HARD) == (GOLDEN / "hard.desktop").read_text()


def test_the_property_list_is_as_agreed():
    assert agent_plist(HARD) == (GOLDEN / "hard.plist").read_bytes()


def test_the_value_of_the_run_key_is_as_agreed():
    folder = "C:\\Users\\Žofia O'Neill\\AppData\\Local\\100%\\environment"
    command = (f"{folder}\\Scripts\\pythonw.exe", "-m", "clipcrop_daemon", "run")

    assert run_command_line(command) + "\n" == (GOLDEN / "run_key.txt").read_text()


def test_a_property_list_gives_back_the_command():
    assert plistlib.loads(agent_plist(HARD))["ProgramArguments"] == list(HARD)


def test_a_desktop_entry_gives_back_the_command():
    """Read as the specification says: the value's escapes, then the quotes, then the codes."""
    line = re.search(r"^Exec=(.*)$", entry_text(HARD), re.MULTILINE)
    assert line is not None

    value = re.sub(r"\\(.)", r"\1", line[1])
    quoted = re.findall(r'"((?:\\.|[^"\\])*)"', value)
    parts = [re.sub(r"\\(.)", r"\1", part).replace("%%", "%") for part in quoted]

    assert tuple(parts) == HARD


def test_a_program_that_systemd_would_not_take_is_started_by_a_shell():
    assert "ExecStart=/bin/sh -c " in unit_text(HARD)
    assert "/bin/sh" not in unit_text(("/home/é 100%/clipcrop-daemon", "run"))


def test_nvidias_helper_is_run_only_where_it_is():
    assert "ExecStartPre" not in unit_text(COMMAND)
    assert "ExecStartPre=-+/usr/bin/nvidia-modprobe" in unit_text(COMMAND, has_nvidia_modprobe=True)


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("a\nb", id="line break"),
        pytest.param("a\0b", id="zero byte"),
        pytest.param("a\udcffb", id="no text"),
    ],
)
def test_what_no_format_can_hold_is_refused(part: str):
    with pytest.raises(InstallError, match="plainer name"):
        checked(["/bin/true", part])


def test_a_command_that_windows_would_ignore_is_refused():
    with pytest.raises(InstallError, match="260 characters, and this has 3"):
        run_command_line(["C:\\" + "a" * 300])


@pytest.mark.skipif(not GENERATOR.exists(), reason="this system has no systemd")
def test_systemd_finds_nothing_wrong_with_a_desktop_entry(tmp_path: Path):
    """It makes a unit of every entry, for sessions that it starts itself; a bad one it skips."""
    program = tmp_path / "a bé" / "clipcrop-daemon"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    entry = tmp_path / "config" / "autostart" / "clipcrop-daemon.desktop"
    entry.parent.mkdir(parents=True)
    entry.write_text(entry_text((str(program), "run")))
    made = tmp_path / "made"
    made.mkdir()
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CONFIG_DIRS": "/nowhere"}

    subprocess.run([GENERATOR, made, made, made], env=variables, check=True, timeout=60)

    (unit,) = made.glob("app-clipcrop*.service")
    assert f'"{program}" run' in unit.read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this system has no systemd")
@pytest.mark.parametrize("name", ["plain 100%", "quote'd"])
def test_systemd_finds_nothing_wrong_with_the_unit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / UNIT_NAME
    unit.write_text(unit_text((str(program), "run"), has_nvidia_modprobe=True))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    verdict = subprocess.run(
        ["systemd-analyze", "--user", "verify", unit], capture_output=True, text=True, timeout=60
    )

    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


def test_a_value_is_written_read_and_removed():
    registry = FakeRegistry()
    assert read_run_value(registry) is None

    write_run_value(registry, '"C:\\a b\\pythonw.exe" run')

    assert read_run_value(registry) == '"C:\\a b\\pythonw.exe" run'
    remove_run_value(registry)
    assert read_run_value(registry) is None


def test_the_value_is_text_that_windows_does_not_expand():
    registry = FakeRegistry()

    write_run_value(registry, "C:\\%USERNAME%\\pythonw.exe")

    (values,) = registry.keys.values()
    assert values["clipcrop"] == ("C:\\%USERNAME%\\pythonw.exe", registry.REG_SZ)


def test_values_of_other_programs_stay():
    registry = FakeRegistry()
    with registry.CreateKeyEx(
        registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE
    ) as key:
        registry.SetValueEx(key, "Other", 0, registry.REG_SZ, "other.exe")
    write_run_value(registry, "clipcrop.exe")

    remove_run_value(registry)

    (values,) = registry.keys.values()
    assert values == {"other": ("other.exe", registry.REG_SZ)}


def test_removing_what_is_not_there_is_fine():
    registry = FakeRegistry()

    remove_run_value(registry)
    write_run_value(registry, "x")
    remove_run_value(registry)
    remove_run_value(registry)

    assert read_run_value(registry) is None


def test_what_the_user_switched_off_in_the_task_manager_is_seen():
    registry = FakeRegistry()
    assert not is_switched_off(registry)

    for first_byte, expected in ((2, False), (3, True)):
        with registry.CreateKeyEx(registry.HKEY_CURRENT_USER, APPROVED_KEY, 0, 2) as key:
            value = bytes([first_byte]) + bytes(11)
            registry.SetValueEx(key, "ClipCrop", 0, registry.REG_BINARY, value)
        assert is_switched_off(registry) is expected
