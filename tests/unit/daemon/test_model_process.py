"""Real child processes, small ones that tests write."""

from __future__ import annotations

import hashlib
import io
import logging
import queue
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from polling import PATIENCE_S, wait_until

from clipcrop_daemon.model_process import (
    Event,
    ModelProcess,
    WorkerExited,
    WorkerMessage,
    relay_log,
)
from clipcrop_daemon.pipes import WorkerOptions
from clipcrop_wire import protocol
from clipcrop_wire.messages import ModelsRequest

REQUEST = protocol.encode_request("1", ModelsRequest())

# What children have in common. `say` writes a message; `hear` waits for one.
PROLOGUE = """
import hashlib, json, os, sys, time, signal, subprocess
import msgpack
from clipcrop_daemon.pipes import SharedPixels, read_message, write_message
from clipcrop_daemon.pipes import WorkerOptions

options = WorkerOptions.from_json(sys.argv[1])
descriptor = options.pixels_descriptor
shared = SharedPixels(descriptor) if descriptor >= 0 else None

def say(kind="suggest", status="ok", **body):
    values = {"kind": kind, "id": "1", "status": status, "body": body}
    if kind == "progress":
        del values["status"]
    write_message(sys.stdout.buffer, msgpack.packb(values))

def hear():
    return read_message(sys.stdin.buffer, shared)
"""
WAITS = "while hear() is not None: pass"


class Child:
    """A model process of a test, and what it says."""

    def __init__(self, body: str) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._is_heard = True
        command = (sys.executable, "-c", PROLOGUE + body)
        self.model = ModelProcess(command, WorkerOptions(), self._events.put)

    def next_event(self) -> Event:
        """Waits for it, as the front's loop does."""
        deadline = time.monotonic() + PATIENCE_S
        while self._events.empty() and self._is_heard and self.model.descriptor >= 0:
            if select.select([self.model.descriptor], [], [], deadline - time.monotonic())[0]:
                self._pump()
        return self._events.get(timeout=PATIENCE_S)

    def close(self) -> None:
        """Ends it, and hears all that it has to say."""
        self.model.kill()
        while self._is_heard and self.model.descriptor >= 0:
            self._pump()

    def _pump(self) -> None:
        said = self.model.pump()
        self._is_heard = said is not None
        for one in said or ():
            self._events.put(one)

    def next_message(self) -> WorkerMessage:
        """Waits for it; it must not have ended."""
        event = self.next_event()
        assert isinstance(event, WorkerMessage), event
        return event

    def end(self) -> WorkerExited:
        """Waits for it; nothing else may come."""
        event = self.next_event()
        assert isinstance(event, WorkerExited), event
        return event

    def has_more(self) -> bool:
        """Whether something has come after all."""
        return not self._events.empty()


Run = Callable[[str], Child]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a child with a body of Python."""
    started: list[Child] = []
    others = set(psutil.Process().children())  # of tests before

    def run_one(body: str) -> Child:
        started.append(Child(body))
        return started[-1]

    yield run_one
    for child in started:
        child.close()
    wait_until(lambda: set(psutil.Process().children()) <= others)


@pytest.fixture(params=["linux", "darwin", "win32"])
def _system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared memory or pixels through the pipe, a pipe that is polled or a thread that reads."""
    monkeypatch.setattr(sys, "platform", request.param)


@pytest.mark.usefixtures("_system")
@pytest.mark.parametrize("num_bytes", [0, 1, 200_000, 20_000_000])
def test_a_request_arrives_with_its_pixels(run: Run, num_bytes: int):
    pixels = (b"some pixels" * (num_bytes // 11 + 1))[:num_bytes]
    child = run(
        "header, pixels = hear()\n"
        "say(sha=hashlib.sha256(pixels).hexdigest(), size=len(pixels), header=header.hex(),\n"
        "    is_shared=shared is not None)\n"
    )
    parts = [pixels[: num_bytes // 2], pixels[num_bytes // 2 :]] if pixels else []
    child.model.send(REQUEST, parts)

    body = child.next_message().body
    assert body["size"] == num_bytes
    assert body["sha"] == hashlib.sha256(pixels).hexdigest()
    assert body["header"] == REQUEST.hex()
    assert body["is_shared"] == (sys.platform == "linux")


def test_what_it_says_comes_in_order_and_is_told_apart(run: Run):
    child = run(
        'say("progress", stage="loading"); say("suggest", n=1); say("warm", "error", code="x")'
    )

    first, second, third = child.next_message(), child.next_message(), child.next_message()

    assert (first.kind, first.is_final, first.body) == ("progress", False, {"stage": "loading"})
    assert (second.is_final, second.is_error, second.id) == (True, False, "1")
    assert (third.kind, third.is_final, third.is_error) == ("warm", True, True)
    assert third.process is child.model
    assert child.end().process is child.model


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("sys.exit(3)", "ended with code 3", id="with a code"),
        pytest.param("", "ended with code 0", id="without one"),
        pytest.param(
            "os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11", id="by a signal"
        ),
        pytest.param(
            "sys.stdout.buffer.write(b'1234567')", "ended with code 0", id="in half a message"
        ),
    ],
)
def test_its_end_is_told_once_with_a_reason(run: Run, body: str, reason: str):
    child = run(body)

    assert child.end().reason == reason
    assert not child.has_more()


def test_it_ends_when_it_is_killed(run: Run):
    child = run(WAITS)

    child.model.kill()

    assert child.end().reason == "killed by signal 9"


def test_killing_it_twice_and_asking_the_dead_is_no_error(run: Run):
    child = run("")
    child.end()

    child.model.send(REQUEST, [b"pixels"])
    child.model.kill()
    child.model.kill()

    assert not child.has_more()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("write_message(sys.stdout.buffer, b'\\xc1')", id="not msgpack"),
        pytest.param("write_message(sys.stdout.buffer, msgpack.packb([1]))", id="not a map"),
        pytest.param("write_message(sys.stdout.buffer, msgpack.packb({}))", id="without fields"),
    ],
)
def test_one_that_cannot_be_understood_is_ended(run: Run, body: str, caplog):
    child = run(f"{body}; sys.stdout.buffer.flush(); time.sleep(60)")

    assert child.end().reason == "killed by signal 9"
    assert "model.unreadable" in caplog.text


