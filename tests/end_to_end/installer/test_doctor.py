"""The doctor asks the real programs of this environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_daemon import Daemon

from clipcrop_installer.disk import Disk
from clipcrop_installer.machine import places, this_machine
from clipcrop_installer.manifest import Manifest

pytestmark = pytest.mark.slow


@pytest.fixture
def installed_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """With a path that is short enough for sockets; this environment is "installed" there."""
    home = Path(tempfile.mkdtemp(prefix="cc"))
    monkeypatch.setenv("HOME", str(home))
    where = places(this_machine(Disk()))
    where.data.mkdir(parents=True, mode=0o700)
    manifest = Manifest(where.manifest, Disk())
    manifest.version = "0.1.0"
    manifest.values["python"] = sys.executable
    manifest.values["choices"] = {"login": False}
    manifest.save()
    yield home
    shutil.rmtree(home)


def test_a_running_daemon_and_whole_weights_are_well(installed_home: Path, checkout: Path):
    where = places(this_machine(Disk()))
    daemon = Daemon(where.data)
    daemon.start()
    try:
        doctor = subprocess.run(
            [sys.executable, checkout / "installer", "doctor", "--json", "--report"],
            env={**os.environ, "XDG_CONFIG_HOME": str(installed_home / "nothing")},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        daemon.end()

    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    verdicts = {one["about"]: one["verdict"] for one in json.loads(doctor.stdout)["findings"]}
    for about in ("environment", "installation", "engine", "weights", "connection", "daemon"):
        assert verdicts[about] in ("ok", "warning"), doctor.stdout
    assert verdicts["daemon"] == "ok"
    assert str(installed_home) not in doctor.stdout
