"""A daemon without its files cannot be found any more, so it ends."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.errors import FilesRemoved
from clipcrop_daemon.instance import Instance, claim, is_claimed
from clipcrop_daemon.settings import Settings
from clipcrop_wire.endpoint import read_connection_file


def lock_of(instance: Instance) -> Path:
    return instance.connection_file.with_name("connection.json.lock")


def socket_of(instance: Instance) -> Path:
    return instance.socket_folder / "a"


REMOVED: dict[str, Callable[[Instance], Path]] = {
    "lock": lock_of,
    "socket": socket_of,
    "connection file": lambda instance: instance.connection_file,
    "socket folder": lambda instance: instance.socket_folder,
}


@pytest.mark.parametrize("removed", REMOVED.values(), ids=REMOVED)
def test_a_removed_file_is_noticed(
    settings: Settings,
    publish_at: Callable[..., list[Path]],
    removed: Callable[[Instance], Path],
):
    with claim(settings) as instance:
        publish_at(instance)
        instance.check_files()
        path = removed(instance)
        shutil.rmtree(path) if path.is_dir() else path.unlink()

        with pytest.raises(FilesRemoved, match=path.name):
            instance.check_files()


def test_a_socket_folder_that_was_made_anew_is_not_ours_any_more(
    settings: Settings, short_path: Path, publish_at: Callable[..., list[Path]]
):
    deep = replace(settings, connection_file=short_path / ("d" * 90) / "connection.json")
    with claim(deep) as instance:
        names = [path.name for path in publish_at(instance)]
        instance.socket_folder.rename(short_path / "moved")
        instance.socket_folder.mkdir(mode=0o700)
        for name in names:
            (instance.socket_folder / name).touch()

        with pytest.raises(FilesRemoved, match=instance.socket_folder.name):
            instance.check_files()

        assert sorted(path.name for path in instance.socket_folder.iterdir()) == names


def test_a_connection_file_that_others_can_read_ends_the_daemon(
    settings: Settings, publish_at: Callable[..., list[Path]]
):
    with claim(settings) as instance:
        publish_at(instance)
        settings.connection_file.chmod(0o644)

        with pytest.raises(FilesRemoved, match=r"connection\.json has mode 644"):
            instance.check_files()


def test_a_daemon_whose_lock_was_deleted_leaves_the_next_one_alone(
    settings: Settings, publish_at: Callable[..., list[Path]]
):
    first = claim(settings)
    publish_at(first)
    lock_of(first).unlink()
    with claim(settings) as second:
        paths = publish_at(second, names="cd")

        with pytest.raises(FilesRemoved):
            first.check_files()
        first.close()

        second.check_files()
        assert read_connection_file(settings.connection_file).session == second.session
        assert is_claimed(settings.connection_file)
        assert all(path.exists() for path in paths)
