"""Minutes of restless clients, then many short connections, and what became of each request.

    python tests/soak/soak_daemon.py [--seconds 180] [--clients 32] [--connections 2500]
                                     [--visits 20000] [--visitors 30] [--seed 0] [--json]

The load: the real daemon with a fake model is asked by clients that cancel, hang up in the middle,
read late, ask for images that they have not sent, and in the first half now and then kill the model
or have it unloaded. A third of them use `Client` and cancel from another thread; the others use
`Connection`, and read every message a second time to see that no request is answered twice. Beside
them so many connections are opened, and a part of them is held open.

The visits: each connects, says hello, asks once and hangs up.

In the end the daemon's log is compared with what the clients have seen, and its memory and files
with what they were. Exit code: 0, or 1 with the reasons on standard error.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import psutil

from clipcrop_wire import protocol, sealing
from clipcrop_wire.client import CancelToken, Client
from clipcrop_wire.connection import Call, Connection
from clipcrop_wire.endpoint import read_connection_file
from clipcrop_wire.errors import RequestError, WireError
from clipcrop_wire.messages import HelloReply, Image, PingRequest, Progress, SuggestRequest

FRONT = Path(__file__).parents[1] / "fakes" / "front_with_fake_model.py"
TIMEOUT_S = 60.0
SAMPLE_S = 0.5
REPORT_S = 5.0
NUM_IMAGES = 12

MAX_FRONT_GROWTH_BYTES = {"load": 16e6, "visits": 4e6}
"""In the second half. Where a thousand connections are open while others come and go, the C
library's heap takes a few thousand connections to settle; then it stays."""

MAX_CHILD_GROWTH_BYTES = 4e6
"""In the last quarter, when one process lives all the time."""

MAX_FD_GROWTH = 4

CROWD_HELD = 1000
"""Connections of the crowd that are open at once; all are before the second half."""

LATE_S = 1.5
"""How long a late reader leaves its answers unread."""

NEEDED_FILES = 8192

PROMPTS = ["dog"] * 70 + ["steps 1", "steps 2", "steps 3"] * 4 + ["sleep 0.02"] * 6
CALM_PROMPTS = tuple(PROMPTS)
PROMPTS += ["error"] * 3 + ["unload"]
DIE_SHARE = 0.006
CANCEL_SHARE = 0.15
HANG_UP_SHARE = 0.05
DOUBLE_SHARE = 0.2
"""Of the requests of `Connection` clients, those that go out beside another."""

LINE = re.compile(r"request\.done id=(\S+) kind=(\S+) client=(\S*) ms=\S+ outcome=(\S+)")


@dataclass
class Tally:
    """What one client has seen."""

    outcomes: Counter[str] = field(default_factory=Counter)
    of_id: dict[str, str] = field(default_factory=dict)
    """Outcome of each request whose id we know."""

    faults: list[str] = field(default_factory=list)


