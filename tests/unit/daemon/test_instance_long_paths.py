from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.instance import claim
from clipcrop_daemon.settings import Settings
from clipcrop_wire.endpoint import MAX_IPC_PATH_BYTES, MAX_SOCKET_NAME_BYTES


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
