"""The real daemon in a process of its own, with a fake model unless a test wants the real one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from hostile_peer import endpoint_of
from polling import wait_until

from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import ConnectionFile, read_connection_file
from clipcrop_wire.errors import WireError
from clipcrop_wire.messages import Image, SuggestReply

FRONT = Path(__file__).parents[2] / "fakes" / "front_with_fake_model.py"
PIXELS = bytes(range(240)) * 20
IMAGE = Image.of(PIXELS, 40, 40, "rgb8")

CALM_BYTES = 80 * 2**20
"""The front after an attack; it is promised to be below 60 MB before."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for an `endpoint` is tried over unix sockets, and over what Windows has."""
    if "endpoint" in metafunc.fixturenames:
        metafunc.parametrize("transport", ["ipc", "tcp"], indirect=True)


class RunningDaemon:
    """A daemon that a test started, and may do what it likes with."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        self.path = folder / "connection.json"
        self.log = folder / "stderr"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_until_ready(self, seconds: float = 120.0) -> RunningDaemon:
        """Until it answers."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.info().pid == self.process.pid:
                    with self.client() as client:
                        client.ping()
                    return self
            except WireError as exc:
                reason = exc
            else:
                reason = None
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, (reason, self.text())
            time.sleep(0.02)

    def client(self, name: str = "a test") -> Client:
        """A new client of it."""
        return Client(self.path, name)

    def info(self) -> ConnectionFile:
        """Its connection file."""
        return read_connection_file(self.path)

    def text(self) -> str:
        """What it has logged so far."""
        return self.log.read_text(encoding="utf-8")

    def resident_bytes(self) -> int:
        """Memory of its front."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def front(self) -> psutil.Process:
        """Its own process, for its file descriptors and threads."""
        return psutil.Process(self.process.pid)

    def children(self) -> list[psutil.Process]:
        """Its model process, if there is one."""
        return list(psutil.Process(self.process.pid).children())

    def kill(self) -> None:
        """As kill -9, and all that it started."""
        children = self.children() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait(120)
        wait_until(lambda: not any(map(self.is_alive, children)))

    @staticmethod
    def is_alive(process: psutil.Process) -> bool:
        """Still there, and not only because nobody has asked for its exit code yet."""
        try:
            return process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


Start = Callable[..., RunningDaemon]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's, which pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(short_path: Path) -> Iterator[Start]:
    """Starts daemons in one folder; keywords are arguments of `serve`, ``settings`` a dict.

    ``prefix`` is a command to run it with, ``command`` another program to start instead.
    """
    started: list[RunningDaemon] = []

    def start_one(
        *,
        is_awaited: bool = True,
        command: list[str] | None = None,
        prefix: Sequence[str] = (),
        **options: Any,
    ) -> RunningDaemon:
        settings = {"connection_file": str(short_path / "connection.json")}
        options["settings"] = {**settings, **options.get("settings", {})}
        front = [*prefix, sys.executable, str(FRONT), json.dumps(options)]
        daemon = RunningDaemon(short_path, command or front)
        started.append(daemon)
        return daemon.wait_until_ready() if is_awaited else daemon

    yield start_one
    for daemon in started:
        daemon.kill()


@pytest.fixture
def daemon(start: Start) -> RunningDaemon:
    """One that runs, with all defaults."""
    return start()


@pytest.fixture
def suggest() -> Callable[..., SuggestReply]:
    """Asks a client for crops of a small image."""

    def ask(client: Client, prompt: str = "the dog", **options: Any) -> SuggestReply:
        return client.suggest(IMAGE, PIXELS, prompt, **options)

    return ask


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Polls until something is so."""
    return wait_until


@pytest.fixture
def in_background() -> Iterator[Callable[..., Future[Any]]]:
    """Has a function called on a thread of its own; what that gives waits for its result."""
    pool = ThreadPoolExecutor(max_workers=16)
    yield pool.submit
    pool.shutdown(wait=False)  # what still waits ends with the daemon


@pytest.fixture
def begin(
    suggest: Callable[..., SuggestReply],
    in_background: Callable[..., Future[Any]],
    wait_for: Callable[..., None],
) -> Callable[..., Future[Any]]:
    """Asks on a thread of its own, and returns once the daemon is in a certain state."""

    def begin_one(daemon: RunningDaemon, client: Client, prompt: str, state: str) -> Future[Any]:
        waiting = in_background(suggest, client, prompt)
        with daemon.client("an observer") as control:
            wait_for(lambda: waiting.done() or control.status().state == state)
        assert not waiting.done(), waiting.result()
        return waiting

    return begin_one


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> str:
    """ "ipc" unless a test's parameter says "tcp"."""
    return str(getattr(request, "param", "ipc"))


@pytest.fixture
def untouched(start: Start, transport: str) -> Iterator[RunningDaemon]:
    """A daemon that in the end must have done no work, be small, and answer."""
    daemon = start(uses_tcp=transport == "tcp")
    yield daemon
    assert_untouched(daemon)


@pytest.fixture
def besieged(
    start: Start, transport: str, suggest: Callable[..., SuggestReply]
) -> Iterator[RunningDaemon]:
    """As `untouched`; and in the end it must find crops for a good client."""
    daemon = start(uses_tcp=transport == "tcp")
    yield daemon
    assert_untouched(daemon)
    with daemon.client() as client:
        assert suggest(client).suggestions


def assert_untouched(daemon: RunningDaemon) -> None:
    """No work was done, for nobody; memory is as before; it lives."""
    assert daemon.process.poll() is None, daemon.text()
    assert daemon.children() == []
    with daemon.client() as client:
        assert client.status().num_done == 0
    assert daemon.resident_bytes() < CALM_BYTES


@pytest.fixture
def endpoint(besieged: RunningDaemon) -> str:
    """The work endpoint."""
    return endpoint_of(besieged)
