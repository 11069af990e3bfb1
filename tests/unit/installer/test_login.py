"""The step on a fake machine: what it makes, and that nothing is left of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from fake_registry import FakeRegistry

from clipcrop_installer.disk import Disk
from clipcrop_installer.errors import InstallError, NotOurs
from clipcrop_installer.files import FILES, GONE, KEPT, REMOVED, Outcome
from clipcrop_installer.login import (
    ASK_MANAGER,
    LoginFile,
    LoginValue,
    StartAtLogin,
    choose_way,
    login_item,
    login_undo_handlers,
)
from clipcrop_installer.login_formats import read_run_value, remove_run_value, write_run_value
from clipcrop_installer.machine import Machine
from clipcrop_installer.manifest import Manifest
from clipcrop_installer.plan import Context

COMMAND = ("/opt/environment/bin/clipcrop-daemon", "run")


class FakeSession:
    """A `Runner` that notes what was run; commands with one of ``failing`` in them fail."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.commands: list[str] = []

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        line = " ".join(map(str, command))
        self.commands.append(line)
        if any(word in line for word in self.failing):
            on_line("no such thing")
            return 1
        return 0


def context_of(home: Path, session: FakeSession, platform: str = "linux") -> Context:
    disk = Disk()
    machine = Machine(
        platform=platform,
        home=home,
        variables={},
        names_in=lambda path: disk.names_in(Path(path)),
        read=lambda path: disk.read(Path(path)),
    )
    return Context(machine=machine, disk=disk, run=session, say=lambda line: None)


def install(step: StartAtLogin, context: Context, manifest: Manifest) -> None:
    items = step.items(context, manifest)
    manifest.begin(items)
    step.apply(context, manifest)
    manifest.finish(items)


def uninstall(
    context: Context, manifest: Manifest, registry: FakeRegistry | None = None
) -> list[str]:
    undo = {**FILES, **login_undo_handlers(registry)}
    outcomes: list[Outcome] = []
    for item in reversed(manifest.items):
        outcomes.append(undo[item.kind](item, context))
        manifest.forget([item])
    return [outcome.verdict for outcome in outcomes]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return Manifest(tmp_path / "manifest.json", Disk())


@pytest.mark.parametrize(
    ("platform", "has_manager", "way"),
    [
        ("linux", True, "systemd"),
        ("linux", False, "xdg"),
        ("darwin", False, "launchd"),
        ("win32", False, "run-key"),
        pytest.param("freebsd14", False, "xdg", id="another system with desktop sessions"),
    ],
)
def test_each_system_has_one_way(platform: str, has_manager: bool, way: str):
    assert choose_way(platform, has_user_manager=has_manager) == way


def test_a_session_with_systemd_gets_a_unit_that_is_switched_on(home: Path, manifest: Manifest):
    session = FakeSession()
    context = context_of(home, session)

    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)

    unit = home / ".config" / "systemd" / "user" / "clipcrop-daemon.service"
    assert "ExecStart=/opt/environment/bin/clipcrop-daemon run" in unit.read_text()
    assert session.commands == [
        " ".join(ASK_MANAGER),
        "systemctl --user daemon-reload",
        "systemctl --user enable clipcrop-daemon.service",
    ]


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_nothing_is_left_when_it_is_undone(platform: str, home: Path, manifest: Manifest):
    context = context_of(home, FakeSession(), platform)
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)

    uninstall(context, manifest)

    assert list(home.iterdir()) == []


def test_it_is_stopped_before_its_file_goes(home: Path, manifest: Manifest):
    seen: list[bool] = []
    unit = home / ".config" / "systemd" / "user" / "clipcrop-daemon.service"

    class Watching(FakeSession):
        def __call__(self, command: Sequence[str | Path], **options: object) -> int:  # type: ignore[override]
            if "disable" in command:
                seen.append(unit.exists())
            return super().__call__(command, **options)  # type: ignore[arg-type]

    context = context_of(home, Watching())
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)

    uninstall(context, manifest)

    assert seen == [True]


def test_folders_that_were_there_stay(home: Path, manifest: Manifest):
    (home / ".config" / "autostart").mkdir(parents=True)
    context = context_of(home, FakeSession("--property=Version"))
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)
    assert (home / ".config" / "autostart" / "clipcrop-daemon.desktop").exists()

    uninstall(context, manifest)

    assert list((home / ".config" / "autostart").iterdir()) == []


