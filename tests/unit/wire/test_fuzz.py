from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "fuzz" / "fuzz_wire.py"


def test_mutated_bytes_raise_nothing_outside_the_error_tree():
    command = [sys.executable, str(SCRIPT), "--count", "6000", "--seed", "7"]

    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)

    assert ran.returncode == 0, ran.stdout.decode()
    assert b"6000 streams" in ran.stdout
