"""The disk is full. Root tries it on a small file system; who is not, with a limit on files."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

IS_ROOT = os.geteuid() == 0
NO_ROOM = "No space left on device" if IS_ROOT else "File too large"


class FullDisk:
    """A folder that can be full, and the command in front of those who are to feel it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix: list[str] = []
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        if not IS_ROOT:
            # What it says goes through another process, which may still write.
            script = 'exec 2> >(cat >&2); ulimit -f 0; exec "$@"'
            self.prefix = ["bash", "-c", script, "bash"]
            return
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1024)):
                pass

    def empty(self) -> None:
        self.prefix = []
        self._ballast.unlink(missing_ok=True)


@pytest.fixture(params=["small file system" if IS_ROOT else "limit on files, we are not root"])
def disk(short_path: Path) -> Iterator[FullDisk]:
    """One of 64 kilobytes, not yet full."""
    folder = short_path / "disk"
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)]
    if IS_ROOT:
        subprocess.run(mount, check=True)
    yield FullDisk(folder)
    if IS_ROOT:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def command(path: Path, log: Path | str) -> list[str]:
    run = [sys.executable, "-m", "clipcrop_daemon", "run"]
    return [*run, "--connection-file", str(path), "--log-file", str(log)]


def test_without_room_for_the_connection_file_it_says_so_and_leaves_nothing(disk, start, wait_for):
    path = disk.folder / "connection.json"
    disk.fill()

    failed = start(is_awaited=False, command=[*disk.prefix, *command(path, "/dev/null")])

    assert failed.process.wait(120) == 1
    sentence = f"the connection file {path} cannot be written: {NO_ROOM}; make room"
    wait_for(lambda: sentence in failed.text())
    left = {one.name for one in disk.folder.iterdir()}
    assert left - {"ballast"} == {"connection.json.lock", "sockets"}
    assert list((disk.folder / "sockets").iterdir()) == []
    disk.empty()
    daemon = start(is_awaited=False, command=command(path, "/dev/null"))
    daemon.path = path
    daemon.wait_until_ready()


def test_a_log_that_cannot_be_written_is_told_once_and_the_daemon_goes_on(start, short_path):
    path = short_path / "connection.json"
    run = [*command(path, "/dev/full"), "--log-level", "DEBUG"]

    daemon = start(command=run)

    for _ in range(5):
        with daemon.client() as client:  # each is worth lines in the log
            client.ping()
            client.unload()
    complaint = "warning: the log /dev/full cannot be written: No space left on device"
    assert daemon.text().count(complaint) == 1


def test_a_log_on_a_full_disk_goes_on_when_there_is_room_again(disk, start, short_path, wait_for):
    if not IS_ROOT:
        pytest.xfail("needs a file system of its own, which only root can have; the others run")
    log = disk.folder / "log"
    daemon = start(command=command(short_path / "connection.json", log))
    with daemon.client() as client:
        disk.fill()
        for _ in range(60):
            client.unload()
        assert daemon.text().count("cannot be written: No space left on device") == 1
        disk.empty()

        before = log.stat().st_size
        client.unload()

        wait_for(lambda: log.stat().st_size > before)
        assert log.read_text(encoding="utf-8").endswith("model.unloaded names=\n")
