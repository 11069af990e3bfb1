"""A user manager of systemd of its own, also where systemd did not start the machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

_SYSTEMD = Path("/usr/lib/systemd/systemd")
_START_S = 180.0
_END_S = 20.0

# systemd asks for this folder to know whether it is in charge of the machine. In a mount namespace
# it is only there for the manager.
_SCRIPT = """\
set -e
mount -t tmpfs tmpfs /run/systemd 2>/dev/null || { mkdir -p /run/systemd; }
mkdir -p /run/systemd/system
exec "$0" --user --log-target=console --log-level=info
"""


def why_not() -> str:
    """Why there cannot be one here; empty if there can."""
    if not _SYSTEMD.exists() or shutil.which("unshare") is None:
        return "this system has no systemd"
    if os.geteuid() != 0:
        return "a mount namespace of its own, which a user manager needs here, needs root"
    return ""


class UserManager:
    """``systemd --user`` with an own home and runtime folder, which must have a short path."""

    def __init__(self, home: Path, runtime: Path, log: Path) -> None:
        self.runtime = runtime
        self._log = log
        self._variables = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "XDG_RUNTIME_DIR": str(runtime),
            "OMP_NUM_THREADS": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", _SCRIPT, str(_SYSTEMD)],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START_S
        while self.systemctl("show", "--property=Version").returncode:
            assert time.monotonic() < deadline, self._log.read_text()
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.05)

    def systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``systemctl --user``."""
        command = ["systemctl", "--user", *words]
        return subprocess.run(
            command, env=self._variables, capture_output=True, text=True, timeout=60
        )

    def properties(self, unit: str) -> dict[str, str]:
        """What it says of a unit."""
        shown = self.systemctl("show", unit).stdout
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def wait_for(self, unit: str, **wanted: str) -> dict[str, str]:
        """Properties of a unit, once some of them are as wanted."""
        deadline = time.monotonic() + _START_S
        while True:
            found = self.properties(unit)
            if wanted.items() <= found.items():
                return found
            assert time.monotonic() < deadline, f"{wanted} is not in {found}"
            time.sleep(0.05)

    def end(self) -> None:
        """End it, with all that it started."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
