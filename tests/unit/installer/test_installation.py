from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest

from clipcrop_installer.installation import hold_lock


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
