from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from clipcrop_plugin import config
from clipcrop_plugin.config import Config, config_path, read_config
from clipcrop_wire.endpoint import default_path

COMMAND = [sys.executable, "-m", "clipcrop_daemon", "run"]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in ("CLIPCROP_PLUGIN_CONFIG", "CLIPCROP_CONNECTION_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def write(tmp_path):
    """Writes a configuration, whatever it holds."""

    def write_one(content):
        path = tmp_path / "plugin.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    return write_one


def test_the_file_lies_beside_the_connection_file():
    assert config_path() == default_path().parent / "plugin.json"


def test_in_flatpaks_sandbox_it_is_another_file(tmp_path, monkeypatch):
    (tmp_path / "info").touch()
    monkeypatch.setattr(config, "FLATPAK_INFO", tmp_path / "info")

    assert config_path() == default_path().parent / "plugin.flatpak.json"


def test_the_environment_names_another_file(monkeypatch, write):
    path = write({"start_command": COMMAND})
    monkeypatch.setenv("CLIPCROP_PLUGIN_CONFIG", str(path))

    assert config_path() == path
    assert read_config().start_command == tuple(COMMAND)


def test_without_a_file_the_daemon_is_where_it_always_is(tmp_path):
    assert read_config(tmp_path / "missing") == Config(default_path(), ())


def test_the_installers_file_is_read(write, tmp_path):
    path = write({"connection_file": str(tmp_path / "c.json"), "start_command": COMMAND, "x": 1})

    assert read_config(path) == Config(tmp_path / "c.json", tuple(COMMAND))


def test_the_environment_has_the_last_word_on_the_connection_file(write, tmp_path, monkeypatch):
    path = write({"connection_file": str(tmp_path / "c.json")})
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", str(tmp_path / "other.json"))

    assert read_config(path).connection_file == tmp_path / "other.json"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut short"),
        pytest.param("[" * 9999, id="deep"),
        pytest.param("x" * 100_000, id="huge"),
        pytest.param({"connection_file": 5, "start_command": "rm -rf"}, id="types"),
        pytest.param({"connection_file": "c.json", "start_command": ["python"]}, id="relative"),
        pytest.param({"connection_file": "/a\0b", "start_command": ["/a\0b"]}, id="zeros"),
        pytest.param({"start_command": []}, id="no words"),
        pytest.param({"start_command": ["/bin/true"] * 99}, id="many words"),
        pytest.param({"start_command": ["/bin/true", 5]}, id="a number"),
        pytest.param({"start_command": ["/bin/true", "\ud800"]}, id="half a character"),
    ],
)
def test_what_is_of_no_use_counts_as_absent(write, content):
    assert read_config(write(content)) == Config(default_path(), ())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o666, 0o622, 0o660])
def test_a_file_that_others_can_write_names_no_program(write, mode):
    path = write({"start_command": COMMAND})
    path.chmod(mode)

    assert read_config(path).start_command == ()


def test_what_is_not_a_file_counts_as_absent(tmp_path):
    assert read_config(tmp_path) == Config(default_path(), ())
    assert read_config(Path(os.devnull)) == Config(default_path(), ())
    assert read_config(Path("a\0b")) == Config(default_path(), ())
