"""Installing, bringing up to date, taking away: what is in the home after each."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_home import FakeHome, errors_of

from clipcrop_installer import installation
from clipcrop_installer.disk import Disk
from clipcrop_installer.errors import AlreadyAtWork, DamagedManifest, EditorNotFound, InstallError
from clipcrop_installer.install import Choices, Source, plan_install
from clipcrop_installer.installation import opened, read_manifest
from clipcrop_installer.login import all_undo_handlers
from clipcrop_installer.manifest import Manifest


def gimp_plug_in(user: FakeHome) -> Path:
    return user.home / ".config/GIMP/3.0/plug-ins/clipcrop_gimp"


def kritarc(user: FakeHome) -> Path:
    return user.home / ".config/kritarc"


def test_everything_is_put_in_place(user: FakeHome):
    results = user.install()

    assert errors_of(results) == {}
    assert (gimp_plug_in(user) / "clipcrop_gimp.py").stat().st_mode & 0o111 == 0o111
    assert (gimp_plug_in(user) / "msgpack/fallback.py").exists()
    assert not (gimp_plug_in(user) / "msgpack/_cmsgpack.so").exists()
    pykrita = user.home / ".local/share/krita/pykrita"
    assert (pykrita / "clipcrop_krita.desktop").exists()
    assert (pykrita / "clipcrop_krita/vendor/clipcrop_plugin/config.py").exists()
    assert (user.home / ".local/share/krita/actions/clipcrop_krita.action").exists()
    assert b"enable_clipcrop_krita=true" in kritarc(user).read_bytes()
    assert not user.places.downloads.exists()
    settings = json.loads(user.places.plugin_settings.read_text())
    assert settings["connection_file"] == str(user.places.connection_file)
    program, *arguments = settings["start_command"]
    assert Path(program).is_absolute()
    assert Path(program).exists()
    assert arguments == ["run"]
    assert user.programs.daemon.read_text() == program
    assert (user.home / ".config/autostart/clipcrop-daemon.desktop").exists()


def test_uninstall_leaves_the_home_as_it_was_to_the_byte(user: FakeHome):
    before = user.contents()
    user.install()

    removal = user.uninstall()

    assert (removal.kept, removal.failed) == ((), ())
    assert user.contents() == before
    assert not user.programs.daemon.exists()


def test_the_plan_touches_nothing_and_names_every_place(user: FakeHome):
    before = user.contents()

    manifest = read_manifest(user.places, user.context)
    source = Source("1", user.checkout)
    plan = plan_install(source, Choices(), user.context, manifest, user.places, all_undo_handlers())
    text = "\n".join(plan.lines())

    assert user.contents() == before
    for part in ("environments/1-", str(gimp_plug_in(user)), "enable_clipcrop_krita", "at login"):
        assert part in text


def test_a_second_install_changes_nothing(user: FakeHome):
    user.install()
    before = user.contents()
    user.programs.commands.clear()

    results = user.install()

    assert errors_of(results) == {}
    assert user.contents() == before
    assert not any("venv" in command or "pip" in command for command in user.programs.commands)


def test_an_upgrade_brings_the_new_version_and_takes_the_old_one_away(user: FakeHome):
    before = user.contents()
    user.install()
    (old,) = user.places.environments.iterdir()
    krita = user.home / ".local/share/krita/pykrita/clipcrop_krita"
    assert (krita / "only_in_1.py").exists()
    fallback = gimp_plug_in(user) / "msgpack/fallback.py"
    unchanged = fallback.stat().st_mtime_ns

    user.release("2")
    results = user.install()

    assert errors_of(results) == {}
    (new,) = user.places.environments.iterdir()
    assert new != old
    assert "release 2" in (gimp_plug_in(user) / "clipcrop_gimp.py").read_text()
    assert not (krita / "only_in_1.py").exists()
    assert fallback.stat().st_mtime_ns == unchanged
    assert user.programs.daemon.read_text().startswith(str(new))
    user.uninstall()
    assert user.contents() == before


@pytest.mark.parametrize("part", ["venv", "pip install", " suggest "])
def test_the_old_version_works_on_when_the_new_one_cannot_be_made(user: FakeHome, part: str):
    user.install()
    before = user.contents()
    user.release("2")
    user.programs.failing = {part: (1, "ERROR: something")}

    results = user.install()

    assert not results[-1].is_done
    where = user.places
    mentioned = (str(where.manifest), str(where.downloads), str(where.pip_log))
    for path in {*before, *(after := user.contents())}:
        if not str(user.home / path).startswith(mentioned):
            assert after.get(path) == before.get(path)
    assert user.programs.daemon.exists()


def test_until_the_switch_the_manifest_names_the_version_that_works(user: FakeHome):
    user.install()
    user.release("2")
    user.programs.failing = {"pip install": (1, "ERROR: something")}
    user.install()
    assert read_manifest(user.places, user.context).version == "1"

    user.programs.failing = {}
    user.install()

    assert read_manifest(user.places, user.context).version == "2"


def test_a_first_install_that_fails_takes_back_what_it_has_begun(user: FakeHome):
    before = user.contents()
    user.programs.failing = {"pip install": (1, "Temporary failure in name resolution")}

    (result,) = user.install()

    assert "the package registry cannot be reached" in str(result.error)
    assert not user.places.environments.exists()
    assert "Temporary failure" in user.places.pip_log.read_text()
    assert result.notes == (
        f"{user.places.downloads} is left, for the next try; uninstall removes it",
    )
    user.programs.failing = {}
    assert errors_of(user.install()) == {}
    user.uninstall()
    assert user.contents() == before


def test_what_was_downloaded_for_nothing_is_taken_away_too(user: FakeHome):
    before = user.contents()
    user.programs.failing = {"pip install": (1, "Temporary failure in name resolution")}
    user.install()

    user.uninstall()

    assert user.contents() == before


def test_the_users_own_downloads_are_used_and_left(user: FakeHome):
    (user.home / ".cache" / "pip").mkdir(parents=True)
    before = user.contents()

    user.install()
    user.uninstall()

    assert user.contents() == before


def test_a_file_that_the_user_changed_is_kept_and_named(user: FakeHome):
    user.install()
    changed = gimp_plug_in(user) / "clipcrop_plugin/config.py"
    changed.write_text("mine")

    removal = user.uninstall()

    assert changed.read_text() == "mine"
    assert removal.kept[0] == f"{changed} was changed since it was installed, and is kept"
    assert [path for path in gimp_plug_in(user).rglob("*") if path.is_file()] == [changed]


def test_a_file_that_the_user_changed_is_put_aside_by_an_upgrade(user: FakeHome):
    user.install()
    changed = gimp_plug_in(user) / "clipcrop_plugin/config.py"
    changed.write_text("mine")
    user.release("2")

    user.install()

    assert "release 2" in changed.read_text()
    assert changed.with_name("config.py.yours").read_text() == "mine"
    assert any("your version is config.py.yours" in line for line in user.said)


def test_what_editors_have_compiled_goes_with_its_source(user: FakeHome):
    before = user.contents()
    user.install()
    cache = gimp_plug_in(user) / "clipcrop_plugin/__pycache__"
    cache.mkdir()
    (cache / "config.cpython-313.pyc").write_bytes(b"compiled")

    user.uninstall()

    assert user.contents() == before


def test_a_file_that_the_user_added_is_kept_and_its_folder_named(user: FakeHome):
    user.install()
    (gimp_plug_in(user) / "notes.txt").write_text("mine")

    removal = user.uninstall()

    assert (gimp_plug_in(user) / "notes.txt").read_text() == "mine"
    assert f"{gimp_plug_in(user)} is kept: notes.txt in it is not ours" in removal.kept


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(".config/GIMP/3.0/plug-ins/clipcrop_gimp", id="a folder for GIMP"),
        pytest.param(".local/share/krita/actions/clipcrop_krita.action", id="a file for Krita"),
    ],
)
def test_a_plug_in_of_the_same_name_that_is_not_ours_is_left_alone(user: FakeHome, path: str):
    theirs = user.home / path
    _put_theirs(theirs)
    before = user.contents()

    results = user.install()

    ((name, error),) = errors_of(results).items()
    assert name.startswith("plug-in for ")
    assert f"{theirs} is there already, and was not made by this program" in error
    assert "--force" in error
    user.uninstall()
    assert user.contents() == before


def test_with_force_it_is_moved_aside_and_put_back_at_the_end(user: FakeHome):
    theirs = gimp_plug_in(user)
    _put_theirs(theirs)
    before = user.contents()

    assert errors_of(user.install(force=True)) == {}
    aside = theirs.with_name("clipcrop_gimp.before-clipcrop")
    assert (aside / "clipcrop_gimp.py").read_text() == "theirs"
    assert (theirs / "msgpack/fallback.py").exists()
    assert errors_of(user.install()) == {}
    user.uninstall()

    assert user.contents() == before


def _put_theirs(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix:
        path.write_text("theirs")
        return
    path.mkdir()
    (path / "clipcrop_gimp.py").write_text("theirs")
    (path / "more.py").write_text("theirs")


def test_a_plug_in_that_the_user_has_switched_off_stays_off(user: FakeHome):
    user.install()
    off = kritarc(user).read_bytes().replace(b"krita=true", b"krita=false")
    kritarc(user).write_bytes(off)

    user.install()

    assert kritarc(user).read_bytes() == off
    removal = user.uninstall()
    assert (
        f"enable_clipcrop_krita in {kritarc(user)} was changed since, and is kept" in removal.kept
    )


def test_settings_that_are_a_link_stay_one(user: FakeHome):
    dotfiles = user.home / "dotfiles"
    dotfiles.mkdir()
    kritarc(user).rename(dotfiles / "kritarc")
    kritarc(user).symlink_to(dotfiles / "kritarc")
    before = user.contents()

    user.install()
    assert b"clipcrop" in (dotfiles / "kritarc").read_bytes()
    user.uninstall()

    assert user.contents() == before


@pytest.mark.parametrize("name", ["Zoë Müller", "o'brien & söhne (2)", "日本", "a\nb"])
def test_any_name_of_a_user_will_do(make_user: Callable[[str], FakeHome], name: str):
    user = make_user(name)
    before = user.contents()

    failed = errors_of(user.install())

    # A line break is the one thing that no desktop entry can hold.
    assert failed == {}
    user.uninstall()
    assert user.contents() == before


def test_without_editors_the_rest_is_installed_and_says_where_it_looked(tmp_path: Path):
    user = FakeHome(tmp_path)

    assert errors_of(user.install()) == {}

    assert user.places.plugin_settings.exists()
    assert any("no GIMP 3 in " in line and ".config/GIMP" in line for line in user.said)


def test_an_editor_of_snap_gets_the_plug_in_and_a_warning(user: FakeHome):
    (user.home / "snap/gimp/current/GIMP/3.0").mkdir(parents=True)

    user.install()

    assert (user.home / "snap/gimp/current/GIMP/3.0/plug-ins/clipcrop_gimp").exists()
    assert any("GIMP 3.0 Snap may find no daemon" in line for line in user.said)


def test_an_editor_in_flatpaks_sandbox_is_not_told_to_start_what_it_cannot(user: FakeHome):
    (user.home / ".var/app/org.gimp.GIMP/config/GIMP/3.2").mkdir(parents=True)

    user.install()

    settings = json.loads(user.places.sandbox_settings.read_text())
    assert settings == {"connection_file": str(user.places.connection_file)}


def test_what_is_not_wanted_any_more_is_taken_back(user: FakeHome):
    user.install()

    user.install(gimp=False, login=False)

    assert not gimp_plug_in(user).exists()
    assert not (user.home / ".config/autostart").exists()
    assert (user.home / ".local/share/krita/pykrita/clipcrop_krita").exists()


def test_a_named_folder_must_be_there(user: FakeHome):
    with pytest.raises(EditorNotFound, match=r"there is no folder .*nowhere"):
        user.install(gimp_folder=(str(user.home / "nowhere"),))


def test_a_named_folder_is_used_instead_of_those_found(user: FakeHome):
    (user.home / "portable").mkdir()

    user.install(gimp_folder=(str(user.home / "portable"),))

    assert (user.home / "portable/plug-ins/clipcrop_gimp/clipcrop_gimp.py").exists()
    assert not gimp_plug_in(user).exists()


def test_two_installers_at_once_are_one_too_many(user: FakeHome):
    user.install()

    with installation.hold_lock(user.places.lock):
        for command in (user.install, user.uninstall):
            with pytest.raises(AlreadyAtWork):
                command()

    assert errors_of(user.install()) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="another way to installation")
def test_a_disk_that_knows_no_locks_is_not_another_installer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import fcntl

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)

    with (
        pytest.raises(OSError, match="No locks available"),
        installation.hold_lock(tmp_path / "lock"),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param("{", "is damaged", id="cut off"),
        pytest.param("[]", "is damaged", id="of another shape"),
        pytest.param('{"format": 99}', "newer version of the installer", id="of the future"),
    ],
)
def test_with_a_manifest_that_cannot_be_read_nothing_is_touched(
    user: FakeHome, content: str, sentence: str
):
    user.install()
    user.places.manifest.write_text(content)
    before = user.contents()

    for command in (user.install, user.uninstall):
        with pytest.raises(DamagedManifest, match=sentence):
            command()

    assert user.contents() == before


def test_an_item_of_an_unknown_kind_is_left_to_a_newer_version(user: FakeHome):
    user.install()
    fields = json.loads(user.places.manifest.read_text())
    fields["items"].append({"kind": "hologram", "path": "x", "step": "y", "is_made": True})
    user.places.manifest.write_text(json.dumps(fields))

    removal = user.uninstall()

    assert removal.failed == ("x: a newer version of the installer made it; use that",)
    assert [item.kind for item in Manifest.load(user.places.manifest, user.disk).items] == [
        *["folder"] * len(read_manifest(user.places, user.context).items[:-1]),
        "hologram",
    ]


def test_what_a_daemon_leaves_goes_also_when_an_editor_has_started_it(user: FakeHome):
    before = user.contents()
    user.install(daemon=False)
    assert not user.places.connection_file.exists()
    variables = {"CLIPCROP_CONNECTION_FILE": str(user.places.connection_file)}
    command = json.loads(user.places.plugin_settings.read_text())["start_command"]
    user.programs.start(command, folder=user.home, variables=variables)

    user.uninstall()

    assert user.contents() == before


def test_models_can_be_kept_and_removed_later(user: FakeHome):
    from clipcrop_installer.files import NewFile, items_of, write_all
    from clipcrop_installer.uninstall import MODELS

    before = user.contents()
    user.install()
    weights = NewFile(user.places.data / "models" / "owlvit" / "model.safetensors", b"weights")
    with opened(user.places, user.context) as manifest:
        items = items_of(MODELS, [weights], user.context, manifest)
        manifest.begin(items)
        write_all([weights], user.context, manifest)
        manifest.finish(items)

    user.uninstall(keep_models=True)

    assert weights.path.read_bytes() == b"weights"
    assert not gimp_plug_in(user).exists()
    user.uninstall()
    assert user.contents() == before


class FullDisk(Disk):
    """Has room for so many writes; the next one ends in its middle with an error."""

    def __init__(self, num_writes: int, error: BaseException | None = None) -> None:
        self.left = num_writes
        self.error = error or OSError(28, "No space left on device")

    def _fill(self, descriptor: int, content: bytes) -> None:
        self.left -= 1
        if self.left < 0:
            os.write(descriptor, content[: len(content) // 2])
            raise self.error
        super()._fill(descriptor, content)


@pytest.mark.parametrize("num_writes", range(0, 34, 3))
def test_a_disk_that_gets_full_loses_nothing_and_says_so(user: FakeHome, num_writes: int):
    before = user.contents()
    user.disk = FullDisk(num_writes)

    try:
        failed = errors_of(user.install())
    except Exception as exc:  # the manifest itself could not be written
        failed = {"": str(exc)}

    assert any("the disk is full" in error for error in failed.values())
    user.disk = Disk()
    assert errors_of(user.install()) == {}
    assert (user.uninstall().kept, user.contents()) == ((), before)


@pytest.mark.parametrize("then", ["install", "uninstall"])
@pytest.mark.parametrize("is_upgrade", [False, True], ids=["first", "upgrade"])
@pytest.mark.parametrize("num_writes", [0, 1, 4, 9, 16, 25])
def test_an_installation_that_was_interrupted_is_repaired_or_taken_away(
    user: FakeHome, num_writes: int, is_upgrade: bool, then: str
):
    before = user.contents()
    if is_upgrade:
        user.install()
        user.release("2")
    user.disk = FullDisk(num_writes, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        user.install()
    user.disk = Disk()

    if then == "install":
        assert errors_of(user.install()) == {}

    assert (user.uninstall().kept, user.contents()) == ((), before)


@pytest.mark.skipif(os.name == "nt", reason="modes are of other systems")
def test_a_folder_that_may_not_be_written_is_named_and_the_rest_is_done(user: FakeHome):
    class ReadOnlyGimp(Disk):
        """The administrator owns GIMP's folder; root, who may run this test, could write there."""

        def make_folder(self, path: Path, mode: int = 0o755) -> None:
            if "GIMP" in path.parts:
                raise PermissionError(13, "Permission denied", str(path))
            super().make_folder(path, mode)

    user.disk = ReadOnlyGimp()

    ((name, error),) = errors_of(user.install()).items()

    assert name.startswith("plug-in for GIMP 3.0")
    assert error.startswith(f"cannot use {user.home}/.config/GIMP/3.0/plug-ins: Permission denied")
    assert (user.home / ".local/share/krita/pykrita/clipcrop_krita").exists()


