"""What cannot be run here is at least held against the types of Python on other systems."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

pytestmark = pytest.mark.slow

REAL_REGISTRY = """\
import winreg

from clipcrop_installer.login_formats import Registry

registry: Registry = winreg
"""


def check(platform: str, tmp_path: Path, *arguments: str) -> str:
    """What mypy finds on a system; empty: nothing."""
    config = ["--config-file", "", "--cache-dir", str(tmp_path / "cache"), "--strict"]
    said, errors, code = api.run(["--platform", platform, *config, *arguments])
    return said + errors if code else ""


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_the_installer_fits_the_system(
    platform: str, tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MYPYPATH", str(checkout / "installer"))

    assert check(platform, tmp_path, "-p", "clipcrop_installer") == ""


def test_what_is_asked_of_the_registry_windows_own_can_do(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MYPYPATH", str(checkout / "installer"))

    assert check("win32", tmp_path, "-c", REAL_REGISTRY) == ""
    other = REAL_REGISTRY.replace("= winreg", "= 1")
    assert "Incompatible types" in check("win32", tmp_path, "-c", other)
