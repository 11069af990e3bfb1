"""A listener in the daemon's place, without its key, is sent no prompt and no pixel."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hostile_peer import HostilePeer, endpoint_of, greeting, ready
from polling import wait_until

from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import ConnectionFile
from clipcrop_wire.errors import WireError
from clipcrop_wire.messages import Image

pytestmark = pytest.mark.slow

PROMPT = "a prompt that nobody else may see"
PIXELS = b"pixels-of-the-user" * 4096
IMAGE = Image.of(PIXELS, 4096, 6, "rgb8")
DEADLINE_S = 1.0


class Squatter:
    """Listens at endpoints, says what it is told to, and keeps all that it gets."""

    def __init__(self, endpoints: list[str], says: bytes) -> None:
        self.received = b""
        self._says = says
        self._listeners = [listen_at(one) for one in endpoints]
        self._peers: list[socket.socket] = []
        self._threads = [
            threading.Thread(target=self._serve, args=(one,)) for one in self._listeners
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        for one in [*self._listeners, *self._peers]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(120)

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                self._peers.append(peer)
                peer.sendall(greeting() + ready(b"ROUTER") + self._says)
                while data := peer.recv(65536):
                    self.received += data


@pytest.fixture
def squat() -> Iterator[Callable[..., Squatter]]:
    """Listens at endpoints until the test is over."""
    started: list[Squatter] = []

    def squat_at(endpoints: list[str], says: bytes = b"") -> Squatter:
        started.append(Squatter(endpoints, says))
        return started[-1]

    yield squat_at
    for one in started:
        one.close()


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
@pytest.mark.parametrize("speaks", [False, True], ids=["mute", "with a recorded welcome"])
def test_a_squatter_at_a_dead_daemons_endpoint_gets_no_pixel(start, squat, kind, speaks):
    daemon = start(uses_tcp=kind == "tcp")
    info = daemon.info()
    recorded = record_welcome(daemon) if speaks else b""
    daemon.kill()  # its connection file stays, and names what is free now
    vacate(info)

    squatter = squat(list(info.work), recorded)

    assert_nothing_leaks(daemon.path, squatter)


def test_a_squatter_in_place_of_a_living_daemons_socket_gets_no_pixel(daemon, squat):
    info = daemon.info()
    vacate(info)

    squatter = squat(list(info.work))

    assert_nothing_leaks(daemon.path, squatter)


def test_after_the_squatter_a_new_daemon_is_found(start, squat, suggest):
    first = start(uses_tcp=True)
    info = first.info()
    first.kill()
    squat(list(info.work))

    second = start(uses_tcp=True)

    with second.client() as client:
        assert suggest(client).suggestions
    assert not set(second.info().work) & set(info.work)


def test_it_listens_on_this_machine_only(start):
    for uses_tcp in (False, True):
        daemon = start(uses_tcp=uses_tcp)

        connections = psutil.Process(daemon.process.pid).net_connections("inet")
        found = [one for one in connections if one.status == psutil.CONN_LISTEN]

        assert len(found) == (2 if uses_tcp else 0)
        assert all(one.laddr.ip == "127.0.0.1" for one in found)
        daemon.kill()


def test_sockets_key_and_lock_are_for_the_user_alone_whatever_the_umask(start):
    before = os.umask(0)
    try:
        daemon = start()
    finally:
        os.umask(before)

    sockets = daemon.folder / "sockets"
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    for path in (*sockets.iterdir(), daemon.path, daemon.folder / "connection.json.lock"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


@pytest.mark.parametrize("what", ["a link", "a file", "writable by all"])
def test_a_daemon_does_not_start_where_others_could_listen(start, short_path, what):
    if what == "writable by all":
        short_path.chmod(0o777)
    elif what == "a link":
        (short_path / "elsewhere").mkdir()
        (short_path / "sockets").symlink_to(short_path / "elsewhere")
    else:
        (short_path / "sockets").touch()

    daemon = start(is_awaited=False)

    assert daemon.process.wait(120) != 0
    assert "UnsafeFolder" in daemon.text()
    assert not daemon.path.exists()


def test_a_link_in_place_of_the_connection_file_is_replaced_and_not_followed(start, short_path):
    target = short_path / "of another"
    target.write_text("precious")
    (short_path / "connection.json").symlink_to(target)

    daemon = start()

    assert not daemon.path.is_symlink()
    assert target.read_text() == "precious"


def assert_nothing_leaks(path: Path, squatter: Squatter) -> None:
    """A client that is asked for crops meets the squatter and gives up in time."""
    started = time.monotonic()
    with Client(path) as client, pytest.raises(WireError):
        client.suggest(IMAGE, PIXELS, PROMPT, timeout_s=DEADLINE_S)

    assert time.monotonic() - started < DEADLINE_S + 20
    wait_until(lambda: b"hello" in squatter.received)  # it answers before it has read all
    assert PROMPT.encode() not in squatter.received
    assert PIXELS[:18] not in squatter.received
    assert len(squatter.received) < 1000


def record_welcome(daemon) -> bytes:
    """What the daemon answered to another client's hello, as bytes."""
    with HostilePeer(endpoint_of(daemon)) as peer:
        peer.wait(lambda: b"READY" in peer.received)
        handshake = len(peer.received)
        peer.hello(daemon.info())
        return peer.received[handshake:]


def vacate(info: ConnectionFile) -> None:
    """Delete the files of its sockets."""
    for one in (*info.work, *info.control):
        if one.startswith("ipc://"):
            Path(one[len("ipc://") :]).unlink(missing_ok=True)


def listen_at(endpoint: str) -> socket.socket:
    kind, _, rest = endpoint.partition("://")
    listener = socket.socket(socket.AF_UNIX if kind == "ipc" else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    host, _, port = rest.rpartition(":")
    listener.bind(rest if kind == "ipc" else (host, int(port)))
    listener.listen(8)
    return listener
