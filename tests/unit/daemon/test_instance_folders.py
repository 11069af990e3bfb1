from __future__ import annotations

import contextlib
import logging
import os
import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.errors import CannotPublish, UnsafeFolder
from clipcrop_daemon.instance import claim, is_claimed
from clipcrop_daemon.settings import Settings
from clipcrop_wire.endpoint import read_connection_file


def test_a_socket_folder_with_a_wider_mode_is_narrowed(
    settings: Settings, short_path: Path, mode_of: Callable[[Path], int]
):
    (short_path / "sockets").mkdir()
    (short_path / "sockets").chmod(0o777)

    with claim(settings) as instance:
        assert mode_of(instance.socket_folder) == 0o700


def test_a_socket_folder_that_is_a_link_is_refused(
    settings: Settings, short_path: Path, tmp_path: Path
):
    (short_path / "sockets").symlink_to(tmp_path)

    with pytest.raises(UnsafeFolder, match=r"sockets is a link.*; remove it"):
        claim(settings)

    assert not is_claimed(settings.connection_file)


@pytest.mark.parametrize("target", ["file", "nowhere"])
def test_what_is_no_folder_at_all_is_refused(settings: Settings, short_path: Path, target: str):
    (short_path / "file").write_text("")
    (short_path / "sockets").symlink_to(short_path / target)

    with pytest.raises(UnsafeFolder, match=r"sockets is .*; remove it"):
        claim(settings)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")


@needs_root
@pytest.mark.parametrize("name", ["clipcrop", "clipcrop/sockets"])
def test_a_folder_of_another_user_is_refused(settings: Settings, short_path: Path, name: str):
    (short_path / "clipcrop" / "sockets").mkdir(parents=True)
    os.chown(short_path / name, 12345, 12345)

    with pytest.raises(UnsafeFolder, match=f"{name} belongs to user 12345, not to you; remove"):
        claim(replace(settings, connection_file=short_path / "clipcrop" / "connection.json"))


def test_a_folder_that_others_can_write_to_is_refused(
    settings: Settings, short_path: Path, mode_of: Callable[[Path], int]
):
    short_path.chmod(0o775)

    with pytest.raises(UnsafeFolder, match=r"others can write to .*, it has mode 775; run chmod"):
        claim(settings)

    assert mode_of(short_path) == 0o775


def test_a_folder_of_our_name_is_closed_to_other_writers(
    settings: Settings,
    short_path: Path,
    caplog: pytest.LogCaptureFixture,
    mode_of: Callable[[Path], int],
):
    folder = short_path / "clipcrop"
    folder.mkdir()
    folder.chmod(0o775)

    with caplog.at_level(logging.INFO):
        claim(replace(settings, connection_file=folder / "connection.json")).close()

    assert mode_of(folder) == 0o755
    assert "folder.tightened" in caplog.text


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


def test_a_full_disk_later_on_ends_nothing_and_is_made_good_when_there_is_room(
    settings: Settings,
    publish_at: Callable[..., list[Path]],
    caplog: pytest.LogCaptureFixture,
):
    with claim(settings) as instance:
        publish_at(instance)
        settings.connection_file.unlink()

        with full_disk():
            assert instance.hold()
        assert "instance.unkept reason=the connection file" in caplog.text
        assert not settings.connection_file.exists()
        assert instance.hold()

        assert read_connection_file(settings.connection_file).session == instance.session


def test_a_vanished_folder_at_publishing_is_told(settings: Settings, short_path: Path):
    settings = replace(settings, connection_file=short_path / "clipcrop" / "connection.json")
    with claim(settings) as instance:
        folder = settings.connection_file.parent
        folder.rename(short_path / "moved")
        folder.write_text("")

        with pytest.raises(CannotPublish, match=r"connection\.json cannot be written: "):
            instance.publish(work=["tcp://127.0.0.1:5000"], control=["tcp://127.0.0.1:5001"])
        assert instance.hold()
