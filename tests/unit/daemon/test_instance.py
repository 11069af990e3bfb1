from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from clipcrop_daemon.errors import AlreadyRunning, CannotPublish, UnsafeFolder
from clipcrop_daemon.folders import MAX_SOCKET_NAME_BYTES
from clipcrop_daemon.instance import Instance, claim, is_claimed
from clipcrop_daemon.settings import Settings
from clipcrop_wire.endpoint import MAX_IPC_PATH_BYTES, read_connection_file

CLAIM_AND_WAIT = """
import sys
from pathlib import Path
from clipcrop_daemon.instance import claim
from clipcrop_daemon.settings import Settings

instance = claim(Settings(connection_file=Path(sys.argv[1])))
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_process(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the claim until its standard input ends."""
    command = [sys.executable, "-c", CLAIM_AND_WAIT, str(settings.connection_file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        yield process
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()


@pytest.fixture
def bind(short_path: Path) -> Iterator[Callable[[Path], socket.socket]]:
    """Binds and listens at a path, as a daemon does."""
    with contextlib.ExitStack() as stack:

        def bind_at(path: Path) -> socket.socket:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen(16)
            return listener

        yield bind_at


def endpoint(path: Path) -> str:
    return f"ipc://{path}"


def publish_at(
    instance: Instance, bind: Callable[[Path], socket.socket], names: str = "ab"
) -> list[Path]:
    paths = [instance.socket_folder / name for name in names]
    for path in paths:
        bind(path)
    instance.publish(work=[endpoint(paths[0])], control=[endpoint(paths[1])])
    return paths


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# What a claim gives


def test_every_start_has_a_key_and_a_session_of_its_own(settings: Settings):
    with claim(settings) as first:
        pass
    with claim(settings) as second:
        pass

    assert (len(first.key), len(first.session)) == (32, 32)
    assert first.key != second.key
    assert first.session != second.session


def test_folders_and_lock_are_for_the_user_only(settings: Settings, short_path: Path):
    settings = replace(settings, connection_file=short_path / "new" / "clipcrop" / "c.json")

    with claim(settings) as instance:
        pass

    assert mode_of(settings.connection_file.parent) == 0o700
    assert mode_of(instance.socket_folder) == 0o700
    assert mode_of(settings.connection_file.with_name("c.json.lock")) == 0o600


def test_what_is_published_can_be_read_by_a_client(
    settings: Settings, bind: Callable[[Path], socket.socket]
):
    with claim(settings) as instance:
        publish_at(instance, bind)

        info = read_connection_file(settings.connection_file)

    assert (info.key, info.session, info.pid) == (instance.key, instance.session, os.getpid())
    assert info.work == (endpoint(instance.socket_folder / "a"),)


def test_a_rebind_is_published_anew(settings: Settings, bind: Callable[[Path], socket.socket]):
    with claim(settings) as instance:
        publish_at(instance, bind)
        there = "tcp://127.0.0.1:5000"
        instance.publish(work=[there], control=[there])

        assert read_connection_file(settings.connection_file).work == (there,)


def test_at_the_end_only_the_lock_file_and_the_empty_folder_are_left(
    settings: Settings, short_path: Path, bind: Callable[[Path], socket.socket]
):
    with claim(settings) as instance:
        publish_at(instance, bind)

    left = sorted(str(one.relative_to(short_path)) for one in short_path.rglob("*"))
    assert left == ["connection.json.lock", "sockets"]


def test_at_the_end_another_daemons_connection_file_is_left_alone(
    settings: Settings, short_path: Path, bind: Callable[[Path], socket.socket]
):
    elsewhere = replace(settings, connection_file=short_path / "other" / "connection.json")
    with claim(elsewhere) as other, claim(settings) as instance:
        publish_at(instance, bind)
        publish_at(other, bind)
        elsewhere.connection_file.replace(settings.connection_file)
        instance.close()

        assert read_connection_file(settings.connection_file).session == other.session


# Only one


def test_another_process_that_holds_the_lock_is_respected(
    settings: Settings, other_process: subprocess.Popen[str]
):
    assert is_claimed(settings.connection_file)
    with pytest.raises(AlreadyRunning, match=r"another daemon holds .*connection\.json\.lock"):
        claim(settings)


def test_a_killed_process_holds_nothing(settings: Settings, other_process: subprocess.Popen[str]):
    os.kill(other_process.pid, signal.SIGKILL)
    other_process.wait(10)

    assert not is_claimed(settings.connection_file)
    claim(settings).close()


def test_a_claim_that_was_given_back_can_be_taken(settings: Settings):
    assert not is_claimed(settings.connection_file)
    with claim(settings):
        assert is_claimed(settings.connection_file)
    assert not is_claimed(settings.connection_file)


def test_of_fifty_threads_that_claim_at_once_exactly_one_holds(settings: Settings):
    start = threading.Barrier(50)

    def attempt(_: int) -> Instance | None:
        start.wait(30)
        try:
            return claim(settings)
        except AlreadyRunning:
            return None

    with ThreadPoolExecutor(50) as pool:
        won = [one for one in pool.map(attempt, range(50)) if one is not None]

    assert len(won) == 1
    won[0].close()


FIFTY_CLAIMS = """
import os, sys
from pathlib import Path
from clipcrop_daemon.errors import AlreadyRunning
from clipcrop_daemon.instance import claim
from clipcrop_daemon.settings import Settings

settings = Settings(connection_file=Path(sys.argv[1]))
start, told, end = os.pipe(), os.pipe(), os.pipe()
for _ in range(50):  # forked: fifty interpreters would take half a minute to start
    if os.fork() == 0:
        os.close(end[1])
        os.read(start[0], 1)
        try:
            instance = claim(settings)
        except AlreadyRunning:
            os.write(told[1], b"-")
        else:
            os.write(told[1], b"+")
            os.read(end[0], 1)
        os._exit(0)
os.write(start[1], bytes(50))
answers = b""
while len(answers) < 50:
    answers += os.read(told[0], 50)
os.close(end[1])
statuses = [os.wait()[1] for _ in range(50)]
print(answers.count(b"+"), answers.count(b"-"), set(statuses))
"""


def test_of_fifty_processes_that_claim_at_once_exactly_one_holds(settings: Settings):
    command = [sys.executable, "-c", FIFTY_CLAIMS, str(settings.connection_file)]

    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (result.stdout, result.stderr) == ("1 49 {0}\n", "")


# Someone deletes files of a daemon that runs


def test_without_its_lock_file_a_living_daemon_is_found_by_its_sockets(
    settings: Settings, bind: Callable[[Path], socket.socket]
):
    with claim(settings) as first:
        paths = publish_at(first, bind)
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
    settings: Settings, bind: Callable[[Path], socket.socket]
):
    with claim(settings) as instance:
        publish_at(instance, bind)
        before = read_connection_file(settings.connection_file)
        settings.connection_file.unlink()

        assert instance.hold()

        assert read_connection_file(settings.connection_file) == before


def test_a_connection_file_that_others_can_read_is_made_anew(
    settings: Settings, bind: Callable[[Path], socket.socket]
):
    with claim(settings) as instance:
        publish_at(instance, bind)
        settings.connection_file.chmod(0o644)

        assert instance.hold()

        assert mode_of(settings.connection_file) == 0o600


def test_what_is_in_order_is_not_written_again(
    settings: Settings, bind: Callable[[Path], socket.socket]
):
    with claim(settings) as instance:
        publish_at(instance, bind)
        before = settings.connection_file.stat()

        assert instance.hold()

        assert settings.connection_file.stat() == before


def test_a_deleted_folder_is_made_again(
    settings: Settings, short_path: Path, bind: Callable[[Path], socket.socket]
):
    settings = replace(settings, connection_file=short_path / "clipcrop" / "connection.json")
    with claim(settings) as instance:
        publish_at(instance, bind)
        for path in sorted(settings.connection_file.parent.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        settings.connection_file.parent.rmdir()

        assert instance.hold()

        assert instance.socket_folder.is_dir()
        assert read_connection_file(settings.connection_file).session == instance.session
        assert is_claimed(settings.connection_file)


def test_a_daemon_that_another_has_replaced_is_told_to_end(
    settings: Settings, bind: Callable[[Path], socket.socket]
):
    first = claim(settings)
    for path in publish_at(first, bind):
        path.unlink()
    settings.connection_file.with_name("connection.json.lock").unlink()
    with claim(settings) as second:
        assert first.hold()  # the second one may give way yet
        paths = publish_at(second, bind, names="cd")

        assert not first.hold()
        assert second.hold()

        first.close()
        assert read_connection_file(settings.connection_file).session == second.session
        assert is_claimed(settings.connection_file)
        assert all(path.exists() for path in paths)


# What the dead left


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
    other_process.wait(10)

    with claim(settings):
        assert not stale.exists()
        assert not settings.connection_file.exists()


def test_two_connection_files_in_one_folder_are_two_daemons(
    settings: Settings, short_path: Path, bind: Callable[[Path], socket.socket]
):
    other = replace(settings, connection_file=short_path / "other.json")

    with claim(settings) as first, claim(other) as second:
        publish_at(first, bind)
        publish_at(second, bind)
        with pytest.raises(AlreadyRunning, match=r"holds .*other\.json\.lock"):
            claim(other)

        assert first.hold()
        assert second.hold()


# Folders


def test_a_socket_folder_with_a_wider_mode_is_narrowed(settings: Settings, short_path: Path):
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


def test_a_folder_that_others_can_write_to_is_refused(settings: Settings, short_path: Path):
    short_path.chmod(0o775)

    with pytest.raises(UnsafeFolder, match=r"others can write to .*, it has mode 775; run chmod"):
        claim(settings)

    assert mode_of(short_path) == 0o775


def test_a_folder_of_our_name_is_closed_to_other_writers(
    settings: Settings, short_path: Path, caplog: pytest.LogCaptureFixture
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
    settings: Settings, short_path: Path, bind: Callable[[Path], socket.socket]
):
    with claim(settings) as instance:
        before = sorted(short_path.iterdir())

        with full_disk(), pytest.raises(CannotPublish, match=r"written: .*; make room"):
            instance.publish(work=["tcp://127.0.0.1:5000"], control=["tcp://127.0.0.1:5001"])

        assert sorted(short_path.iterdir()) == before


def test_a_full_disk_later_on_ends_nothing_and_is_made_good_when_there_is_room(
    settings: Settings,
    bind: Callable[[Path], socket.socket],
    caplog: pytest.LogCaptureFixture,
):
    with claim(settings) as instance:
        publish_at(instance, bind)
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


# Paths that are too long for a socket


@pytest.fixture
def deep(settings: Settings, short_path: Path) -> Settings:
    """Settings whose folder is too deep for sockets."""
    return replace(settings, connection_file=short_path / ("d" * 90) / "connection.json")


def test_sockets_are_elsewhere_when_the_path_is_too_long(
    deep: Settings, bind: Callable[[Path], socket.socket]
):
    with claim(deep) as instance:
        assert instance.socket_folder.parent == Path(tempfile.gettempdir())
        assert mode_of(instance.socket_folder) == 0o700
        name = instance.socket_folder / ("n" * MAX_SOCKET_NAME_BYTES)
        assert len(os.fsencode(name)) <= MAX_IPC_PATH_BYTES
        publish_at(instance, bind)

    assert not instance.socket_folder.exists()


@pytest.mark.parametrize("name", ["two\nlines", "\udcff"], ids=["line feed", "not text"])
def test_sockets_are_elsewhere_when_no_endpoint_can_name_the_path(
    settings: Settings, short_path: Path, name: str
):
    with claim(replace(settings, connection_file=short_path / name / "c.json")) as instance:
        assert instance.socket_folder.parent == Path(tempfile.gettempdir())
        instance.publish(
            work=[endpoint(instance.socket_folder / "work")], control=["tcp://127.0.0.1:5001"]
        )


def test_a_temporary_folder_that_is_too_long_itself_is_not_used(
    deep: Settings, short_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (short_path / ("t" * 90)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(short_path / ("t" * 90)))

    with claim(deep) as instance:
        assert instance.socket_folder.parent == Path("/tmp")
    assert list((short_path / ("t" * 90)).iterdir()) == []


def test_the_private_folder_of_the_dead_is_removed(
    deep: Settings, bind: Callable[[Path], socket.socket]
):
    first = claim(deep)
    folder = first.socket_folder
    listeners = [bind(folder / name) for name in ("work", "control")]
    first.publish(work=[endpoint(folder / "work")], control=[endpoint(folder / "control")])
    deep.connection_file.with_name("connection.json.lock").unlink()  # no process needs to die

    with pytest.raises(AlreadyRunning, match="whose lock file was deleted listens at"):
        claim(deep)
    for one in listeners:
        one.close()
    with claim(deep) as second:
        assert second.socket_folder != folder
        assert not folder.exists()
    first.close()


def test_a_folder_that_is_not_the_users_any_more_is_not_looked_into(
    deep: Settings, bind: Callable[[Path], socket.socket]
):
    with claim(deep) as instance:
        folder = instance.socket_folder
        publish_at(instance, bind, names="ab")
        content = deep.connection_file.read_bytes()
    folder.mkdir()
    folder.chmod(0o755)
    bind(folder / "a")
    deep.connection_file.write_bytes(content)
    deep.connection_file.chmod(0o600)

    with claim(deep):
        assert (folder / "a").exists()
    (folder / "a").unlink()
    folder.rmdir()
