"""Another project's distribution of the same import name is in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipcrop.start import namesake_sentence


@pytest.fixture
def packages(tmp_path: Path, checkout: Path) -> Path:
    """A folder of packages with ours and the other one's metadata."""
    (tmp_path / "clipcrop").symlink_to(checkout / "clipcrop")
    (tmp_path / "clipcrop-2.5.0.dist-info").mkdir()
    return tmp_path


def run(packages: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(packages)!r}); {code}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_the_command_line_says_it_in_one_line(packages: Path):
    done = run(packages, "from clipcrop.start import main; sys.exit(main())")

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "clipcrop-2.5.0" in line
    assert "pip uninstall clipcrop" in line


def test_the_library_says_it_when_it_is_used(packages: Path):
    done = run(packages, "import clipcrop; clipcrop.Predictor")

    assert "ImportError: clipcrop-2.5.0" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["clipcrop_desktop-1.dist-info", "clipcrop-tools-1.dist-info"])
def test_other_distributions_are_none(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()

    assert namesake_sentence(tmp_path) == ""
