from __future__ import annotations

import socket
import sys
import time

import pytest

from clipcrop_wire import protocol
from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import ConnectionFile, write_connection_file
from clipcrop_wire.errors import (
    BadConnectionFile,
    DaemonNotRunning,
    InvalidRequest,
    RequestTimeout,
    VersionMismatch,
)
from clipcrop_wire.messages import PingReply, Progress


def test_without_a_connection_file_the_daemon_is_not_running(tmp_path):
    with Client(tmp_path / "none.json") as client, pytest.raises(DaemonNotRunning):
        client.ping()


def test_a_stale_connection_file_says_that_no_daemon_listens(daemon):
    daemon.hang_up()

    with Client(daemon.path) as client, pytest.raises(DaemonNotRunning):
        client.ping()


def test_a_client_finds_the_daemon_that_was_started_anew(client, daemon, short_path, tiny_image):
    client.suggest(*tiny_image, "x")
    daemon.hang_up()
    for name in ("work", "control"):
        (short_path / name).unlink()
    second = type(daemon)(short_path)

    try:
        reply = client.suggest(*tiny_image, "x")
    finally:
        second.stop()

    assert reply.model == "lite"
    assert [len(one.pixels) for one in second.requests if one.kind == "suggest"] == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_connection_file_is_not_trusted_any_more_once_others_may_read_it(client, daemon):
    client.ping()
    daemon.path.chmod(0o644)

    with pytest.raises(BadConnectionFile, match="others have access"):
        client.ping()


def test_a_connection_file_that_has_gone_means_no_daemon_though_one_is_connected(client, daemon):
    client.ping()
    daemon.path.unlink()

    with pytest.raises(DaemonNotRunning, match="there is no"):
        client.ping()


def test_a_daemon_that_dies_while_it_works_is_an_error_at_once(client, daemon, tiny_image):
    def die(request):
        daemon.hang_up()
        return []

    daemon.reply_of["suggest"] = die
    started = time.monotonic()

    with pytest.raises(DaemonNotRunning):
        client.suggest(*tiny_image, "x", timeout_s=120)

    assert time.monotonic() - started < 60


def test_the_second_endpoint_is_tried_when_the_first_is_closed(daemon, tmp_path):
    info = daemon.info
    two = ConnectionFile(
        info.session,
        info.key,
        info.pid,
        info.started_s,
        info.work,
        ("ipc:///nowhere/at/all", *info.control),
    )
    write_connection_file(tmp_path / "two.json", two)

    with Client(tmp_path / "two.json") as client:
        assert client.ping() == PingReply()


def test_an_endpoint_that_says_nothing_leaves_time_for_the_next(daemon, short_path):
    mute = socket.socket(socket.AF_UNIX)
    mute.bind(str(short_path / "mute"))
    mute.listen(1)
    info = daemon.info
    two = ConnectionFile(
        info.session,
        info.key,
        info.pid,
        info.started_s,
        info.work,
        ("ipc://" + str(short_path / "mute"), *info.control),
    )
    write_connection_file(short_path / "two.json", two)

    with mute, Client(short_path / "two.json") as client:
        assert client.ping(timeout_s=0.6) == PingReply()


def test_a_daemon_that_declines_the_hello_says_why(daemon):
    daemon.declines_hello = InvalidRequest("that session is over; read the connection file again")

    with Client(daemon.path) as client, pytest.raises(InvalidRequest, match="session is over"):
        client.ping()


def test_a_daemon_of_another_version_is_told_as_such(daemon):
    daemon.answer_to_hello = lambda frames: [b"CCW\3"]

    with Client(daemon.path) as client, pytest.raises(VersionMismatch):
        client.ping()


def test_a_conversation_is_kept_while_the_daemon_says_something(client, daemon, tiny_image):
    progress = Progress("searching")
    daemon.reply_of["suggest"] = lambda request: [protocol.encode_progress(request.id, progress)]
    with pytest.raises(RequestTimeout):
        client.suggest(*tiny_image, timeout_s=0.3)
    daemon.reply_of.clear()

    client.suggest(*tiny_image)

    assert len(daemon._peers) == 1