class Witness(Connection):
    """A connection that counts the final answers to each request."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.finals: Counter[str] = Counter()
        self._second_look: sealing.Channel | None = None

    def _on_message(self, frames: list[bytes]) -> None:
        if self._second_look is not None:
            reply = protocol.decode_reply(self._second_look.open(frames)[0])
            if not isinstance(reply.body, Progress):
                self.finals[reply.id] += 1
        super()._on_message(frames)

    def _on_welcome(self, frames: list[bytes]) -> None:
        super()._on_welcome(frames)
        welcome = sealing.open_welcome(self.info.key, self._nonce, frames)
        reply = protocol.decode_reply(welcome).body
        assert isinstance(reply, HelloReply)
        self._second_look = sealing.Channel(self.info.key, reply.nonce)


class Restless:
    """What both kinds of clients have in common: dice, images, and a tally."""

    def __init__(self, path: Path, name: str, seed: str, seconds: float) -> None:
        self.path, self.name = path, name
        self.started_s, self.seconds = time.monotonic(), seconds
        self.dice = random.Random(seed)
        self.tally = Tally()
        self.num_asked = 0
        self.images = [make_image(self.dice) for _ in range(NUM_IMAGES)]
        self.thread = threading.Thread(target=self._run, name=name)

    @property
    def goes_on(self) -> bool:
        """Time is not over."""
        return time.monotonic() < self.started_s + self.seconds

    def prompt(self) -> str:
        if time.monotonic() > self.started_s + self.seconds / 2:
            return self.dice.choice(CALM_PROMPTS)
        return "die" if self.dice.random() < DIE_SHARE else self.dice.choice(PROMPTS)

    def note(self, outcome: str, request_id: str = "") -> None:
        self.tally.outcomes[outcome] += 1
        if outcome == "unavailable":  # the queue is full, mostly; all others of it would be, too
            time.sleep(self.dice.uniform(0.01, 0.1))
        if request_id:
            self.tally.of_id[request_id] = outcome

    def _run(self) -> None:
        try:
            self.work()
        except Exception as exc:  # a thread's edge
            self.tally.faults.append(f"{self.name} broke: {exc!r}")

    def work(self) -> None:
        """Ask all requests."""
        raise NotImplementedError  # each kind of client below has its own way of asking


class CallingClient(Restless):
    """Uses `Client`; another thread cancels."""

    def work(self) -> None:
        client = Client(self.path, self.name)
        while self.goes_on:
            self.num_asked += 1
            prompt = self.prompt()
            if prompt == "unload":
                client.unload()
                prompt = "dog"
            image, pixels = self.dice.choice(self.images)
            will_cancel = self.dice.random() < CANCEL_SHARE
            with CancelToken() as token:
                timer = threading.Timer(self.dice.uniform(0, 0.1), token.cancel)
                if will_cancel:
                    timer.start()
                self.note(self._ask(client, image, pixels, prompt, token))
                timer.cancel()
                if will_cancel:
                    timer.join()
            if self.dice.random() < HANG_UP_SHARE:
                client.close()
                client = Client(self.path, self.name)
        client.close()

    def _ask(
        self, client: Client, image: Image, pixels: bytes, prompt: str, token: CancelToken
    ) -> str:
        try:
            reply = client.suggest(image, pixels, prompt, timeout_s=TIMEOUT_S, cancel=token)
        except WireError as exc:
            return outcome_of(exc)
        if not reply.suggestions:
            self.tally.faults.append("a reply without crops")
        return "ok"


class ConnectedClient(Restless):
    """Uses `Connection`, with up to two requests on their way."""

    def work(self) -> None:
        connection = self._connect()
        while self.goes_on:
            num_calls = 2 if self.dice.random() < DOUBLE_SHARE else 1
            calls = [self._start(connection) for _ in range(num_calls)]
            if self.dice.random() < HANG_UP_SHARE:
                self._go_on(connection, calls, self.dice.uniform(0, 0.05))
                self._hang_up(connection, calls)
                connection = self._connect()
                continue
            if self.dice.random() < CANCEL_SHARE:
                self._go_on(connection, calls, self.dice.uniform(0, 0.1))
                connection.cancel(calls[-1])
            self._before_reading()
            self._go_on(connection, calls, TIMEOUT_S)
            for call in calls:
                self._judge(connection, call)
        self._hang_up(connection, [])

    def _before_reading(self) -> None:
        """Nothing: it reads at once."""

    def _connect(self) -> Witness:
        info = read_connection_file(self.path)
        connection = Witness(info, "work", info.work[0], self.name)
        hello = connection.start(PingRequest(), timeout_s=TIMEOUT_S)
        self._go_on(connection, [hello], TIMEOUT_S)
        hello.result()
        return connection

    def _start(self, connection: Witness) -> Call:
        self.num_asked += 1
        image, pixels = self.dice.choice(self.images)
        prompt = self.prompt().replace("unload", "dog")
        if self.dice.random() < 0.3:  # by its hash alone, whether it was ever sent or not
            image = Image.of(pixels, image.width_px, image.height_px, image.format)
            short = SuggestRequest(as_held(image), prompt, timeout_s=TIMEOUT_S)
            return connection.start(short, timeout_s=TIMEOUT_S)
        request = SuggestRequest(image, prompt, timeout_s=TIMEOUT_S)
        return connection.start(request, (pixels,), timeout_s=TIMEOUT_S)

    def _go_on(self, connection: Witness, calls: list[Call], seconds: float) -> None:
        until = time.monotonic() + seconds
        connection.pump()
        while not all(call.is_done for call in calls) and time.monotonic() < until:
            left = max(0.0, until - time.monotonic())
            connection.wait(min(left, connection.seconds_to_deadline() or 0.0))
            connection.pump()

    def _judge(self, connection: Witness, call: Call) -> None:
        try:
            call.result()
            outcome = "ok"
        except WireError as exc:
            outcome = outcome_of(exc)
        self.note(outcome, call.id)
        if connection.finals[call.id] != 1 and outcome not in ("lost", "timeout"):
            self.tally.faults.append(f"{connection.finals[call.id]} answers to {call.id}")

    def _hang_up(self, connection: Witness, calls: list[Call]) -> None:
        for call in calls:
            if call.is_done:
                self._judge(connection, call)
            else:
                self.note("hung up", call.id)
        twice = [name for name, count in connection.finals.items() if count > 1]
        self.tally.faults += [f"{name} was answered twice" for name in twice]
        connection.close()


class LateReader(ConnectedClient):
    """Asks, and lets the answers lie for a while."""

    def _before_reading(self) -> None:
        time.sleep(self.dice.uniform(0, LATE_S))


class Crowd(Restless):
    """Opens connections over the whole time, holds some of them open, and asks before it leaves."""

    def __init__(self, path: Path, seed: str, seconds: float, num_connections: int) -> None:
        super().__init__(path, "crowd", seed, seconds)
        self.num_connections = num_connections

    def work(self) -> None:
        info = read_connection_file(self.path)
        held: list[Connection] = []
        with ExitStack() as stack:
            for number in range(self.num_connections):
                connection = Connection(info, "work", info.work[0], "crowd")
                stack.callback(connection.close)
                self._ping(connection)
                held.append(connection)
                if len(held) > CROWD_HELD:
                    self._ping(held[0])
                    held.pop(0).close()
                due_s = self.started_s + self.seconds * number / self.num_connections
                time.sleep(max(0.0, due_s - time.monotonic()))
            for connection in held:
                self._ping(connection)

    def _ping(self, connection: Connection) -> None:
        self.num_asked += 1
        try:
            call = connection.start(PingRequest(), timeout_s=TIMEOUT_S)
            connection.pump()
            while not call.is_done:
                connection.wait(connection.seconds_to_deadline() or 0.0)
                connection.pump()
            call.result()
        except WireError as exc:
            self.tally.faults.append(f"a ping of the crowd: {exc!r}")
        else:
            self.tally.outcomes["ok"] += 1


class Visitor(Restless):
    """Connects, asks once and hangs up, again and again."""

    def __init__(self, path: Path, name: str, seed: str, num_visits: int) -> None:
        super().__init__(path, name, seed, float("inf"))
        self.num_visits = num_visits

    def work(self) -> None:
        for number in range(self.num_visits):
            self.num_asked += 1
            with Client(self.path, self.name) as client:
                try:
                    if number % 10:
                        client.ping(TIMEOUT_S)
                    else:
                        image, pixels = self.dice.choice(self.images)
                        client.suggest(image, pixels, "dog", timeout_s=TIMEOUT_S)
                except WireError as exc:
                    self.tally.faults.append(f"{self.name}, visit {number}: {exc!r}")
                    self.tally.outcomes[outcome_of(exc)] += 1
                else:
                    self.tally.outcomes["ok"] += 1


def make_image(dice: random.Random) -> tuple[Image, bytes]:
    """A small one, or one that takes several reads."""
    side = dice.choice([16, 40, 200, 400])
    pixels = dice.randbytes(side * side)
    return Image.of(pixels, side, side, "gray8"), pixels


def as_held(image: Image) -> Image:
    """The same, to be sent without its pixels."""
    return replace(image, is_inline=False)


def outcome_of(exc: WireError) -> str:
    """In the words of the daemon's log."""
    if isinstance(exc, RequestError):
        text = str(exc)
        return "unconfirmed cancel" if "has not confirmed" in text else exc.code
    return {"DaemonNotRunning": "lost", "RequestTimeout": "timeout"}.get(
        type(exc).__name__, type(exc).__name__
    )


