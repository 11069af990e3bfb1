"""Outputs: whole or not at all, and never over a file that was there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from clipcrop.errors import InputError
from clipcrop.imaging import output_files
from clipcrop.imaging.output_files import (
    check_new,
    file_id,
    keep_as,
    shortened,
    temporary_beside,
    written_at_once,
)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def kept(target: Path, content: bytes, **options: bool) -> Path:
    with temporary_beside(target) as temporary:
        temporary.write_bytes(content)
        return keep_as(temporary, target, **options)


def test_a_file_that_is_there_gets_a_numbered_neighbour(tmp_path: Path):
    target = tmp_path / "crop.v1.png"
    target.write_bytes(b"the user's own")

    assert kept(target, b"new") == tmp_path / "crop.v1-2.png"
    assert kept(target, b"newer") == tmp_path / "crop.v1-3.png"

    assert target.read_bytes() == b"the user's own"
    assert len(names(tmp_path)) == 3


def test_the_same_content_is_written_once(tmp_path: Path):
    target = tmp_path / "crop.png"

    assert kept(target, b"one") == kept(target, b"one") == target

    assert names(tmp_path) == ["crop.png"]


def test_overwriting_replaces(tmp_path: Path):
    target = tmp_path / "crop.png"
    target.write_bytes(b"old")

    assert kept(target, b"new", overwrite=True) == target

    assert target.read_bytes() == b"new"


def test_overwriting_never_replaces_an_input(tmp_path: Path):
    photo, alias = tmp_path / "photo.png", tmp_path / "alias.png"
    photo.write_bytes(b"photo")
    alias.symlink_to(photo)
    identity = file_id(photo)
    assert identity is not None

    with temporary_beside(alias) as temporary:
        temporary.write_bytes(b"crop")
        written = keep_as(temporary, alias, overwrite=True, inputs={identity})

    assert written == tmp_path / "alias-2.png"
    assert photo.read_bytes() == b"photo"
    with pytest.raises(InputError, match=r"alias\.png"):
        check_new(alias, overwrite=True, inputs={identity})


def test_a_dangling_link_is_not_written_through(tmp_path: Path):
    link = tmp_path / "sheet.png"
    link.symlink_to(tmp_path / "elsewhere.png")

    with pytest.raises(InputError, match=r"sheet\.png"), written_at_once(link, overwrite=False):
        pass

    assert names(tmp_path) == ["sheet.png"]


def test_file_systems_without_hard_links_replace_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    target = tmp_path / "crop.png"

    assert kept(target, b"one") == target
    assert kept(target, b"two") == tmp_path / "crop-2.png"

    assert target.read_bytes() == b"one"


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def fail() -> None:
        with written_at_once(target) as temporary:
            temporary.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(InputError, match="cannot write"):
        fail()

    assert names(tmp_path) == ["file"]
    assert target.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_new_files_have_the_rights_that_the_umask_gives(tmp_path: Path):
    before = os.umask(0o027)
    try:
        written = kept(tmp_path / "crop.png", b"new")
    finally:
        os.umask(before)

    assert stat.S_IMODE(written.stat().st_mode) == 0o640


def test_two_temporary_files_of_one_target_differ(tmp_path: Path):
    target = tmp_path / "file"

    with temporary_beside(target) as one, temporary_beside(target) as other:
        assert one != other


def test_leftovers_of_killed_runs_are_cleared_and_those_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(output_files, "_cleared", set())
    script = (
        "import os, sys, pathlib\n"
        "from clipcrop.imaging.output_files import temporary_beside\n"
        "with temporary_beside(pathlib.Path(sys.argv[1])): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "file"], check=False)
    assert len(names(tmp_path)) == 1

    with temporary_beside(tmp_path / "file") as ours:
        assert names(tmp_path) == [ours.name]
        monkeypatch.setattr(output_files, "_cleared", set())
        with temporary_beside(tmp_path / "file"):
            assert ours.exists()


@pytest.mark.parametrize("stem", ["m" * 255, "ü" * 127, "猫" * 85, "a\udce9" * 120])
def test_long_stems_leave_room_for_a_suffix_and_stay_distinct(stem: str):
    short = shortened(stem)

    assert len(os.fsencode(short)) <= 200
    assert shortened(stem + "x") != short
    assert shortened("short") == "short"
