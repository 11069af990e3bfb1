"""What an installer that removes whole folders relies on: its own list, its own folders."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_home import FakeHome

from clipcrop_installer.disk import Disk
from clipcrop_installer.errors import NotOurs
from clipcrop_installer.files import FILES, KEPT, REMOVED, undo_item
from clipcrop_installer.installation import read_manifest
from clipcrop_installer.manifest import ManifestEntry

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX systems")


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def another_users(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)


def writable_by_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.chmod(0o666)


def writable_by_the_group(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.chmod(0o660)


def a_link(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.rename(path.with_name("elsewhere.json"))
    path.symlink_to("elsewhere.json")


@pytest.mark.parametrize("change", [another_users, writable_by_all, writable_by_the_group, a_link])
def test_a_manifest_that_another_may_have_written_is_not_believed(
    user: FakeHome,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, pytest.MonkeyPatch], None],
):
    user.install()
    before = user.contents().keys()
    manifest = user.places.manifest
    change(manifest, monkeypatch)

    for act in (user.uninstall, user.install, lambda: read_manifest(user.places, user.context)):
        with pytest.raises(NotOurs, match=r"manifest\.json"):
            act()

    assert before <= user.contents().keys()


def test_a_manifest_that_others_may_read_is_believed(user: FakeHome):
    user.install()
    user.places.manifest.chmod(0o644)

    assert read_manifest(user.places, user.context).version == "1"


@pytest.mark.parametrize("kind", ["tree", "trace"])
@pytest.mark.parametrize(
    "name", ["Photos/all", ".local/share/clipcrop", ".local/share/clipcrop/../../../Photos/all"]
)
def test_a_tree_outside_of_our_folders_is_kept(user: FakeHome, kind: str, name: str):
    photo = user.home / "Photos" / "all"
    user.places.data.mkdir(parents=True, exist_ok=True)
    photo.parent.mkdir()
    if kind == "tree":
        photo.mkdir()
        (photo / "1.jpg").touch()
    else:
        photo.touch()
    item = ManifestEntry(kind=kind, path=str(user.home / name), step="a step")

    outcome = undo_item(item, user.context, FILES)

    assert outcome.verdict != REMOVED
    assert photo.exists()
    assert user.places.data.exists()


def test_a_tree_behind_a_link_out_of_our_folders_is_kept(user: FakeHome):
    photos = user.home / "Photos"
    (photos / "1").mkdir(parents=True)
    user.places.data.mkdir(parents=True)
    user.places.environments.symlink_to(photos)

    outcome = undo_item(
        ManifestEntry(kind="tree", path=str(user.places.environments / "1"), step="a step"),
        user.context,
        FILES,
    )

    assert outcome.verdict == KEPT
    assert (photos / "1").is_dir()


def test_weights_are_removed_where_the_data_folder_is_named_by_a_variable(user: FakeHome):
    user.variables["XDG_DATA_HOME"] = str(user.home / "data")
    folder = user.home / "data" / "clipcrop" / "models" / "owlvit"
    folder.mkdir(parents=True)

    item = ManifestEntry(kind="tree", path=str(folder), step="models")

    assert undo_item(item, user.context, FILES).verdict == REMOVED


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o077, 0o777])
def test_folders_are_made_with_their_mode_whatever_the_umask(
    tmp_path: Path, umask: Callable[[int], int], mask: int
):
    umask(mask)

    Disk().make_folder(tmp_path / "a")
    Disk().make_folder(tmp_path / "b", 0o700)

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o700


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path):
    (tmp_path / "a").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("a")

    Disk().make_folder(tmp_path / "a")
    Disk().make_folder(tmp_path / "link")

    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750


def test_an_installation_under_any_umask_is_for_its_user_alone(
    user: FakeHome, umask: Callable[[int], int]
):
    umask(0)
    user.install()

    manifest = read_manifest(user.places, user.context)
    folders = [Path(item.path) for item in manifest.items if item.kind == "folder"]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folders if path.exists()}
    assert (modes["clipcrop"], modes["environments"], modes["plug-ins"]) == (0o700, 0o700, 0o755)
