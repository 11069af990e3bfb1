from __future__ import annotations

import dataclasses
import secrets
import sys

import pytest
from asked_client import Asked, error_to, suggestions

from clipcrop_plugin.config import Config
from clipcrop_wire import connection, sealing
from clipcrop_wire.endpoint import write_connection_file
from clipcrop_wire.errors import (
    BadConnectionFile,
    DaemonNotRunning,
    InternalError,
    MalformedMessage,
    NotAuthentic,
    RequestTimeout,
    Unavailable,
    VersionMismatch,
)
from clipcrop_wire.messages import SuggestReply


@pytest.fixture
def info(daemon, short_path):
    """Writes the daemon's connection file again, with other endpoints."""

    def write(*names):
        endpoints = tuple(f"ipc://{short_path / name}" for name in names)
        write_connection_file(daemon.path, dataclasses.replace(daemon.info, work=endpoints))

    return write


def test_finding_the_daemon_fails_with_its_reason_when_there_is_no_file(
    link_to, picture, wait, short_path
):
    asked = Asked(link_to(Config(short_path / "connection.json")), picture)

    assert isinstance(wait(asked), DaemonNotRunning)


def test_finding_the_daemon_fails_for_all_that_wait(link_to, picture, wait, short_path):
    client = link_to(Config(short_path / "connection.json"))
    asked = [Asked(client, picture) for _ in range(5)]

    wait(*asked)

    assert {type(one.answer) for one in asked} == {DaemonNotRunning}


def test_finding_the_daemon_tries_the_endpoints_in_turn(info, ask, wait):
    info("nobody", "work")

    assert isinstance(wait(ask()), SuggestReply)


def test_finding_the_daemon_leaves_one_that_says_nothing(
    info, ask, wait, daemon, monkeypatch, short_path
):
    import socket

    monkeypatch.setattr(connection, "HELLO_TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(short_path / "mute"))
        mute.listen(1)
        info("mute", "work")

        assert isinstance(wait(ask()), SuggestReply)


def test_finding_the_daemon_tells_of_one_that_says_nothing(ask, wait, daemon, monkeypatch):
    monkeypatch.setattr(connection, "HELLO_TIMEOUT_S", 0.1)
    daemon.is_mute = True

    assert isinstance(wait(ask()), RequestTimeout)


def test_finding_the_daemon_sends_nothing_to_a_peer_without_the_key(ask, wait, daemon):
    daemon.answer_to_hello = lambda frames: sealing.seal_hello(secrets.token_bytes(32), b"x")

    assert isinstance(wait(ask()), NotAuthentic)
    assert b"the dog" not in daemon.received


def test_finding_the_daemon_knows_another_version_by_the_file(ask, wait, daemon):
    text = daemon.path.read_text(encoding="utf-8")
    protocol_field = '"protocol": [\n  2,'
    assert protocol_field in text
    daemon.path.write_text(text.replace(protocol_field, '"protocol": [9,'), encoding="utf-8")

    assert isinstance(wait(ask()), VersionMismatch)


def test_finding_the_daemon_knows_another_version_by_the_answer(ask, wait, daemon):
    daemon.answer_to_hello = lambda frames: [b"CCW\x07"]

    assert isinstance(wait(ask()), VersionMismatch)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_finding_the_daemon_trusts_no_file_that_others_can_read(ask, wait, daemon):
    daemon.path.chmod(0o644)

    assert isinstance(wait(ask()), BadConnectionFile)


def test_finding_the_daemon_takes_no_damaged_file(ask, wait, daemon):
    daemon.path.write_bytes(b"{")

    assert isinstance(wait(ask()), BadConnectionFile)


def test_what_the_daemon_declines_is_passed_on(ask, wait, daemon):
    daemon.declines_hello = Unavailable("the daemon is stopping")

    assert isinstance(wait(ask()), Unavailable)


def test_a_bug_is_passed_on_with_the_id_of_the_request(ask, wait, daemon):
    daemon.reply_of["suggest"] = error_to(InternalError("internal error"))
    asked = ask()

    assert isinstance(wait(asked), InternalError)
    assert asked.pending.request_id == suggestions(daemon)[0].id


def test_nonsense_is_no_answer(ask, wait, daemon):
    daemon.frames_of["suggest"] = lambda channel, request: channel.seal(b"\xc1")

    assert isinstance(wait(ask()), MalformedMessage)
    daemon.frames_of.clear()
    assert isinstance(wait(ask()), SuggestReply)
