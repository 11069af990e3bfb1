from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_crop_leaves_nothing_in_the_home(home: Path, astronaut_path: Path):
    """ONNX Runtime would keep an id of the machine and a database of what it is going to report."""
    command = [sys.executable, "-m", "clipcrop.cli", "suggest", astronaut_path, "the woman"]

    subprocess.run([*command, "--model", "lite"], env={**os.environ, "HOME": str(home)}, check=True)

    assert list(home.rglob("*")) == []
