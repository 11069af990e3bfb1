from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = Path(__file__).with_name("killer.py")
NUM_SEEDS = 100


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs fork")
def test_an_installer_killed_at_any_point_loses_nothing_and_the_next_one_repairs(tmp_path: Path):
    seeds = map(str, range(NUM_SEEDS))

    done = subprocess.run(
        [sys.executable, KILLER, tmp_path, *seeds], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report for report in reports if report["wrong"]] == []
    assert len(reports) == NUM_SEEDS
