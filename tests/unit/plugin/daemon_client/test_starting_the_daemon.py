from __future__ import annotations

import dataclasses
import secrets
import sys

from asked_client import SLEEPER, Asked

from clipcrop_plugin import connector
from clipcrop_plugin.config import Config
from clipcrop_plugin.errors import NotStarted
from clipcrop_plugin.messages import LAUNCHING
from clipcrop_wire import sealing
from clipcrop_wire.endpoint import write_connection_file
from clipcrop_wire.errors import (
    NotAuthentic,
    RequestTimeout,
)
from clipcrop_wire.messages import SuggestReply


def test_starting_the_daemon_when_it_is_needed(
    link_to, short_path, picture, wait, program_that_serves
):
    client = link_to(Config(short_path / "connection.json", program_that_serves))
    first, second = Asked(client, picture), Asked(client, picture, "the cat")

    wait(first, second, seconds=20)

    assert isinstance(first.answer, SuggestReply)
    assert isinstance(second.answer, SuggestReply)
    assert first.stages == second.stages == [LAUNCHING]


def test_starting_the_daemon_after_one_that_left_its_file_behind(
    daemon, link_to, short_path, picture, wait, program_that_serves
):
    daemon.stop()
    for name in ("work", "control"):
        (short_path / name).unlink()
    client = link_to(Config(daemon.path, program_that_serves))

    assert isinstance(wait(Asked(client, picture), seconds=20), SuggestReply)


def test_starting_the_daemon_over_a_damaged_file(
    link_to, short_path, picture, wait, program_that_serves
):
    path = short_path / "connection.json"
    path.write_bytes(b"")
    path.chmod(0o600)
    client = link_to(Config(path, program_that_serves))

    assert isinstance(wait(Asked(client, picture), seconds=20), SuggestReply)


def test_starting_the_daemon_with_a_program_that_is_not_there(link_to, short_path, picture, wait):
    client = link_to(Config(short_path / "connection.json", ("/no/such/program",)))

    assert isinstance(wait(Asked(client, picture)), NotStarted)
    assert isinstance(wait(Asked(client, picture)), NotStarted)


def test_starting_the_daemon_with_a_program_that_fails(link_to, short_path, picture, wait):
    fails = (sys.executable, "-c", "raise SystemExit(1)")
    client = link_to(Config(short_path / "connection.json", fails))

    assert isinstance(wait(Asked(client, picture)), NotStarted)


def test_starting_the_daemon_with_a_program_that_never_listens(
    link_to, short_path, picture, wait, monkeypatch
):
    monkeypatch.setattr(connector, "LAUNCH_TIMEOUT_S", 0.3)
    client = link_to(Config(short_path / "connection.json", SLEEPER))
    asked = Asked(client, picture)

    assert isinstance(wait(asked), NotStarted)
    assert asked.stages == [LAUNCHING]


def test_starting_the_daemon_within_the_time_of_the_question(link_to, short_path, picture, wait):
    client = link_to(Config(short_path / "connection.json", SLEEPER))

    assert isinstance(wait(Asked(client, picture, timeout_s=0.3)), RequestTimeout)


def test_starting_the_daemon_anew_after_its_sockets_were_deleted(
    daemon, link_to, short_path, picture, wait, run_until
):
    gone = dataclasses.replace(daemon.info, work=(f"ipc://{short_path}/gone",))
    write_connection_file(daemon.path, gone)
    client = link_to(Config(daemon.path, SLEEPER))
    asked = Asked(client, picture)
    run_until(lambda: asked.stages == [LAUNCHING])

    write_connection_file(daemon.path, daemon.info)

    assert isinstance(wait(asked), SuggestReply)


def test_starting_the_daemon_and_finding_a_squatter_there(
    daemon, link_to, short_path, picture, wait, run_until
):
    info = daemon.path.read_bytes()
    daemon.path.unlink()
    daemon.answer_to_hello = lambda frames: sealing.seal_hello(secrets.token_bytes(32), b"x")
    client = link_to(Config(daemon.path, SLEEPER))
    asked = Asked(client, picture)
    run_until(lambda: asked.stages == [LAUNCHING])

    daemon.path.write_bytes(info)
    daemon.path.chmod(0o600)

    assert isinstance(wait(asked), NotAuthentic)
