from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_restless_clients_get_one_answer_each_and_leave_nothing(checkout):
    script = checkout / "tests" / "soak" / "soak_daemon.py"
    amount = ["--seconds", "6", "--clients", "6", "--connections", "60"]
    amount += ["--visits", "300", "--visitors", "10"]
    command = [sys.executable, str(script), *amount, "--json"]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert sum(result["outcomes"].values()) == result["asked"]
    assert {"ok", "cancelled"} <= set(result["outcomes"])
    assert result["visit_outcomes"] == {"ok": 300}
