from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from fake_machine import fake_machine

from clipcrop_daemon.logs import default_log_file
from clipcrop_installer.disk import Disk
from clipcrop_installer.machine import pip_cache, places, this_machine
from clipcrop_plugin.config import config_path
from clipcrop_wire.endpoint import default_path


def test_the_daemon_and_the_plug_ins_look_in_the_same_places(home: Path):
    here = places(this_machine(Disk()))

    assert here.connection_file == default_path()
    assert here.plugin_settings == config_path()
    assert here.log == default_log_file().parent


@pytest.mark.parametrize(
    ("platform", "variables", "data", "log"),
    [
        pytest.param(
            "linux",
            {"XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "/state"},
            "/home/zoë/.local/share/clipcrop",
            "/state/clipcrop/log",
            id="Linux, where a sandbox changes the first variable",
        ),
        pytest.param(
            "darwin",
            {},
            "/Users/zoë/Library/Application Support/clipcrop",
            "/Users/zoë/Library/Logs/clipcrop",
            id="macOS",
        ),
        pytest.param(
            "win32",
            {"LOCALAPPDATA": r"D:\Local"},
            r"D:\Local\clipcrop",
            r"D:\Local\clipcrop\Logs",
            id="Windows",
        ),
    ],
)
def test_every_system_has_its_places(platform: str, variables: dict[str, str], data: str, log: str):
    machine = fake_machine(platform, variables=variables)

    here = places(machine)

    found = machine.path(here.data), machine.path(here.log)
    assert found == (machine.path(data), machine.path(log))


@pytest.mark.parametrize(
    ("platform", "paths", "variables", "expected"),
    [
        pytest.param("linux", ["~/.cache/pip"], {}, "/home/zoë/.cache/pip", id="Linux"),
        pytest.param("linux", [], {}, None, id="none"),
        pytest.param("linux", [], {"PIP_CACHE_DIR": "/p"}, "/p", id="named"),
        pytest.param(
            "darwin", ["~/Library/Caches/pip"], {}, "/Users/zoë/Library/Caches/pip", id="macOS"
        ),
        pytest.param(
            "win32",
            ["~/AppData/Local/pip"],
            {},
            r"C:\Users\Zoë\AppData\Local\pip",
            id="Windows",
        ),
    ],
)
def test_the_users_own_downloads_are_used_if_there_are_any(
    platform: str, paths: list[str], variables: dict[str, str], expected: str | None
):
    found: PurePath | None = pip_cache(fake_machine(platform, *paths, variables=variables))

    assert (None if found is None else str(found)) == expected
