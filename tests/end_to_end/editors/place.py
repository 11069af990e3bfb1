"""Where the tests' GIMP runs: on the machine itself, or in a tree of another system."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# Mounts, processes and /tmp are its own and end with it. The command is no process 1: those have
# rules of their own about signals.
_ENTER = """
root=$1; shift
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; done
shift
chroot "$root" "$@"
exit $?
"""


@dataclass(frozen=True)
class Place:
    """Starts programs there; ``folders`` are seen in it under the same paths."""

    root: Path
    folders: tuple[Path, ...]

    @property
    def is_tree(self) -> bool:
        """It is not the machine itself."""
        return self.root != Path("/")

    def start(self, command: Sequence[str], variables: Mapping[str, str], **rest: Any) -> Process:
        """Start a program, with these variables only."""
        argv = ["env", "-i", *_assignments(variables), *command]
        if self.is_tree:
            own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _ENTER]
            folders = [str(folder) for folder in self.folders]
            argv = [*own, "sh", str(self.root), *folders, "--", *argv]
        return Process(self, _popen(argv, rest))


@dataclass(frozen=True)
class Process:
    """A program that runs in a place."""

    place: Place
    popen: subprocess.Popen[str]

    def beside(self, command: Sequence[str], variables: Mapping[str, str], **rest: Any) -> Process:
        """Start another one, which sees this one's files and processes and ends with it."""
        argv = ["env", "-i", *_assignments(variables), *command]
        if self.place.is_tree:
            first = self._first_inside()
            enter = ["nsenter", f"--target={first}", "--mount", "--pid"]
            argv = [*enter, "chroot", str(self.place.root), *argv]
        return Process(self.place, _popen(argv, rest))

    def end(self) -> None:
        """Kill it; in a tree, all that was started beside it too."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()  # SIGKILL is not refused
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                stream.close()

    def _first_inside(self) -> int:
        pid = self.popen.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _popen(argv: Sequence[str], rest: Mapping[str, Any]) -> subprocess.Popen[str]:
    streams: dict[str, int | IO[str]] = {"stdin": subprocess.DEVNULL, **rest}
    # `chroot` lies where not everybody's path leads.
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    return subprocess.Popen(argv, text=True, env={**os.environ, "PATH": path}, **streams)


def _assignments(variables: Mapping[str, str]) -> list[str]:
    base = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return [f"{name}={value}" for name, value in {**base, **variables}.items()]
