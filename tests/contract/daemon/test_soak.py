from __future__ import annotations

import json
import subprocess
import sys


def test_restless_clients_get_one_answer_each_and_leave_nothing(checkout):
    script = checkout / "tests" / "soak" / "soak_daemon.py"
    command = [sys.executable, str(script), "--requests", "300", "--clients", "4", "--json"]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    assert sum(result["outcomes"].values()) == 300
    assert {"ok", "internal", "cancelled", "hung up"} <= set(result["outcomes"])