def test_what_cannot_be_started_is_an_error_that_leaks_nothing():
    before = resources()

    with pytest.raises(FileNotFoundError):
        ModelProcess(("/no/such/program",), WorkerOptions(), lambda event: None)

    assert holds_no_more_than(before)


def test_an_ended_one_gives_back_its_files_and_threads(run: Run):
    before = resources()
    for body in ("", WAITS, "say()", "os.kill(os.getpid(), signal.SIGKILL)"):
        child = run(body)
        child.model.send(REQUEST, [b"pixels"])
        if body == WAITS:
            child.model.kill()
        while not isinstance(child.next_event(), WorkerExited):
            pass

    wait_until(lambda: holds_no_more_than(before))


def test_sending_to_one_that_reads_nothing_does_not_wait(run: Run):
    child = run("say(); time.sleep(60)")
    child.next_message()
    started = time.monotonic()

    child.model.send(bytes(20_000), [bytes(5_000_000)])  # larger than any request's header
    child.model.send(REQUEST)

    assert time.monotonic() - started < 20


def test_it_inherits_no_file_but_its_pipes_and_the_pixels(run: Run, tmp_path: Path):
    with (tmp_path / "secret").open("wb"):
        child = run(
            "names = [f'/proc/self/fd/{name}' for name in os.listdir('/proc/self/fd')]\n"
            "say(links=[os.readlink(name) for name in names if os.path.islink(name)])\n"
        )
        links = child.next_message().body["links"]

    pipes = {link for link in links if link.startswith("pipe:")}
    others = {link.partition(":")[0] for link in links} - {"pipe"}
    assert (len(pipes), others) == (3, {"/memfd"}), links


def test_its_end_is_seen_though_its_own_child_lives_on(run: Run):
    child = run("p = subprocess.Popen(['sleep', '60'], stdout=2); say(pid=p.pid); os._exit(0)")
    grandchild = psutil.Process(child.next_message().body["pid"])

    assert child.end().reason == "ended with code 0"
    grandchild.kill()


def test_its_log_goes_on_in_ours(run: Run, caplog):
    caplog.set_level(logging.DEBUG)
    child = run("print('INFO clipcrop_daemon.worker model.loaded name=lite', file=sys.stderr)")
    child.end()

    wait_until(lambda: "model.loaded" in caplog.text)
    record = next(one for one in caplog.records if "model.loaded" in one.getMessage())
    assert (record.levelname, record.name) == ("INFO", "clipcrop_daemon.worker")


def test_lines_of_others_have_the_level_of_the_line_before(caplog):
    caplog.set_level(logging.DEBUG)

    relay("a library speaks\nERROR x request.failed id=1\n  File a, line 1\nDEBUG y z.done\n")

    assert levels(caplog) == [
        ("WARNING", "model", "a library speaks"),
        ("ERROR", "x", "request.failed id=1"),
        ("ERROR", "x", "  File a, line 1"),
        ("DEBUG", "y", "z.done"),
    ]


def test_empty_lines_are_left_out_and_bad_bytes_are_shown(caplog):
    relay_log(io.BytesIO(b"\n\r\n caf\xe9 \n%s %d\n"))

    assert levels(caplog) == [("WARNING", "model", " caf\ufffd"), ("WARNING", "model", "%s %d")]


def test_a_line_without_end_is_cut_into_pieces(caplog):
    relay("x" * 20_000)

    assert [len(record.getMessage()) for record in caplog.records] == [8192, 8192, 3616]


def relay(text: str) -> None:
    relay_log(io.BytesIO(text.encode()))


def levels(caplog: Any) -> list[tuple[str, str, str]]:
    return [(one.levelname, one.name, one.getMessage()) for one in caplog.records]


def resources() -> tuple[int, int]:
    process = psutil.Process()
    return process.num_fds(), process.num_threads()


def holds_no_more_than(before: tuple[int, int]) -> bool:
    """Threads of earlier tests may end meanwhile, so less is fine."""
    return all(now <= then for now, then in zip(resources(), before, strict=True))
