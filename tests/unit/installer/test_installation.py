from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from clipcrop_installer.errors import AlreadyAtWork
from clipcrop_installer.installation import hold_lock


def test_who_holds_it_can_take_its_file_away(tmp_path: Path):
    path = tmp_path / "lock"

    with hold_lock(path) as held:
        held.remove()

    assert not path.exists()
    with hold_lock(path):
        assert path.exists()


def test_who_waited_for_a_lock_that_was_taken_away_does_not_hold_it(tmp_path: Path):
    path = tmp_path / "lock"

    with hold_lock(path):
        path.unlink()
        path.touch()  # as a third one does

        with hold_lock(path), pytest.raises(AlreadyAtWork), hold_lock(path):
            pass


def test_on_windows_it_is_let_go_before_its_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Which has no way to remove a file that is open."""
    path = tmp_path / "lock"
    there: list[bool] = []
    close = os.close

    def watching(descriptor: int) -> None:
        there.append(path.exists())
        close(descriptor)

    with hold_lock(path) as held:
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(os, "close", watching)

        held.remove()

    assert there == [True]
    assert not path.exists()


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
        hold_lock(tmp_path / "lock"),
    ):
        pass
