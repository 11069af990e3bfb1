from __future__ import annotations

import contextlib
import grp
import os
import pwd
import resource
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.errors import AlreadyRunning, CannotPublish, UnsafeFolder
from clipcrop_daemon.instance import claim, is_claimed
from clipcrop_daemon.settings import Settings


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o755])
def test_a_socket_folder_that_was_open_to_others_is_refused_with_what_is_in_it(
    settings: Settings, short_path: Path, mode_of: Callable[[Path], int], mode: int
):
    folder = short_path / "sockets"
    folder.mkdir()
    (folder / "json.py").write_text("")
    folder.chmod(mode)

    with pytest.raises(UnsafeFolder, match="sockets"):
        claim(settings)

    assert mode_of(folder) == mode
    assert not is_claimed(settings.connection_file)


def test_an_empty_socket_folder_that_was_open_to_others_is_made_anew(
    settings: Settings, short_path: Path, mode_of: Callable[[Path], int]
):
    folder = short_path / "sockets"
    folder.mkdir()
    folder.chmod(0o777)
    before = os.open(folder, os.O_RDONLY)  # keeps its number from being used again

    with claim(settings) as instance:
        assert not os.path.samestat(os.fstat(before), instance.socket_folder.stat())
        assert mode_of(instance.socket_folder) == 0o700
    os.close(before)


def test_a_socket_folder_that_is_a_link_is_refused(
    settings: Settings, short_path: Path, tmp_path: Path
):
    (short_path / "sockets").symlink_to(tmp_path)

    with pytest.raises(UnsafeFolder, match="sockets"):
        claim(settings)

    assert not is_claimed(settings.connection_file)


@pytest.mark.parametrize("target", ["file", "nowhere"])
def test_what_is_no_folder_at_all_is_refused(settings: Settings, short_path: Path, target: str):
    (short_path / "file").write_text("")
    (short_path / "sockets").symlink_to(short_path / target)

    with pytest.raises(UnsafeFolder, match="sockets"):
        claim(settings)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


@needs_root
@pytest.mark.parametrize("name", ["clipcrop", "clipcrop/sockets"])
def test_a_folder_of_another_user_is_refused(settings: Settings, short_path: Path, name: str):
    (short_path / "clipcrop" / "sockets").mkdir(parents=True)
    os.chown(short_path / name, 12345, 12345)

    with pytest.raises(UnsafeFolder, match=f"{name} belongs to user 12345, not to you; remove"):
        claim(replace(settings, connection_file=short_path / "clipcrop" / "connection.json"))


@pytest.mark.parametrize("mode", [0o772, 0o777])
@pytest.mark.parametrize("name", ["", "clipcrop"], ids=["of the user", "of our name"])
def test_a_folder_that_others_can_write_to_is_refused_as_it_is(
    settings: Settings, short_path: Path, mode_of: Callable[[Path], int], name: str, mode: int
):
    folder = short_path / name
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)

    with pytest.raises(UnsafeFolder, match=f"{mode:o}"):
        claim(replace(settings, connection_file=folder / "connection.json"))

    assert mode_of(folder) == mode


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_group_may_write_if_only_the_user_is_in_it(
    settings: Settings, short_path: Path, monkeypatch: pytest.MonkeyPatch, is_shared: bool
):
    user = pwd.getpwuid(os.geteuid())
    members = [user.pw_name, *(["another"] if is_shared else [])]
    group = grp.struct_group((user.pw_name, "x", user.pw_gid, members))
    monkeypatch.setattr(grp, "getgrgid", lambda number: group)
    os.chown(short_path, -1, user.pw_gid)
    short_path.chmod(0o775)

    with pytest.raises(UnsafeFolder) if is_shared else contextlib.nullcontext():
        claim(settings).close()


def test_a_folder_may_be_a_link_to_a_larger_disk(settings: Settings, short_path: Path):
    (short_path / "disk").mkdir()
    (short_path / "clipcrop").symlink_to(short_path / "disk")

    with claim(
        replace(settings, connection_file=short_path / "clipcrop" / "connection.json")
    ) as instance:
        instance.publish(work=["tcp://127.0.0.1:5000"], control=["tcp://127.0.0.1:5001"])

    assert (short_path / "disk" / "sockets").is_dir()


def test_a_file_in_place_of_the_folder_is_told(settings: Settings, short_path: Path):
    (short_path / "file").write_text("")

    with pytest.raises(CannotPublish, match=r"the folder .*/file cannot be made: .*; make room"):
        claim(replace(settings, connection_file=short_path / "file" / "connection.json"))


def test_a_folder_in_place_of_the_lock_is_told(settings: Settings):
    settings.connection_file.with_name("connection.json.lock").mkdir()

    with pytest.raises(CannotPublish, match=r"connection\.json\.lock cannot be locked: .*; make"):
        claim(settings)


def test_a_folder_in_place_of_the_connection_file_is_told_and_kept(settings: Settings):
    settings.connection_file.mkdir()

    with (
        claim(settings) as instance,
        pytest.raises(CannotPublish, match=r"connection\.json cannot be written: .*; make"),
    ):
        instance.publish(work=["tcp://127.0.0.1:5000"], control=["tcp://127.0.0.1:5001"])

    assert settings.connection_file.is_dir()


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Nothing can be written to files, as on a full disk: the error differs, what it hits not."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_at_publishing_is_told_and_leaves_nothing_half_written(
    settings: Settings, short_path: Path, publish_at: Callable[..., list[Path]]
):
    with claim(settings) as instance:
        before = sorted(short_path.iterdir())

        with full_disk(), pytest.raises(CannotPublish, match=r"written: .*; make room"):
            instance.publish(work=["tcp://127.0.0.1:5000"], control=["tcp://127.0.0.1:5001"])

        assert sorted(short_path.iterdir()) == before


def test_a_vanished_folder_at_publishing_is_told(settings: Settings, short_path: Path):
    settings = replace(settings, connection_file=short_path / "clipcrop" / "connection.json")
    with claim(settings) as instance:
        folder = settings.connection_file.parent
        folder.rename(short_path / "moved")
        folder.write_text("")

        with pytest.raises(CannotPublish, match=r"connection\.json cannot be written: "):
            instance.publish(work=["tcp://127.0.0.1:5000"], control=["tcp://127.0.0.1:5001"])


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