@dataclass(frozen=True)
class Sample:
    """The daemon's size at one moment."""

    seconds: float
    front_bytes: int
    child_bytes: int
    num_fds: int
    num_threads: int


def take_sample(front: psutil.Process, started_s: float) -> Sample:
    """Now; a model process that is just starting or ending counts nothing."""
    child_bytes = 0
    for child in front.children():
        try:
            child_bytes = child.memory_info().rss
        except psutil.Error:
            continue
    seconds = time.monotonic() - started_s
    size = front.memory_info().rss
    return Sample(seconds, size, child_bytes, front.num_fds(), front.num_threads())


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    seconds: float = 180.0
    clients: int = 32
    connections: int = 2500
    visits: int = 20_000
    visitors: int = 30
    seed: int = 0


def soak(plan: Plan, *, is_quiet: bool) -> dict[str, Any]:
    """Run it all -> numbers and faults."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < NEEDED_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(NEEDED_FILES, most), most))
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    path, log = folder / "connection.json", folder / "log"
    options = {"settings": {"connection_file": str(path), "log_level": "INFO"}}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(FRONT), json.dumps(options)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        _wait_for(path.exists, process)
        return _soak(process, path, log, plan, is_quiet)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _soak(
    process: subprocess.Popen[bytes], path: Path, log: Path, plan: Plan, is_quiet: bool
) -> dict[str, Any]:
    front = psutil.Process(process.pid)
    kinds = (CallingClient, ConnectedClient, LateReader)
    with Client(path, "overseer") as overseer:
        image, pixels = make_image(random.Random(plan.seed))
        overseer.suggest(image, pixels, "dog")
        overseer.ping()
        before = take_sample(front, time.monotonic())
        clients: list[Restless] = [
            kinds[index % 3](path, f"soak-{index}", f"{plan.seed}/{index}", plan.seconds)
            for index in range(plan.clients)
        ]
        crowd = Crowd(path, f"{plan.seed}/crowd", plan.seconds, plan.connections)
        load = _watch(front, [*clients, crowd], is_quiet)
        _wait_for(lambda: overseer.status().state == "idle", process)
        visits: list[Sample] = []
        visitors = [
            Visitor(path, f"visitor-{index}", f"{plan.seed}/v{index}", share)
            for index, share in enumerate(_shares(plan.visits, plan.visitors))
        ]
        if visitors:
            visits = _watch(front, visitors, is_quiet)
        _wait_for(lambda: overseer.status().state == "idle", process)
        _wait_for(lambda: front.num_fds() <= before.num_fds + MAX_FD_GROWTH, process, 5.0)
        overseer.suggest(image, pixels, "dog")  # it still works, and a model process is there
        after = take_sample(front, time.monotonic())
        status = overseer.status()
    text = log.read_text(encoding="utf-8")
    everyone = [*clients, crowd, *visitors]
    faults = [fault for client in everyone for fault in client.tally.faults]
    faults += _compare(clients, text, status.num_done)
    faults += [
        f"{one.name} asked {one.num_asked} times and saw {sum(one.tally.outcomes.values())} ends"
        for one in visitors
        if one.num_asked != sum(one.tally.outcomes.values())
    ]
    faults += _growth("load", load) + (_growth("visits", visits) if visits else [])
    if after.num_fds > before.num_fds + MAX_FD_GROWTH:
        faults.append(f"{after.num_fds} file descriptors, {before.num_fds} at the start")
    if status.num_queued:
        faults.append(f"{status.num_queued} requests still wait")
    return {
        **vars(plan),
        "asked": sum(client.num_asked for client in clients),
        "outcomes": dict(_total(clients).most_common()),
        "opened_by_crowd": crowd.num_connections,
        "crowd_outcomes": dict(crowd.tally.outcomes),
        "visit_outcomes": dict(_total(visitors).most_common()),
        "num_done": status.num_done,
        "model_starts": text.count("model.started"),
        "load": [vars(one) for one in _quartiles(load)],
        "visit_samples": [vars(one) for one in _quartiles(visits)] if visits else [],
        "files": [before.num_fds, after.num_fds],
        "faults": faults,
    }


def _watch(front: psutil.Process, clients: Sequence[Restless], is_quiet: bool) -> list[Sample]:
    """Let clients work -> the daemon's size all along."""
    started_s = time.monotonic()
    for client in clients:
        client.started_s = started_s
        client.thread.start()
    samples = [take_sample(front, started_s)]
    reported_s = 0.0
    while any(client.thread.is_alive() for client in clients):
        time.sleep(SAMPLE_S)
        samples.append(take_sample(front, started_s))
        if not is_quiet and samples[-1].seconds >= reported_s + REPORT_S:
            reported_s = samples[-1].seconds
            _report_progress(samples[-1], clients)
    return samples


