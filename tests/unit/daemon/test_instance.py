from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.errors import AlreadyRunning
from clipcrop_daemon.instance import claim, is_claimed
from clipcrop_daemon.settings import Settings
from clipcrop_wire.endpoint import MAX_IPC_PATH_BYTES, MAX_SOCKET_NAME_BYTES, read_connection_file


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


def test_another_process_that_holds_the_lock_is_respected(
    settings: Settings, other_process: subprocess.Popen[str]
):
    assert is_claimed(settings.connection_file)
    with pytest.raises(AlreadyRunning, match=r"another daemon holds .*connection\.json\.lock"):
        claim(settings)


def test_a_killed_process_holds_nothing(settings: Settings, other_process: subprocess.Popen[str]):
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait(120)

    assert not is_claimed(settings.connection_file)
    claim(settings).close()


def test_a_claim_that_was_given_back_can_be_taken(settings: Settings):
    assert not is_claimed(settings.connection_file)
    with claim(settings):
        assert is_claimed(settings.connection_file)
    assert not is_claimed(settings.connection_file)


@pytest.fixture
def deep(settings: Settings, short_path: Path) -> Settings:
    """Settings whose folder is too deep for sockets."""
    return replace(settings, connection_file=short_path / ("d" * 90) / "connection.json")


def test_sockets_are_elsewhere_when_the_path_is_too_long(
    deep: Settings, publish_at: Callable[..., list[Path]], mode_of: Callable[[Path], int]
):
    with claim(deep) as instance:
        assert instance.socket_folder.parent == Path(tempfile.gettempdir())
        assert mode_of(instance.socket_folder) == 0o700
        name = instance.socket_folder / ("n" * MAX_SOCKET_NAME_BYTES)
        assert len(os.fsencode(name)) <= MAX_IPC_PATH_BYTES
        publish_at(instance)

    assert not instance.socket_folder.exists()


@pytest.mark.parametrize("name", ["two\nlines", "\udcff"], ids=["line feed", "not text"])
def test_sockets_are_elsewhere_when_no_endpoint_can_name_the_path(
    settings: Settings, short_path: Path, name: str
):
    with claim(replace(settings, connection_file=short_path / name / "c.json")) as instance:
        assert instance.socket_folder.parent == Path(tempfile.gettempdir())
        instance.publish(
            work=[f"ipc://{instance.socket_folder / 'work'}"], control=["tcp://127.0.0.1:5001"]
        )


def test_a_temporary_folder_that_is_too_long_itself_is_not_used(
    deep: Settings, short_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (short_path / ("t" * 90)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(short_path / ("t" * 90)))

    with claim(deep) as instance:
        assert instance.socket_folder.parent == Path("/tmp")
    assert list((short_path / ("t" * 90)).iterdir()) == []
