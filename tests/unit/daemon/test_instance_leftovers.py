from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.errors import AlreadyRunning
from clipcrop_daemon.instance import claim
from clipcrop_daemon.settings import Settings


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"protocol": [1, 0], "sess', id="truncated"),
        pytest.param(b"\xff\xfe", id="not text"),
        pytest.param(b"[" * 70_000, id="too large"),
        pytest.param(b'{"protocol": [99, 0]}', id="of another version"),
    ],
)
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o000], ids=["private", "readable", "closed"])
def test_a_connection_file_of_no_use_is_removed(settings: Settings, content: bytes, mode: int):
    settings.connection_file.write_bytes(content)
    settings.connection_file.chmod(mode)

    with claim(settings):
        assert not settings.connection_file.exists()


def test_a_connection_file_that_is_a_link_is_removed_and_not_followed(
    settings: Settings, tmp_path: Path
):
    target = tmp_path / "precious"
    target.write_text("kept")
    settings.connection_file.symlink_to(target)

    with claim(settings) as instance:
        instance.publish(work=["tcp://127.0.0.1:5000"], control=["tcp://127.0.0.1:5001"])

        assert not settings.connection_file.is_symlink()
    assert target.read_text() == "kept"


def test_sockets_and_half_written_files_of_the_dead_are_removed_and_nothing_else(
    settings: Settings, short_path: Path, tmp_path: Path, bind: Callable[[Path], socket.socket]
):
    folder = short_path / "sockets"
    folder.mkdir(0o700)
    bind(folder / "dead").close()
    target = short_path / "target"
    listener = bind(target)
    (folder / "link").symlink_to(target)
    (folder / "file").write_text("kept")
    (folder / "folder").mkdir()
    (short_path / f".connection.json.{16 * 'a'}").write_text("half")
    (short_path / ".connection.json.backup").write_text("kept")
    (short_path / "models").mkdir()

    with claim(settings):
        left = sorted(str(one.relative_to(short_path)) for one in short_path.rglob("*"))

    listener.close()
    assert left == [
        ".connection.json.backup",
        "connection.json.lock",
        "models",
        "sockets",
        "sockets/file",
        "sockets/folder",
        "sockets/link",
        "target",
    ]


def test_a_daemon_that_was_killed_leaves_nothing_in_the_way(
    settings: Settings, other_process: subprocess.Popen[str], bind: Callable[[Path], socket.socket]
):
    stale = settings.connection_file.with_name("sockets") / "stale"
    bind(stale).close()
    settings.connection_file.write_text("{}")
    other_process.kill()
    other_process.wait(120)

    with claim(settings):
        assert not stale.exists()
        assert not settings.connection_file.exists()


def test_two_connection_files_in_one_folder_are_two_daemons(
    settings: Settings, short_path: Path, publish_at: Callable[..., list[Path]]
):
    other = replace(settings, connection_file=short_path / "other.json")

    with claim(settings) as first, claim(other) as second:
        publish_at(first)
        publish_at(second)
        with pytest.raises(AlreadyRunning, match=r"holds .*other\.json\.lock"):
            claim(other)

        first.check_files()
        second.check_files()
