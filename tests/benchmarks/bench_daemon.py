"""What the daemon costs: all but the model, its start and memory, prompts, many clients.

    python tests/benchmarks/bench_daemon.py PHOTO.jpg [--rounds 60] [--only overhead start ...]

overhead  all of a request but the 20 ms that its fake model computes, over ipc and tcp: our client,
          pyzmq's, and the same pixels echoed by pyzmq without any of the protocol, as the reference
          of the ratios; "at once" is a model that takes no time, during which nothing can be done
start     from starting the process to its first answer, and its memory before any model;
          reference: a Python that only imports pyzmq
prompts   the first prompt on a photo, and further ones, through the real model: the lite encoder
          and random weights of OWL-ViT base/32's size; reference: the first prompt
clients   1, 4 and 16 at once, each asking again and again on its own photo; reference: one client

All daemons are the real one, started as users start it; in ``overhead`` its model is a fake one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import zmq
from PIL import Image as PillowImage

from clipcrop.imaging.images import load_image
from clipcrop_wire import protocol, sealing
from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import read_connection_file
from clipcrop_wire.errors import WireError
from clipcrop_wire.messages import HelloReply, HelloRequest, Image, SuggestReply, SuggestRequest

FRONT_WITH_FAKE_MODEL = Path(__file__).parents[1] / "fakes" / "front_with_fake_model.py"
SIZES_PX = {"0.2 MB": (296, 236), "2 MB": (1024, 683), "8 MB": (2048, 1366)}
WORK = "work 0.02"
PROMPTS = ["the woman", "a red rocket", "the rocket", "her dogs", "the woman and her dogs"]
PARTS = ("overhead", "start", "prompts", "clients")


@contextlib.contextmanager
def daemon(*options: str, has_fake_model: bool = False) -> Iterator[Path]:
    """Run one -> its connection file."""
    with tempfile.TemporaryDirectory(prefix="cc") as name:
        path = Path(name) / "connection.json"
        if has_fake_model:
            settings = {"connection_file": str(path), "tcp": True}
            command = [
                sys.executable,
                str(FRONT_WITH_FAKE_MODEL),
                json.dumps({"settings": settings}),
            ]
        else:
            command = [sys.executable, "-m", "clipcrop_daemon", "run", *options]
            command += ["--connection-file", str(path), "--log-file", str(Path(name) / "log")]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for_ping(path)
            yield path
        finally:
            process.terminate()
            process.wait(20)


def wait_for_ping(path: Path) -> None:
    """Until the daemon answers."""
    with Client(path) as client:
        while True:
            try:
                client.ping()
                return
            except WireError:
                time.sleep(0.002)


class PyzmqClient:
    """The same conversation through libzmq."""

    def __init__(self, path: Path, endpoint: str) -> None:
        info = read_connection_file(path)
        self._dealer = zmq.Context.instance().socket(zmq.DEALER)
        self._dealer.connect(endpoint)
        nonce = secrets.token_bytes(32)
        hello = protocol.encode_request("hello", HelloRequest(info.session, "work", nonce, 0))
        self._dealer.send_multipart(sealing.seal_hello(info.key, hello))
        header = sealing.open_welcome(info.key, nonce, self._dealer.recv_multipart())
        welcome = protocol.decode_reply(header).body
        assert isinstance(welcome, HelloReply)
        self._channel = sealing.Channel(info.key, welcome.nonce)

    def suggest(self, pixels: bytes, size_px: tuple[int, int]) -> float:
        """Ask and wait for the answer -> seconds that the model took."""
        image = Image.of(pixels, *size_px, "rgb8")
        header = protocol.encode_request(secrets.token_hex(16), SuggestRequest(image, WORK))
        frames = [*self._channel.seal(header, [pixels]), pixels]
        self._dealer.send_multipart(frames, copy=False)
        while True:
            reply = protocol.decode_reply(self._channel.open(self._dealer.recv_multipart())[0])
            if isinstance(reply.body, SuggestReply):
                return reply.body.seconds["search"]


class Echo:
    """pyzmq and nothing else: pixels there, a byte back."""

    def __init__(self, endpoint: str) -> None:
        here, there = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_echo, args=(endpoint, there), daemon=True)
        self._process.start()
        self._dealer = zmq.Context.instance().socket(zmq.DEALER)
        self._dealer.connect(here.recv())

    def suggest(self, pixels: bytes, size_px: tuple[int, int]) -> float:
        """There and back."""
        self._dealer.send(pixels, copy=False)
        self._dealer.recv()
        return 0.0

    def close(self) -> None:
        """End the other side."""
        self._process.terminate()
        self._process.join()


def _echo(endpoint: str, ready: multiprocessing.connection.Connection) -> None:
    router = zmq.Context().socket(zmq.ROUTER)
    router.bind(endpoint)
    ready.send(router.getsockopt_string(zmq.LAST_ENDPOINT))
    while True:
        identity, _ = router.recv_multipart(copy=False)
        router.send_multipart([identity.bytes, b"x"])


def measure_overhead(rounds: int) -> None:
    """Print a table."""
    print("\n## Everything but the model, milliseconds a request: median (quartiles), ratio\n")
    print("| transport | pixels | our client | pyzmq's client | our client, at once | pyzmq echo |")
    print("|---|---|---|---|---|---|")
    with daemon(has_fake_model=True) as path, tempfile.TemporaryDirectory(prefix="cc") as folder:
        endpoints = read_connection_file(path).work
        for index, transport in enumerate(("ipc", "tcp")):
            info = read_connection_file(path)
            one_way = Path(folder) / f"{transport}.json"
            _write_with_one_endpoint(one_way, path, index)
            echo = Echo(f"ipc://{folder}/echo" if transport == "ipc" else "tcp://127.0.0.1:*")
            reference = PyzmqClient(path, endpoints[index])
            assert info.work[index].startswith(transport)
            with Client(one_way) as client:
                for name, size_px in SIZES_PX.items():
                    _overhead_row(f"{transport} | {name}", client, reference, echo, size_px, rounds)
            echo.close()


def _overhead_row(
    name: str,
    client: Client,
    reference: PyzmqClient,
    echo: Echo,
    size_px: tuple[int, int],
    rounds: int,
) -> None:
    num_bytes = 3 * size_px[0] * size_px[1]

    def ask(prompt: str, pixels: bytes) -> float:
        image = Image.of(pixels, *size_px, "rgb8")
        return client.suggest(image, pixels, prompt).seconds["search"]

    tasks: dict[str, Callable[[bytes], float]] = {
        "echo": lambda pixels: echo.suggest(pixels, size_px),
        "ours": partial(ask, WORK),
        "pyzmq": lambda pixels: reference.suggest(pixels, size_px),
        "at once": partial(ask, "the dog"),
    }
    taken: dict[str, list[float]] = {task: [] for task in tasks}
    for index in range(rounds + 5):
        for task, run in tasks.items():
            pixels = secrets.token_bytes(num_bytes)  # new ones: nothing is held
            started = time.perf_counter()
            model_s = run(pixels)
            if index >= 5:
                taken[task].append(1000 * (time.perf_counter() - started - model_s))
    base = statistics.median(taken["echo"])
    cells = []
    for task in ("ours", "pyzmq", "at once", "echo"):
        low, middle, high = statistics.quantiles(taken[task], n=4)
        cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f}), {middle / base:.1f}")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _write_with_one_endpoint(target: Path, source: Path, index: int) -> None:
    values = json.loads(source.read_text(encoding="utf-8"))
    for name in ("work", "control"):
        values[name] = [values[name][index]]
    target.touch(mode=0o600)
    target.write_text(json.dumps(values), encoding="utf-8")


def measure_start(rounds: int) -> None:
    """Print a table."""
    times, memories, references, reference_memories = [], [], [], []
    code = (
        "import zmq, psutil; zmq.Context().socket(zmq.ROUTER); "
        "print(psutil.Process().memory_info().rss, flush=True); input()"
    )
    for _ in range(rounds):
        started = time.perf_counter()
        bare = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert bare.stdout is not None
        reference_memories.append(int(bare.stdout.readline()) / 1e6)
        references.append(1000 * (time.perf_counter() - started))
        bare.communicate(b"\n")
        started = time.perf_counter()
        with daemon() as path:
            times.append(1000 * (time.perf_counter() - started))
            with Client(path) as client:
                pid = client.status().pid
            memories.append(psutil.Process(pid).memory_info().rss / 1e6)
    print("\n## Start to the first ping, and memory with no model: median (least to most), ratio\n")
    print("| | daemon | a Python with a pyzmq socket | ratio |")
    print("|---|---|---|---|")
    for name, unit, ours, others in (
        ("start to first answer", "ms", times, references),
        ("resident memory", "MB", memories, reference_memories),
    ):
        cells = [
            f"{statistics.median(row):.0f} {unit} ({min(row):.0f} to {max(row):.0f})"
            for row in (ours, others)
        ]
        ratio = statistics.median(ours) / statistics.median(others)
        print(f"| {name} | {cells[0]} | {cells[1]} | {ratio:.1f} |", flush=True)


def measure_prompts(photo: Path, rounds: int) -> None:
    """Print a table."""
    loaded = load_image(photo)
    print(f"\n## Prompts on one photo of {loaded.rgb.width} x {loaded.rgb.height} px, ms\n")
    print(
        "| model | loading (warm) | first prompt | a further one | ratio | pixels again | memory |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="cc") as name:
        from bench_owlvit import write_random_model

        folder = Path(name) / "owlvit-size"
        folder.mkdir()
        write_random_model(folder)
        for title, model in (("lite", "lite"), ("OWL-ViT base/32, random", str(folder))):
            with daemon("--model", model) as path, Client(path) as client:
                _prompt_row(title, client, loaded.rgb, rounds)


def _prompt_row(title: str, client: Client, rgb: PillowImage.Image, rounds: int) -> None:
    warm_ms = 1000 * client.warm(timeout_s=600).seconds
    firsts, others, agains = [], [], []
    for index in range(rounds):
        changed = rgb.copy()
        changed.putpixel((0, 0), (index % 256, index // 256, 7))  # a photo that is not held
        pixels = changed.tobytes()
        image = Image.of(pixels, *changed.size, "rgb8")
        row = [
            _ask_ms(client, image, pixels, PROMPTS[(index + step) % len(PROMPTS)])
            for step in range(3)
        ]
        with Client(client._path) as new:  # another editor: it sends the pixels again
            agains.append(_ask_ms(new, image, pixels, PROMPTS[index % len(PROMPTS)]))
        if index:
            firsts.append(row[0])
            others += row[1:]
    first, other, again = map(statistics.median, (firsts, others, agains))
    memory = client.status().resident_bytes / 1e6
    print(
        f"| {title} | {warm_ms:.0f} | {first:.0f} | {other:.0f} | {other / first:.3f} | "
        f"{again:.0f} | {memory:.0f} MB |",
        flush=True,
    )


def _ask_ms(client: Client, image: Image, pixels: bytes, prompt: str) -> float:
    started = time.perf_counter()
    client.suggest(image, pixels, prompt, timeout_s=600)
    return 1000 * (time.perf_counter() - started)


def measure_clients(photo: Path, seconds: float) -> None:
    """Print a table."""
    print("\n## Clients at once, the lite encoder, each on its own photo held by the daemon\n")
    print("| clients | requests a second | ratio | median ms | slowest ms | declined |")
    print("|---|---|---|---|---|---|")
    rgb = load_image(photo).rgb
    base = None
    with daemon("--model", "lite") as path:
        for number in (1, 4, 16):
            times, num_declined = _ask_at_once(path, rgb, number, seconds)
            rate = len(times) / seconds
            base = base or rate
            print(
                f"| {number} | {rate:.1f} | {rate / base:.2f} | {statistics.median(times):.0f} | "
                f"{max(times):.0f} | {num_declined} |",
                flush=True,
            )


def _ask_at_once(
    path: Path, rgb: PillowImage.Image, number: int, seconds: float
) -> tuple[list[float], int]:
    times: list[float] = []
    declined: list[str] = []
    begin = threading.Barrier(number)
    end_s = [0.0]

    def ask(index: int) -> None:
        changed = rgb.copy()
        changed.putpixel((0, 0), (index, number, 9))
        pixels = changed.tobytes()
        image = Image.of(pixels, *changed.size, "rgb8")
        with Client(path) as client:
            while True:  # its first prompt, which may find the queue full
                try:
                    client.suggest(image, pixels, "the woman", timeout_s=600)
                    break
                except WireError:
                    time.sleep(0.05)
            if begin.wait() == 0:
                end_s[0] = time.perf_counter() + seconds
            while not end_s[0]:
                time.sleep(0.001)
            step = 0
            while time.perf_counter() < end_s[0]:
                step += 1
                try:
                    times.append(_ask_ms(client, image, pixels, PROMPTS[step % len(PROMPTS)]))
                except WireError as exc:
                    declined.append(str(exc))
                    time.sleep(0.01)  # as a client would: not at once again

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(declined)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=8.0, help="for each number of clients")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    if "overhead" in options.only:
        measure_overhead(options.rounds)
    if "start" in options.only:
        measure_start(max(3, options.rounds // 5))
    if "prompts" in options.only:
        measure_prompts(options.photo, max(3, options.rounds // 10))
    if "clients" in options.only:
        measure_clients(options.photo, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