def test_a_machine_without_systemctl_gets_a_desktop_entry(home: Path):
    class WithoutSystemctl(FakeSession):
        def __call__(self, command: Sequence[str | Path], **options: object) -> int:  # type: ignore[override]
            raise FileNotFoundError(2, "No such file or directory", "systemctl")

    item = login_item(context_of(home, WithoutSystemctl()), COMMAND)

    assert isinstance(item, LoginFile)
    assert item.way == "xdg"


def test_a_second_installation_changes_nothing(home: Path, manifest: Manifest):
    context = context_of(home, FakeSession())
    step = StartAtLogin(login_item(context, COMMAND))
    install(step, context, manifest)
    before = {item.key: item for item in manifest.items}

    install(step, context, manifest)

    assert {item.key: item for item in manifest.items} == before


def test_the_old_way_is_not_among_what_a_new_way_makes(home: Path, manifest: Manifest):
    """So the installer undoes it: what the manifest has of a step and the step does not say."""
    context = context_of(home, FakeSession("--property=Version"))
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)
    entry = str(home / ".config" / "autostart" / "clipcrop-daemon.desktop")

    with_systemd = context_of(home, FakeSession())
    items = StartAtLogin(login_item(with_systemd, COMMAND)).items(with_systemd, manifest)

    assert entry in {item.path for item in manifest.of_step(StartAtLogin.name)}
    assert entry not in {item.path for item in items}


def test_a_unit_of_the_same_name_that_is_not_ours_is_left_alone(home: Path, manifest: Manifest):
    unit = home / ".config" / "systemd" / "user" / "clipcrop-daemon.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("mine")
    context = context_of(home, FakeSession())

    with pytest.raises(NotOurs, match="was not made by this program; move it away"):
        StartAtLogin(login_item(context, COMMAND)).items(context, manifest)


def test_what_the_system_refuses_is_told(home: Path, manifest: Manifest):
    context = context_of(home, FakeSession("enable"))
    step = StartAtLogin(login_item(context, COMMAND))

    with pytest.raises(InstallError, match=r"enable .* ended with exit code 1: no such thing; "):
        install(step, context, manifest)


def test_a_daemon_that_could_not_be_stopped_is_told(home: Path, manifest: Manifest):
    context = context_of(home, FakeSession())
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)

    verdicts = uninstall(context_of(home, FakeSession("disable")), manifest)

    assert verdicts[0] == KEPT
    assert list(home.iterdir()) == []


def test_launchd_forgets_the_old_file_before_it_reads_the_new_one(home: Path, manifest: Manifest):
    session = FakeSession("bootstrap", "bootout")
    context = context_of(home, session, "darwin")
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)
    session.commands.clear()

    install(StartAtLogin(login_item(context, ("/other", "run"))), context, manifest)

    assert [command.split()[1] for command in session.commands] == ["bootout"]


@pytest.mark.parametrize(
    ("platform", "last"),
    [
        ("linux", "systemctl --user restart clipcrop-daemon.service"),
        ("darwin", f"launchctl kickstart -k gui/{os.getuid()}/org.clipcrop.daemon"),
    ],
)
def test_the_session_can_start_it_now(platform: str, last: str, home: Path):
    step = StartAtLogin(login_item(context_of(home, FakeSession(), platform), COMMAND))

    assert " ".join(step.start_commands[-1]) == last


def test_a_desktop_entry_starts_nothing_now(home: Path):
    context = context_of(home, FakeSession("--property=Version"))

    assert StartAtLogin(login_item(context, COMMAND)).start_commands == ()


def test_windows_gets_a_value_of_the_registry(home: Path, manifest: Manifest):
    registry = FakeRegistry()
    context = context_of(home, FakeSession(), "win32")
    item = login_item(context, ("C:\\e\\pythonw.exe", "-m", "clipcrop_daemon", "run"))
    assert isinstance(item, LoginValue)

    install(StartAtLogin(item, registry), context, manifest)

    assert read_run_value(registry) == "C:\\e\\pythonw.exe -m clipcrop_daemon run"
    uninstall(context, manifest, registry)
    assert read_run_value(registry) is None


