"""The daemon's files are deleted while it runs, by a cleaner of temporary files or by the user."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clipcrop_wire.client import Client
from clipcrop_wire.errors import Cancelled

pytestmark = pytest.mark.slow


def test_a_daemon_that_cannot_be_found_any_more_answers_and_ends_and_the_next_one_starts(
    start, begin, suggest
):
    daemon = start(check_files_s=0.1)
    with daemon.client() as client:
        waiting = begin(daemon, client, "sleep 60", "working")

        daemon.path.unlink()

        with pytest.raises(Cancelled):
            waiting.result(120)
    assert daemon.process.wait(120) != 0
    assert daemon.text().count("FilesRemoved:") == 1
    assert str(daemon.path) in daemon.text()
    with start().client() as client:
        assert suggest(client).suggestions


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