def test_a_data_folder_that_may_not_be_written_is_named_and_nothing_is_left(user: FakeHome):
    class ReadOnlyData(Disk):
        """The administrator owns it; root, who may run this test, could write there."""

        def write(self, path: Path, content: bytes, mode: int = 0o644) -> None:
            if path.is_relative_to(user.places.data):
                raise PermissionError(13, "Permission denied", str(path))
            super().write(path, content, mode)

    before = user.contents()
    user.disk = ReadOnlyData()

    with pytest.raises(InstallError, match=f"cannot use {user.places.manifest}: Permission denied"):
        user.install()

    user.disk = Disk()
    assert errors_of(user.install()) == {}
    assert (user.uninstall().kept, user.contents()) == ((), before)


def test_a_folder_goes_with_the_last_thing_in_it_that_could_not_be_removed(user: FakeHome):
    class ReadOnlyPlugIn(Disk):
        """Somebody has taken the rights from the user."""

        def remove_file(self, path: Path) -> None:
            if path.name == "clipcrop_gimp.py":
                raise PermissionError(13, "Permission denied", str(path))
            super().remove_file(path)

    before = user.contents()
    user.install()
    user.disk = ReadOnlyPlugIn()
    first = user.uninstall()
    assert first.kept == ()
    assert [one for one in first.failed if "clipcrop_gimp.py cannot be removed" in one]

    user.disk = Disk()
    user.uninstall()

    assert user.contents() == before


