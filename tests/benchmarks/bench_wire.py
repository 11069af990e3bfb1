"""What a request costs besides the model: sealing, sending, opening, hashing, answering.

A process of its own answers with one suggestion from a ROUTER of libzmq. It is not the daemon: it
has no queue and no second thread. Clients: ours on the standard library, and the same messages
through pyzmq, in alternating rounds.

    python tests/benchmarks/bench_wire.py --rounds 50
"""

from __future__ import annotations

import argparse
import multiprocessing
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import zmq

from clipcrop_wire import protocol, sealing
from clipcrop_wire.client import Client
from clipcrop_wire.endpoint import ConnectionFile, write_connection_file
from clipcrop_wire.messages import (
    HelloReply,
    HelloRequest,
    Image,
    PingReply,
    Suggestion,
    SuggestReply,
    SuggestRequest,
)

SIZES_PX = {"0.2 MB": (296, 236), "2 MB": (1024, 683), "8 MB": (2048, 1366)}
CROP = Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, 2, 2), 0.75)
ANSWERS = {
    "ping": PingReply(),
    "suggest": SuggestReply("lite", "cpu", "match", False, False, suggestions=(CROP,) * 8),
}


def answer_all(endpoint: str, key: bytes, ready: Pipe) -> None:
    """Be the far end, for ever."""
    router = zmq.Context().socket(zmq.ROUTER)
    router.bind(endpoint)
    ready.send(router.getsockopt_string(zmq.LAST_ENDPOINT))
    channels: dict[bytes, sealing.Channel] = {}
    while True:
        identity, *frames = router.recv_multipart(copy=False)
        peer, parts = identity.bytes, [frame.buffer for frame in frames]
        if sealing.is_hello(parts):
            hello = protocol.decode_request(sealing.open_hello(key, parts)).body
            assert isinstance(hello, HelloRequest)
            nonce = secrets.token_bytes(32)
            header = protocol.encode_reply("hello", "hello", HelloReply(nonce, 0))
            router.send_multipart([peer, *sealing.seal_welcome(key, hello.nonce, header)])
            channels[peer] = sealing.Channel(key, nonce)
        else:
            request = protocol.decode_request(*channels[peer].open(parts))
            header = protocol.encode_reply(request.id, request.kind, ANSWERS[request.kind])
            router.send_multipart([peer, *channels[peer].seal(header)])


class PyzmqClient:
    """The same conversation through libzmq."""

    def __init__(self, endpoint: str, key: bytes) -> None:
        self._dealer = zmq.Context.instance().socket(zmq.DEALER)
        self._dealer.connect(endpoint)
        nonce = secrets.token_bytes(32)
        hello = protocol.encode_request("hello", HelloRequest("0" * 32, "work", nonce, 0))
        self._dealer.send_multipart(sealing.seal_hello(key, hello))
        header = sealing.open_welcome(key, nonce, self._dealer.recv_multipart())
        welcome = protocol.decode_reply(header).body
        assert isinstance(welcome, HelloReply)
        self._channel = sealing.Channel(key, welcome.nonce)

    def suggest(self, image: Image, pixels: bytes) -> None:
        """Ask and wait."""
        header = protocol.encode_request(secrets.token_hex(16), SuggestRequest(image, "the dog"))
        frames = [*self._channel.seal(header, [pixels]), pixels]
        self._dealer.send_multipart(frames, copy=False)
        protocol.decode_reply(self._channel.open(self._dealer.recv_multipart())[0])


def milliseconds(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Wall time of each task in each round, after five of warming up; the tasks alternate."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for index in range(rounds + 5):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            if index >= 5:
                taken[name].append(1000 * (time.perf_counter() - started))
    return taken


def ask(client: Client, pixels: bytes, size_px: tuple[int, int]) -> None:
    """As an editor does: describe the pixels (a hash), send, wait."""
    client.suggest(Image.of(pixels, *size_px, "rgb8"), pixels, "the dog")


def ask_pyzmq(client: PyzmqClient, pixels: bytes, size_px: tuple[int, int]) -> None:
    """The same."""
    client.suggest(Image.of(pixels, *size_px, "rgb8"), pixels)


def measure(endpoint: str, folder: Path, rounds: int) -> None:
    """Print the rows of one transport."""
    key = secrets.token_bytes(32)
    here, there = multiprocessing.Pipe()
    far_end = multiprocessing.Process(target=answer_all, args=(endpoint, key, there), daemon=True)
    far_end.start()
    bound = here.recv()
    path = folder / "connection.json"
    write_connection_file(path, ConnectionFile("0" * 32, key, 1, 1.0, (bound,), (bound,)))
    reference = PyzmqClient(bound, key)
    with Client(path) as client:
        for name, size_px in SIZES_PX.items():
            pixels = secrets.token_bytes(3 * size_px[0] * size_px[1])
            taken = milliseconds(
                {
                    "ours": partial(ask, client, pixels, size_px),
                    "pyzmq": partial(ask_pyzmq, reference, pixels, size_px),
                    "hash only": partial(Image.of, pixels, *size_px, "rgb8"),
                },
                rounds,
            )
            cells = []
            for times in taken.values():
                low, middle, high = statistics.quantiles(times, n=4)
                cells.append(f"{middle:6.2f} ({low:.2f} to {high:.2f})")
            print(f"| {endpoint[:3]} | {name} | {' | '.join(cells)} |", flush=True)
    far_end.terminate()
    far_end.join()


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    print("Milliseconds a request, median (quartiles)\n")
    print("| transport | pixels | our client | pyzmq | one hash of the pixels |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="cc") as folder:
        measure(f"ipc://{folder}/s", Path(folder), rounds)
        measure("tcp://127.0.0.1:*", Path(folder), rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
