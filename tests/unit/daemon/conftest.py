"""What the daemon's tests share."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dispatcher_with_fakes import Front
from fake_daemon import FakeDaemon

from clipcrop_daemon.instance import Instance
from clipcrop_daemon.settings import Settings

CLAIM_AND_WAIT = """
import sys
from pathlib import Path
from clipcrop_daemon.instance import claim
from clipcrop_daemon.instance import Instance
from clipcrop_daemon.settings import Settings

instance = claim(Settings(connection_file=Path(sys.argv[1])))
print("claimed", flush=True)
sys.stdin.read()
"""


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


@pytest.fixture
def other_process(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the claim until its standard input ends."""
    command = [sys.executable, "-c", CLAIM_AND_WAIT, str(settings.connection_file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        yield process
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()


@pytest.fixture
def bind(short_path: Path) -> Iterator[Callable[[Path], socket.socket]]:
    """Binds and listens at a path, as a daemon does."""
    with contextlib.ExitStack() as stack:

        def bind_at(path: Path) -> socket.socket:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen(16)
            return listener

        yield bind_at


@pytest.fixture
def publish_at(bind: Callable[[Path], socket.socket]) -> Callable[..., list[Path]]:
    """Binds sockets of these names in a claim's folder and publishes them -> their paths."""

    def bind_and_publish(instance: Instance, names: str = "ab") -> list[Path]:
        paths = [instance.socket_folder / name for name in names]
        for path in paths:
            bind(path)
        instance.publish(work=[f"ipc://{paths[0]}"], control=[f"ipc://{paths[1]}"])
        return paths

    return bind_and_publish


@pytest.fixture
def mode_of() -> Callable[[Path], int]:
    """Reads who may do what with a file."""
    return lambda path: stat.S_IMODE(path.lstat().st_mode)
