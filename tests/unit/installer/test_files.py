"""Taking away single things: what is gone, what is the user's by now, what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_home import FakeHome

from clipcrop_installer.disk import Disk, sha256_of
from clipcrop_installer.errors import InstallError
from clipcrop_installer.files import FAILED, FILES, GONE, KEPT, REMOVED, Outcome, undo_item
from clipcrop_installer.manifest import ManifestEntry

SETTING = {
    "group": "g",
    "key": "k",
    "value": "v",
    "before": None,
    "sha256": None,
    "has_group": False,
}


def undone(user: FakeHome, kind: str, path: Path, **rest: object) -> Outcome:
    item = ManifestEntry(kind=kind, path=str(path), step="a step", **rest)  # type: ignore[arg-type]
    return undo_item(item, user.context, FILES)


@pytest.mark.parametrize("kind", sorted(set(FILES) - {"moved"}))
def test_what_is_not_there_is_no_error(user: FakeHome, kind: str):
    details = SETTING if kind == "setting" else {}

    assert undone(user, kind, user.home / "nothing", details=details).verdict == GONE


def test_what_was_moved_aside_and_is_gone_is_no_error(user: FakeHome):
    details = {"to": str(user.home / "nothing")}

    assert undone(user, "moved", user.home / "x", details=details).verdict == GONE


def test_what_was_moved_aside_waits_while_something_is_in_its_place(user: FakeHome):
    (user.home / "x").write_text("new")
    (user.home / "x.before-clipcrop").write_text("old")
    details = {"to": str(user.home / "x.before-clipcrop")}

    outcome = undone(user, "moved", user.home / "x", details=details)

    assert outcome.verdict == KEPT
    assert "x.before-clipcrop now" in outcome.note
    assert (user.home / "x").read_text() == "new"


@pytest.mark.parametrize("kind", ["file", "tree", "folder"])
def test_a_link_in_the_place_of_ours_is_never_followed(user: FakeHome, kind: str):
    theirs = user.home / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("theirs")
    (user.home / "ours").symlink_to(theirs)

    outcome = undone(user, kind, user.home / "ours", hashes=(sha256_of(b"theirs"),))

    assert outcome.verdict in (KEPT, GONE)
    assert (theirs / "file").exists()
    assert (user.home / "ours").is_symlink()


def test_a_folder_in_the_place_of_a_trace_is_left_alone(user: FakeHome):
    (user.home / "log").mkdir()

    assert undone(user, "trace", user.home / "log").verdict == KEPT
    assert (user.home / "log").is_dir()


def test_a_line_that_was_there_before_stays(user: FakeHome):
    path = user.home / "rc"
    path.write_text("[g]\nk=v\n")

    outcome = undone(user, "setting", path, details={**SETTING, "before": "k=v\n"})

    assert outcome.verdict == REMOVED
    assert path.read_text() == "[g]\nk=v\n"


def test_a_settings_file_that_we_made_goes_when_nothing_else_is_in_it(user: FakeHome):
    path = user.home / "rc"
    path.write_text("[g]\nk=v\n")

    assert undone(user, "setting", path, details=SETTING).verdict == REMOVED
    assert not path.exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(InstallError("not now"), "not now", id="a step's own"),
        pytest.param(PermissionError(13, "in use"), "cannot be removed: in use", id="the disk's"),
    ],
)
def test_what_cannot_be_undone_says_why(user: FakeHome, error: Exception, sentence: str):
    def fail(item: ManifestEntry, context: object) -> Outcome:
        raise error

    outcome = undo_item(ManifestEntry(kind="x", path="p", step="s"), user.context, {"x": fail})

    assert outcome.verdict == FAILED
    assert sentence in outcome.note


def test_a_folder_names_some_of_what_keeps_it(user: FakeHome):
    folder = user.home / "ours"
    folder.mkdir()
    for name in "abcde":
        (folder / name).touch()

    outcome = undone(user, "folder", folder)

    assert outcome == Outcome(KEPT, f"{folder} is kept: a, b, c, ... in it is not ours")


def test_nothing_is_renamed_over_anything(tmp_path: Path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")

    with pytest.raises(FileExistsError):
        Disk().rename(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_text() == "b"
