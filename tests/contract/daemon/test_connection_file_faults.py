"""What lies where the connection file should be, and is not one that can be trusted.

The client says what is wrong, and connects to nothing; a daemon that starts puts its own there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from clipcrop_wire.client import Client
from clipcrop_wire.errors import BadConnectionFile, DaemonNotRunning

pytestmark = pytest.mark.slow

NOBODY = 65534
IS_ROOT = os.geteuid() == 0


def truncated(path: Path, good: bytes) -> None:
    path.write_bytes(good[: len(good) // 2])
    path.chmod(0o600)


def empty(path: Path, good: bytes) -> None:
    path.touch(0o600)


def garbage(path: Path, good: bytes) -> None:
    path.write_bytes(bytes(range(256)) * 16)
    path.chmod(0o600)


def huge(path: Path, good: bytes) -> None:
    path.write_bytes(good[:-2] + b" " * 100_000 + good[-2:])
    path.chmod(0o600)


def world_readable(path: Path, good: bytes) -> None:
    path.write_bytes(good)
    path.chmod(0o644)


def of_another_user(path: Path, good: bytes) -> None:
    path.write_bytes(good)
    path.chmod(0o600)
    os.chown(path, NOBODY, NOBODY)


def link_to_another_users(path: Path, good: bytes) -> None:
    path.symlink_to("/etc/hostname")


def link_to_a_good_one(path: Path, good: bytes) -> None:
    target = path.with_name("target.json")
    target.write_bytes(good)
    target.chmod(0o600)
    path.symlink_to(target)


def pipe(path: Path, good: bytes) -> None:
    os.mkfifo(path, 0o600)


CASES = [
    pytest.param(truncated, "damaged", id="truncated"),
    pytest.param(empty, "damaged", id="empty"),
    pytest.param(garbage, "damaged", id="garbage"),
    pytest.param(huge, "too large", id="huge"),
    pytest.param(world_readable, "mode 644, others have access", id="world-readable"),
    # Only root can give a file away; others use one that root owns, through a link.
    pytest.param(of_another_user, f"belongs to user {NOBODY}", id="of another user")
    if IS_ROOT
    else pytest.param(
        link_to_another_users, "cannot be read", id="link to root's, we are not root"
    ),
    pytest.param(link_to_a_good_one, "cannot be read", id="link"),
    pytest.param(pipe, "is not a file", id="named pipe"),
]


@pytest.fixture
def good(start) -> bytes:
    """The content of a connection file, of a daemon that is dead by now."""
    dead = start()
    content = dead.path.read_bytes()
    dead.kill()
    dead.path.unlink()
    return content


@pytest.mark.parametrize(("leave", "sentence"), CASES)
def test_the_client_says_what_is_wrong_and_a_new_daemon_puts_its_own_there(
    start, short_path, good, suggest, leave: Callable[[Path, bytes], None], sentence: str
):
    path = short_path / "connection.json"
    leave(path, good)
    with Client(path) as client:
        with pytest.raises(BadConnectionFile, match=sentence):
            suggest(client)

        start()

        assert suggest(client).suggestions
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_uid == os.geteuid()
    assert not path.is_symlink()


def test_what_a_link_names_is_left_alone(start, short_path, good):
    path = short_path / "connection.json"
    link_to_a_good_one(path, good)

    start()

    assert path.with_name("target.json").read_bytes() == good


def test_a_file_of_a_dead_daemon_says_that_it_does_not_run(start, short_path, good, suggest):
    path = short_path / "connection.json"
    path.write_bytes(good)
    path.chmod(0o600)
    with Client(path) as client:
        with pytest.raises(DaemonNotRunning, match="no daemon listens"):
            suggest(client)

        start()

        assert suggest(client).suggestions


def test_a_folder_in_its_place_is_told_by_both_and_left_alone(start, short_path):
    path = short_path / "connection.json"
    path.mkdir()
    with Client(path) as client, pytest.raises(BadConnectionFile, match="is not a file"):
        client.ping()

    daemon = start(is_awaited=False)

    assert daemon.process.wait(120) != 0
    assert f"the connection file {path} cannot be written" in daemon.text()
    assert path.is_dir()
    names = {one.name for one in short_path.iterdir()}
    assert names == {"connection.json", "connection.json.lock", "sockets", "stderr"}
    assert list((short_path / "sockets").iterdir()) == []


def test_asking_a_folder_often_leaks_no_file_descriptor(short_path):
    path = short_path / "connection.json"
    path.mkdir()
    client = Client(path)

    def ask() -> None:
        with pytest.raises(BadConnectionFile):
            client.ping()

    ask()
    before = psutil.Process().num_fds()
    for _ in range(20):
        ask()

    assert psutil.Process().num_fds() == before
