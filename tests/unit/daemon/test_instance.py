from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from clipcrop_daemon.instance import claim
from clipcrop_daemon.settings import Settings
from clipcrop_wire.endpoint import read_connection_file


def test_every_start_has_a_key_and_a_session_of_its_own(settings: Settings):
    with claim(settings) as first:
        pass
    with claim(settings) as second:
        pass

    assert (len(first.key), len(first.session)) == (32, 32)
    assert first.key != second.key
    assert first.session != second.session


def test_folders_and_lock_are_for_the_user_only(
    settings: Settings, short_path: Path, mode_of: Callable[[Path], int]
):
    settings = replace(settings, connection_file=short_path / "new" / "clipcrop" / "c.json")

    with claim(settings) as instance:
        pass

    assert mode_of(settings.connection_file.parent) == 0o700
    assert mode_of(instance.socket_folder) == 0o700
    assert mode_of(settings.connection_file.with_name("c.json.lock")) == 0o600


def test_what_is_published_can_be_read_by_a_client(
    settings: Settings, publish_at: Callable[..., list[Path]]
):
    with claim(settings) as instance:
        publish_at(instance)

        info = read_connection_file(settings.connection_file)

    assert (info.key, info.session, info.pid) == (instance.key, instance.session, os.getpid())
    assert info.work == (f"ipc://{instance.socket_folder / 'a'}",)


def test_at_the_end_only_the_lock_file_and_the_empty_folder_are_left(
    settings: Settings, short_path: Path, publish_at: Callable[..., list[Path]]
):
    with claim(settings) as instance:
        publish_at(instance)

    left = sorted(str(one.relative_to(short_path)) for one in short_path.rglob("*"))
    assert left == ["connection.json.lock", "sockets"]


def test_at_the_end_another_daemons_connection_file_is_left_alone(
    settings: Settings, short_path: Path, publish_at: Callable[..., list[Path]]
):
    elsewhere = replace(settings, connection_file=short_path / "other" / "connection.json")
    with claim(elsewhere) as other, claim(settings) as instance:
        publish_at(instance)
        publish_at(other)
        elsewhere.connection_file.replace(settings.connection_file)
        instance.close()

        assert read_connection_file(settings.connection_file).session == other.session
