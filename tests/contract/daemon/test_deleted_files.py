"""The daemon's files are deleted while it runs, by a cleaner of temporary files or by the user."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from clipcrop_wire.client import Client
from clipcrop_wire.errors import Cancelled

pytestmark = pytest.mark.slow


@pytest.fixture
def daemon(start):
    """One that looks after its files more often than usual."""
    return start(check_files_s=0.1)


REMOVED = ["connection.json", "connection.json.lock", "sockets", "a socket"]


@pytest.mark.parametrize("name", REMOVED)
def test_a_daemon_that_cannot_be_found_any_more_ends_and_the_next_one_starts(
    daemon, start, suggest, name
):
    work_socket = daemon.info().work[0].rpartition("/")[2]
    path = daemon.folder / (f"sockets/{work_socket}" if name == "a socket" else name)

    shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert daemon.process.wait(120) != 0
    assert daemon.text().count("FilesRemoved:") == 1
    assert str(path) in daemon.text()
    second = start()
    with second.client() as client:
        assert suggest(client).suggestions


def test_a_request_that_runs_then_is_answered(daemon, begin):
    with daemon.client() as client:
        waiting = begin(daemon, client, "sleep 60", "working")

        daemon.path.unlink()

        with pytest.raises(Cancelled):
            waiting.result(120)


def test_nothing_is_bound_in_a_temporary_folder_that_was_made_anew(start, short_path):
    path = short_path / ("d" * 90) / "connection.json"
    daemon = start(is_awaited=False, check_files_s=0.1, settings={"connection_file": str(path)})
    daemon.path = path
    daemon.wait_until_ready()
    folder = Path(daemon.info().work[0].partition("://")[2]).parent
    assert not folder.is_relative_to(short_path)

    moved = short_path / "moved"
    folder.rename(moved)
    folder.mkdir(mode=0o777)
    try:
        assert daemon.process.wait(120) != 0
        assert list(folder.iterdir()) == []
    finally:
        folder.rmdir()
    assert "FilesRemoved:" in daemon.text()


def test_the_user_is_told_by_one_line_in_the_log(start, short_path):
    path, log = short_path / "connection.json", short_path / "daemon.log"
    command = [str(Path(sys.executable).with_name("clipcrop-daemon")), "run"]
    command += ["--connection-file", str(path), "--log-file", str(log)]
    daemon = start(command=command)
    with Client(path) as client:
        client.ping()

    path.with_name("connection.json.lock").unlink()

    assert daemon.process.wait(120) == 1
    lines = log.read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if "ERROR" in line and "removed" in line]) == 1
    assert "Traceback" not in daemon.text()