def _shares(total: int, number: int) -> list[int]:
    return [total // number + (index < total % number) for index in range(number)] if total else []


def _total(clients: Sequence[Restless]) -> Counter[str]:
    return sum((client.tally.outcomes for client in clients), Counter[str]())


def _compare(clients: list[Restless], text: str, num_done: int) -> list[str]:
    """What clients have seen, and what the daemon says it has done."""
    faults = []
    lines = LINE.findall(text)
    times = Counter(request_id for request_id, *_ in lines)
    faults += [f"{name} has {count} ends in the log" for name, count in times.items() if count > 1]
    if len(lines) != num_done:
        faults.append(f"{len(lines)} ends in the log, {num_done} counted by the daemon")
    logged = {request_id: outcome for request_id, _, _, outcome in lines}
    for client in clients:
        tally = client.tally
        asked, ended = client.num_asked, sum(tally.outcomes.values())
        if asked != ended:
            faults.append(f"{client.name} asked {asked} times and saw {ended} ends")
        for outcome in ("timeout", "lost", "unconfirmed cancel"):
            if tally.outcomes[outcome]:
                faults.append(f"{client.name}: {outcome}, {tally.outcomes[outcome]} times")
        for request_id, outcome in tally.of_id.items():
            if outcome == "hung up":
                continue  # the daemon may have done it, or never have got all of it
            if logged.get(request_id) != outcome:
                faults.append(f"{request_id}: {outcome} here, {logged.get(request_id)} in the log")
    return faults


def _growth(name: str, samples: list[Sample]) -> list[str]:
    """Beyond the bounds above, in the second half."""
    faults = []
    _, _, settled, calm, last = _quartiles(samples)
    if last.front_bytes > settled.front_bytes + MAX_FRONT_GROWTH_BYTES[name]:
        faults.append(
            f"{name}: the front grew from {settled.front_bytes} to {last.front_bytes} bytes"
        )
    if last.child_bytes > calm.child_bytes + MAX_CHILD_GROWTH_BYTES and calm.child_bytes:
        faults.append(
            f"{name}: the model process grew from {calm.child_bytes} to {last.child_bytes} bytes"
        )
    return faults


def _quartiles(samples: list[Sample]) -> list[Sample]:
    last = len(samples) - 1
    return [samples[round(last * quarter / 4)] for quarter in range(5)]


def _wait_for(is_so: Any, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Poll; what is still not so in the end is found by whoever looks then."""
    until = time.monotonic() + seconds
    while not is_so() and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)


def _report_progress(sample: Sample, clients: Sequence[Restless]) -> None:
    num_asked = sum(client.num_asked for client in clients)
    print(
        f"{sample.seconds:6.0f} s  {num_asked:6} asked  front {sample.front_bytes / 1e6:.1f} MB  "
        f"model {sample.child_bytes / 1e6:.1f} MB  {sample.num_fds} files",
        file=sys.stderr,
        flush=True,
    )


def _show(result: dict[str, Any]) -> None:
    print(
        f"{result['asked']} requests of {result['clients']} clients in {result['seconds']:g} s, "
        f"beside {result['opened_by_crowd']} connections; seed {result['seed']}; "
        f"{result['model_starts']} starts of the model process"
    )
    for outcome, count in result["outcomes"].items():
        print(f"  {outcome:<18} {count:6}")
    _show_samples(result["load"])
    print(f"{result['visits']} visits of {result['visitors']} at once: {result['visit_outcomes']}")
    _show_samples(result["visit_samples"])
    print("files before and after: {} {}".format(*result["files"]))


def _show_samples(samples: list[dict[str, float]]) -> None:
    print("when      seconds  front MB  model MB  files  threads")
    for name, one in zip(("start", "1/4", "1/2", "3/4", "end"), samples, strict=False):
        print(
            f"{name:<8} {one['seconds']:8.1f} {one['front_bytes'] / 1e6:9.1f} "
            f"{one['child_bytes'] / 1e6:9.1f} {one['num_fds']:6} {one['num_threads']:8}"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run it and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for one in fields(Plan):
        kind = float if one.name == "seconds" else int
        parser.add_argument(f"--{one.name}", type=kind, default=one.default)
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args(arguments))
    is_json = options.pop("json")
    result = soak(Plan(**options), is_quiet=is_json)
    if is_json:
        print(json.dumps(result, indent=1))
    else:
        _show(result)
    for fault in result["faults"]:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