@pytest.mark.parametrize("release", ["1", "2"])
def test_what_a_new_gimp_has_copied_from_the_old_one_is_ours(user: FakeHome, release: str):
    before = user.contents()
    user.install()
    config = user.home / ".config/GIMP"
    shutil.copytree(config / "3.0", config / "3.2")
    cache = config / "3.2/plug-ins/clipcrop_gimp/clipcrop_plugin/__pycache__"
    cache.mkdir()
    (cache / "config.cpython-313.pyc").write_bytes(b"compiled")
    user.release(release)

    assert errors_of(user.install()) == {}

    copied = config / "3.2/plug-ins/clipcrop_gimp/clipcrop_gimp.py"
    assert f"release {release}" in copied.read_text()
    user.uninstall()
    shutil.rmtree(config / "3.2")  # GIMP's own
    assert user.contents() == before
    assert not copied.parent.exists()


def test_a_copy_in_which_the_user_has_changed_something_is_not_ours(user: FakeHome):
    user.install()
    config = user.home / ".config/GIMP"
    shutil.copytree(config / "3.0", config / "3.2")
    mine = config / "3.2/plug-ins/clipcrop_gimp/mine.txt"
    mine.write_text("mine")

    (error,) = errors_of(user.install()).values()

    assert "is there already, and was not made by this program" in error
    assert mine.exists()


@pytest.mark.skipif(os.name == "nt", reason="modes are of other systems")
def test_a_program_that_cannot_be_run_any_more_is_repaired(user: FakeHome):
    user.install()
    script = gimp_plug_in(user) / "clipcrop_gimp.py"
    script.chmod(0o644)

    user.install()

    assert os.access(script, os.X_OK)
    assert not script.with_name("clipcrop_gimp.py.yours").exists()


def test_the_manifest_has_the_names_by_which_older_installations_are_upgraded(user: FakeHome):
    """Those of version 0.1.0: an entry of another step or kind would be left behind."""
    user.install()

    items = json.loads(user.places.manifest.read_text())["items"]

    steps = {item["step"].partition(" in ")[0] for item in items}
    assert steps == {
        "folder for ClipCrop's files",
        "environment",
        "settings for the plug-ins",
        "commands",
        "plug-in for GIMP 3.0",
        "plug-in for Krita",
        "start at login",
    }
    kinds = {item["kind"] for item in items}
    assert kinds == {"file", "folder", "link", "setting", "trace", "tree"}
