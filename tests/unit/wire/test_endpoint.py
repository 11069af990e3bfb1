from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from clipcrop_wire import endpoint
from clipcrop_wire.endpoint import (
    ConnectionFile,
    default_path,
    read_connection_file,
    remove_connection_file,
    stamp_of,
    write_connection_file,
)
from clipcrop_wire.errors import BadConnectionFile, DaemonNotRunning, VersionMismatch

INFO = ConnectionFile(
    session="0123456789abcdef" * 2,
    key=bytes(range(32)),
    pid=1234,
    started_s=1.5e9,
    work=("ipc:///home/ann/x/work", "tcp://127.0.0.1:40001"),
    control=("ipc:///home/ann/x/control", "tcp://127.0.0.1:40002"),
)


@pytest.fixture
def path(tmp_path):
    """A connection file in a folder of its own."""
    written = tmp_path / "clipcrop" / "connection.json"
    write_connection_file(written, INFO)
    return written


def change(path, **changes):
    values = json.loads(path.read_text(encoding="utf-8"))
    values.update(changes)
    path.write_text(json.dumps(values), encoding="utf-8")


def test_what_was_written_is_read(path):
    assert read_connection_file(path) == INFO


def test_only_the_user_can_read_it(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_new_one_replaces_the_old_and_leaves_nothing_behind(path):
    other = ConnectionFile("f" * 32, bytes(32), 1, 2.0, INFO.work, INFO.control)

    write_connection_file(path, other)

    assert read_connection_file(path) == other
    assert list(path.parent.iterdir()) == [path]


def test_when_writing_fails_the_old_one_stays(path, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(endpoint.os, "fsync", fail)

    with pytest.raises(OSError, match="No space"):
        write_connection_file(path, INFO)

    assert read_connection_file(path) == INFO
    assert list(path.parent.iterdir()) == [path]


def test_no_file_means_no_daemon(tmp_path):
    with pytest.raises(DaemonNotRunning):
        read_connection_file(tmp_path / "connection.json")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666, 0o601])
def test_a_file_that_others_have_access_to_is_refused(path, mode):
    path.chmod(mode)

    with pytest.raises(BadConnectionFile, match="others have access"):
        read_connection_file(path)


def test_a_file_of_another_user_is_refused(path, monkeypatch):
    monkeypatch.setattr(endpoint.os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(BadConnectionFile, match="belongs to user"):
        read_connection_file(path)


def test_a_link_is_refused(path, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(path)

    with pytest.raises(BadConnectionFile):
        read_connection_file(link)


def test_a_folder_or_a_pipe_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(str(pipe), 0o600)

    for path in (tmp_path, pipe):
        before = len(list(Path("/dev/fd").iterdir()))
        with pytest.raises(BadConnectionFile):
            read_connection_file(path)
        assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_file_cut_short_anywhere_is_refused(path):
    whole = path.read_bytes()

    for length in range(len(whole.rstrip())):
        path.write_bytes(whole[:length])
        with pytest.raises(BadConnectionFile):
            read_connection_file(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "zz"},
        {"key": "00" * 31},
        {"key": 5},
        {"session": "short"},
        {"session": None},
        {"pid": "1"},
        {"pid": True},
        {"started_s": None},
        {"work": []},
        {"work": 5},
        {"work": "ipc:///x"},
        {"work": [5]},
        {"work": ["tcp://127.0.0.1:1"] * 9},
        {"work": ["tcp://192.168.0.1:40000"]},
        {"work": ["tcp://localhost:40000"]},
        {"work": ["tcp://127.0.0.1:0"]},
        {"work": ["tcp://127.0.0.1:65536"]},
        {"work": ["tcp://127.0.0.1:1\n"]},
        {"control": ["ipc://relative"]},
        {"control": ["ipc:///" + "x" * 100]},
        {"control": ["ipc:///\ud800"]},
        {"control": ["inproc://x"]},
        {"protocol": "1"},
        {"protocol": [1]},
        {"protocol": [1.0, 0]},
    ],
    ids=str,
)
def test_a_field_that_is_not_what_it_should_be_is_refused(path, changes):
    change(path, **changes)

    with pytest.raises(BadConnectionFile):
        read_connection_file(path)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"{}", b"null", b"\xff", b"[" * 60_000, b" " * (endpoint.MAX_FILE_BYTES + 1)],
    ids=["list", "empty", "null", "not UTF-8", "deep", "large"],
)
def test_what_is_no_connection_file_is_refused(path, content):
    path.write_bytes(content)

    with pytest.raises(BadConnectionFile):
        read_connection_file(path)


def test_another_major_version_is_told_as_such(path):
    change(path, protocol=[1, 0])

    with pytest.raises(VersionMismatch):
        read_connection_file(path)


def test_a_newer_minor_version_and_its_fields_are_taken(path):
    change(path, protocol=[2, 7], mood="good")

    assert read_connection_file(path).protocol == (2, 7)


def test_the_key_is_not_shown(path):
    assert INFO.key.hex() not in repr(INFO)
    assert repr(INFO.key) not in repr(INFO)


def test_only_its_own_file_is_removed(path):
    remove_connection_file(path, "f" * 32)
    assert path.exists()

    remove_connection_file(path, INFO.session)
    assert not path.exists()
    remove_connection_file(path, INFO.session)


def test_the_stamp_stays_while_the_file_does(path):
    assert stamp_of(path) == stamp_of(path) != ()


def test_another_file_in_its_place_has_another_stamp(path):
    before = stamp_of(path)

    write_connection_file(path, INFO)

    assert stamp_of(path) != before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_other_rights_change_the_stamp(path):
    before = stamp_of(path)
    while stamp_of(path) == before:  # the file system's clock may stand for some milliseconds
        path.chmod(0o640)

    assert stamp_of(path)[:4] == before[:4]


def test_no_file_has_no_stamp(tmp_path):
    assert stamp_of(tmp_path / "none.json") == ()


def test_the_environment_names_another_file(monkeypatch):
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", "/elsewhere/c.json")

    assert default_path() == Path("/elsewhere/c.json")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".local/share/clipcrop/connection.json"),
        ("darwin", "Library/Application Support/clipcrop/connection.json"),
        ("win32", "AppData/Local/clipcrop/connection.json"),
    ],
)
def test_the_file_is_under_the_home_whatever_a_sandbox_says(
    monkeypatch, tmp_path, platform, expected
):
    for name in ("CLIPCROP_CONNECTION_FILE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "/sandbox/data")
    monkeypatch.setattr(sys, "platform", platform)

    assert default_path() == tmp_path / expected


def test_windows_says_where_local_data_belongs(monkeypatch, tmp_path):
    monkeypatch.delenv("CLIPCROP_CONNECTION_FILE", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "win32")

    assert default_path() == tmp_path / "clipcrop" / "connection.json"
