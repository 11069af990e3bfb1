from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["suggest", "models"])
def test_a_command_leaves_nothing_in_the_home(command: str, home: Path, astronaut_path: Path):
    """ONNX Runtime would keep an id of the machine and a database of what it is going to report."""
    arguments = {
        "suggest": ["suggest", str(astronaut_path), "the woman", "--model", "lite"],
        "models": ["models", "verify", "lite"],
    }[command]
    variables = {
        name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"
    }

    subprocess.run([sys.executable, "-m", "clipcrop.cli", *arguments], env=variables, check=True)

    assert list(home.rglob("*")) == []
