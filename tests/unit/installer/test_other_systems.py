"""What cannot be run here is at least held against the types of Python on other systems."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mypy import api

pytestmark = pytest.mark.slow


def check(platform: str, tmp_path: Path, *arguments: str) -> str:
    """What mypy finds on a system; empty: nothing."""
    config = ["--config-file", "", "--cache-dir", str(tmp_path / "cache"), "--strict"]
    said, errors, code = api.run(["--platform", platform, *config, *arguments])
    return said + errors if code else ""


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_installer_fits_the_system(
    platform: str, tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MYPYPATH", f"{checkout / 'installer'}{os.pathsep}{checkout / 'daemon'}")

    assert check(platform, tmp_path, "-p", "clipcrop_installer") == ""
