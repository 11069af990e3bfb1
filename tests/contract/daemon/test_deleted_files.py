"""Somebody deletes the daemon's files while it runs: a cleaner of temporary files, or a user."""

from __future__ import annotations

import shutil

import pytest

from clipcrop_wire.client import Client


@pytest.fixture
def daemon(start):
    """One that looks after its files more often than usual."""
    return start(hold_s=0.1)


def test_deleted_sockets_are_bound_anew(daemon, suggest, wait_for):
    before = daemon.info()
    with daemon.client() as client:
        suggest(client)

        for path in (daemon.folder / "sockets").iterdir():
            path.unlink()

        wait_for(lambda: daemon.info().work != before.work)
        assert suggest(client).suggestions
        assert client.ping()
    assert daemon.info().session == before.session
    assert len(list((daemon.folder / "sockets").iterdir())) == 2


def test_one_deleted_socket_is_enough(daemon, suggest, wait_for):
    before = daemon.info()
    work = before.work[0]

    next((daemon.folder / "sockets").glob(work.rpartition("/")[2])).unlink()

    wait_for(lambda: daemon.info().work != before.work)
    with daemon.client() as client:
        assert suggest(client).suggestions
        assert client.ping()


def test_a_deleted_connection_file_is_restored(daemon, suggest, begin, wait_for):
    before = daemon.info()
    with daemon.client() as client:
        waiting = begin(daemon, client, "sleep 0.5", "working")

        daemon.path.unlink()

        wait_for(daemon.path.exists)
        assert daemon.info() == before
        assert waiting.result(20).suggestions  # who is connected does not even notice
        assert suggest(client).suggestions


def test_a_connection_file_that_others_may_read_is_replaced(daemon, wait_for):
    before = daemon.info()

    daemon.path.chmod(0o644)

    wait_for(lambda: daemon.path.stat().st_mode & 0o777 == 0o600)
    assert daemon.info() == before


def test_a_second_daemon_gives_way_after_the_lock_was_deleted(start, suggest, wait_for):
    first = start(hold_s=60)
    lock = first.path.with_name(first.path.name + ".lock")

    lock.unlink()
    second = start(is_awaited=False)

    assert second.process.wait(20) != 0
    assert "AlreadyRunning" in second.text()
    with first.client() as client:
        assert client.status().pid == first.process.pid
        assert suggest(client).suggestions


def test_a_deleted_lock_is_taken_again(daemon, start, wait_for):
    lock = daemon.path.with_name(daemon.path.name + ".lock")

    lock.unlink()

    wait_for(lock.exists)
    wait_for(lambda: "lock.restored" in daemon.text())
    second = start(is_awaited=False)
    assert second.process.wait(20) != 0
    with daemon.client() as client:
        assert client.status().pid == daemon.process.pid


def test_a_deleted_folder_is_put_back_with_all_that_was_in_it(start, short_path, suggest, wait_for):
    path = short_path / "clipcrop" / "connection.json"
    daemon = start(is_awaited=False, hold_s=0.1, settings={"connection_file": str(path)})
    daemon.path = path
    daemon.wait_until_ready()
    before = daemon.info()
    with Client(path) as client:
        suggest(client)

        shutil.rmtree(path.parent)

        wait_for(path.exists)
        wait_for(lambda: daemon.info().work != before.work)
        assert suggest(client).suggestions
        names = {one.name for one in path.parent.iterdir()}
        assert names == {"connection.json", "connection.json.lock", "sockets"}
