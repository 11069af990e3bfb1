"""What the daemon's tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dispatcher_with_fakes import Front
from fake_daemon import FakeDaemon

from clipcrop_daemon.settings import Settings


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the developer's settings, and no systemd that waits for a word of us."""
    for name in (*os.environ, "XDG_STATE_HOME"):
        if name.startswith(("CLIPCROP_", "XDG_", "NOTIFY_SOCKET", "JOURNAL_STREAM")):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's, which pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def settings(short_path: Path) -> Settings:
    """Settings of a daemon that has everything in `short_path`."""
    return Settings(
        connection_file=short_path / "connection.json", log_file=short_path / "daemon.log"
    )


@pytest.fixture
def fake_daemon(short_path: Path) -> Iterator[FakeDaemon]:
    """The wire's fake daemon, at the connection file of `settings`."""
    running = FakeDaemon(short_path)
    yield running
    running.stop()


@pytest.fixture
def front() -> Front:
    """Nobody is there yet."""
    return Front()
