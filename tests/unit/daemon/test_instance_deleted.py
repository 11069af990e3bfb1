from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.errors import AlreadyRunning
from clipcrop_daemon.instance import claim, is_claimed
from clipcrop_daemon.settings import Settings
from clipcrop_wire.endpoint import read_connection_file


def test_without_its_lock_file_a_living_daemon_is_found_by_its_sockets(
    settings: Settings, publish_at: Callable[..., list[Path]]
):
    with claim(settings) as first:
        paths = publish_at(first)
        settings.connection_file.with_name("connection.json.lock").unlink()

        with pytest.raises(AlreadyRunning, match="whose lock file was deleted listens at"):
            claim(settings)

        assert all(path.exists() for path in paths)
        assert read_connection_file(settings.connection_file).session == first.session


def test_a_deleted_lock_file_is_put_back(settings: Settings):
    with claim(settings) as first:
        settings.connection_file.with_name("connection.json.lock").unlink()

        assert first.hold()

        with pytest.raises(AlreadyRunning, match="another daemon holds"):
            claim(settings)
    claim(settings).close()


def test_a_deleted_connection_file_is_put_back(
    settings: Settings, publish_at: Callable[..., list[Path]]
):
    with claim(settings) as instance:
        publish_at(instance)
        before = read_connection_file(settings.connection_file)
        settings.connection_file.unlink()

        assert instance.hold()

        assert read_connection_file(settings.connection_file) == before


def test_a_connection_file_that_others_can_read_is_made_anew(
    settings: Settings, publish_at: Callable[..., list[Path]], mode_of: Callable[[Path], int]
):
    with claim(settings) as instance:
        publish_at(instance)
        settings.connection_file.chmod(0o644)

        assert instance.hold()

        assert mode_of(settings.connection_file) == 0o600


def test_what_is_in_order_is_not_written_again(
    settings: Settings, publish_at: Callable[..., list[Path]]
):
    with claim(settings) as instance:
        publish_at(instance)
        before = settings.connection_file.stat()

        assert instance.hold()

        assert settings.connection_file.stat() == before


def test_a_deleted_folder_is_made_again(
    settings: Settings, short_path: Path, publish_at: Callable[..., list[Path]]
):
    settings = replace(settings, connection_file=short_path / "clipcrop" / "connection.json")
    with claim(settings) as instance:
        publish_at(instance)
        for path in sorted(settings.connection_file.parent.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        settings.connection_file.parent.rmdir()

        assert instance.hold()

        assert instance.socket_folder.is_dir()
        assert read_connection_file(settings.connection_file).session == instance.session
        assert is_claimed(settings.connection_file)


def test_a_daemon_that_another_has_replaced_is_told_to_end(
    settings: Settings, publish_at: Callable[..., list[Path]]
):
    first = claim(settings)
    for path in publish_at(first):
        path.unlink()
    settings.connection_file.with_name("connection.json.lock").unlink()
    with claim(settings) as second:
        assert first.hold()  # the second one may give way yet
        paths = publish_at(second, names="cd")

        assert not first.hold()
        assert second.hold()

        first.close()
        assert read_connection_file(settings.connection_file).session == second.session
        assert is_claimed(settings.connection_file)
        assert all(path.exists() for path in paths)
