from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipcrop_daemon import systemd

NAMES = [
    "plain",
    pytest.param(
        "abstract",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names"),
    ),
]


@pytest.fixture(params=NAMES)
def listener(
    request: pytest.FixtureRequest, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """Takes the place of systemd."""
    name = str(short_path / "notify")
    if request.param == "abstract":
        name = f"@clipcrop-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(name.replace("@", "\0"))
        bound.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield bound


def test_systemd_is_told_of_the_start_and_of_the_end(listener: socket.socket):
    systemd.notify_ready()
    systemd.notify_stopping("end of the login")

    assert listener.recv(1000) == b"READY=1\nSTATUS=waiting for requests"
    assert listener.recv(1000) == b"STOPPING=1\nSTATUS=end of the login"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("/nowhere/notify", id="nobody there"),
        pytest.param("/" + 200 * "x", id="too long"),
        pytest.param("vsock:2:1234", id="of another kind"),
        pytest.param("", id="empty"),
    ],
)
def test_a_systemd_that_cannot_be_reached_is_no_trouble(
    value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("NOTIFY_SOCKET", value)

    with caplog.at_level(logging.DEBUG):
        systemd.notify_ready()

    assert [one.levelname for one in caplog.records] == ["DEBUG"] * value.startswith("/")


def test_a_systemd_that_does_not_read_does_not_hold_us_up(
    listener: socket.socket, caplog: pytest.LogCaptureFixture
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                filler.sendto(b"x", listener.getsockname())

    with caplog.at_level(logging.DEBUG):
        systemd.notify_ready()

    assert "systemd.unreachable" in caplog.text
