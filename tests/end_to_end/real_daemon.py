"""The real daemon, for tests of what talks to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

_START_S = 180.0


class Daemon:
    """``clipcrop-daemon run`` with the lite model and a connection file of its own."""

    def __init__(self, folder: Path, python: Path = Path(sys.executable)) -> None:
        self.folder = folder
        self.python = python
        self.connection_file = folder / "connection.json"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        """What starts it."""
        program = self.python.with_name("clipcrop-daemon")
        options = {
            "--model": "lite",
            "--device": "cpu",
            "--connection-file": str(self.connection_file),
            "--log-file": str(self.folder / "daemon.log"),
        }
        return [str(program), "run", *(word for pair in options.items() for word in pair)]

    def start(self) -> None:
        """Start it and wait until it can be asked."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "output.log").open("ab") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output)
        deadline = time.monotonic() + _START_S
        while not self.connection_file.exists():
            assert time.monotonic() < deadline, f"no daemon after {_START_S:g} s"
            time.sleep(0.02)

    def end(self) -> None:
        """End it, and whoever was started in its stead."""
        program, file = self.command[0], str(self.connection_file)
        if self.connection_file.exists():
            variables = {**os.environ, "CLIPCROP_CONNECTION_FILE": file}
            subprocess.run([program, "stop"], env=variables, capture_output=True, timeout=20)
        self.kill()

    def kill(self) -> None:
        """As a crash would end it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None