def test_a_strange_value_of_the_registry_is_left_alone(home: Path, manifest: Manifest):
    registry = FakeRegistry()
    context = context_of(home, FakeSession(), "win32")
    step = StartAtLogin(login_item(context, ("C:\\e\\pythonw.exe",)), registry)
    install(step, context, manifest)

    with pytest.raises(NotOurs, match="remove it and try again"):
        step.items(context, Manifest(home / "another.json", Disk()))


def test_what_would_be_done_is_described_with_its_place(home: Path):
    sentence, place = StartAtLogin(login_item(context_of(home, FakeSession()), COMMAND)).describe()

    assert "systemd" in sentence
    assert place == str(home / ".config" / "systemd" / "user" / "clipcrop-daemon.service")


def test_undoing_on_a_machine_that_has_lost_systemctl_removes_the_file(
    home: Path, manifest: Manifest
):
    class WithoutSystemctl(FakeSession):
        def __call__(self, command: Sequence[str | Path], **options: object) -> int:  # type: ignore[override]
            raise FileNotFoundError(2, "No such file or directory", "systemctl")

    context = context_of(home, FakeSession())
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)

    verdicts = uninstall(context_of(home, WithoutSystemctl()), manifest)

    assert verdicts[0] == KEPT
    assert list(home.iterdir()) == []


def test_a_value_that_the_user_has_removed_is_gone(home: Path, manifest: Manifest):
    registry = FakeRegistry()
    context = context_of(home, FakeSession(), "win32")
    install(StartAtLogin(login_item(context, ("C:\\e\\pythonw.exe",)), registry), context, manifest)
    remove_run_value(registry)

    assert uninstall(context, manifest, registry) == [GONE]


def test_a_value_that_the_user_has_changed_is_kept(home: Path, manifest: Manifest):
    registry = FakeRegistry()
    context = context_of(home, FakeSession(), "win32")
    install(StartAtLogin(login_item(context, ("C:\\e\\pythonw.exe",)), registry), context, manifest)
    write_run_value(registry, "C:\\mine.exe")

    assert uninstall(context, manifest, registry) == [KEPT]
    assert read_run_value(registry) == "C:\\mine.exe"


def test_a_value_that_the_user_has_changed_is_told_when_it_is_replaced(
    home: Path, manifest: Manifest
):
    registry = FakeRegistry()
    context = context_of(home, FakeSession(), "win32")
    step = StartAtLogin(login_item(context, ("C:\\e\\pythonw.exe",)), registry)
    install(step, context, manifest)
    assert step.apply(context, manifest) == []
    write_run_value(registry, "C:\\mine.exe")

    (note,) = step.apply(context, manifest)

    assert note.endswith("had been changed: your value was C:\\mine.exe")


def test_a_value_of_an_older_version_is_ours(home: Path, manifest: Manifest):
    registry = FakeRegistry()
    context = context_of(home, FakeSession(), "win32")
    install(StartAtLogin(login_item(context, ("C:\\old.exe",)), registry), context, manifest)
    new = StartAtLogin(login_item(context, ("C:\\new.exe",)), registry)
    manifest.begin(new.items(context, manifest))  # and is killed before it writes

    assert uninstall(context, manifest, registry) == [REMOVED]


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_file_that_the_user_has_changed_is_put_aside(
    platform: str, home: Path, manifest: Manifest
):
    context = context_of(home, FakeSession(), platform)
    install(StartAtLogin(login_item(context, COMMAND)), context, manifest)
    file = next(Path(item.path) for item in manifest.items if item.kind == "file")
    file.write_text("mine")
    step = StartAtLogin(login_item(context, ("/new", "run")))

    manifest.begin(step.items(context, manifest))
    notes = step.apply(context, manifest)

    assert file.with_name(f"{file.name}.yours").read_text() == "mine"
    assert "your version is" in notes[0]
    assert b"/new" in file.read_bytes()


def test_on_windows_its_own_registry_is_used(
    home: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
):
    registry = FakeRegistry()
    monkeypatch.setitem(sys.modules, "winreg", registry)
    context = context_of(home, FakeSession(), "win32")

    install(StartAtLogin(login_item(context, ("C:\\e\\pythonw.exe",))), context, manifest)

    assert read_run_value(registry) == "C:\\e\\pythonw.exe"
