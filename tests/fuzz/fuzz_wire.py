"""Mutated bytes against what reads bytes: only errors of the tree may come out, and in time.

``python tests/fuzz/fuzz_wire.py --count 1000000 --seed 1`` is the nightly run; the unit tests run
a short one. A finding is printed with what makes it again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "daemon"))

from clipcrop_wire import messages, protocol, sealing
from clipcrop_wire.errors import ProtocolError, Unavailable
from clipcrop_wire.zmtp import Decoder, Limits, _encode

SLOW_S = 2.0
KEY = bytes(range(32))
NONCE = bytes(32)
PIXELS = bytes(range(24))
IMAGE = messages.Image.of(PIXELS, 4, 2, "rgb8")
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER"
LIMITS = Limits(max_message_bytes=4096, max_frames=4)
INTERESTING = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\xdf\0\0\1\0")


def seeds() -> dict[str, list[bytes]]:
    """Good bytes, by who reads them."""
    dog = messages.Detection("dog", 0.5, (0.0, 0.1, 0.9, 1.0))
    crop = messages.Suggestion((0.0, 0.0, 1.0, 1.0), (0, 0, 4, 2), 0.9)
    requests = [
        messages.SuggestRequest(IMAGE, "the dog", ("the car",), IMAGE, 1.5),
        messages.HelloRequest("0" * 32, "work", bytes(32), 0),
        messages.WarmRequest(),
        messages.CancelRequest("a"),
        messages.PingRequest(),
    ]
    headers = [protocol.encode_request("id", request) for request in requests]
    suggested = messages.SuggestReply(
        "lite", "cpu", "match", False, True, (dog,), (), (dog,), (crop,), {"search": 0.1}
    )
    replies = [
        protocol.encode_reply("id", "suggest", suggested),
        protocol.encode_reply("id", "hello", messages.HelloReply(bytes(32), 0)),
        protocol.encode_error("id", "suggest", Unavailable("busy")),
        protocol.encode_progress("id", messages.Progress("loading", 0.5)),
    ]
    frames = b"".join(bytes(part) for part in _encode([b"seal", headers[0], PIXELS]))
    ping = b"\x04\x0b\x04PING\x00\x0acafe"
    return {
        "zmtp": [GREETING + READY + frames + ping + frames],
        "request": headers,
        "reply": replies,
        "seal": [b"|".join(sealing.Channel(KEY, NONCE).seal(headers[0]))],
    }


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A few changes of the kinds that break parsers."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(6)
        if how == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif how == 1 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif how == 2:
            del changed[at : at + rng.choice((1, 2, 8, 64))]
        elif how == 3:
            changed[at:at] = rng.choice(INTERESTING)
        elif how == 4:
            changed[at:at] = changed[at : at + rng.choice((1, 8, 64))]
        else:
            del changed[at:]
    return bytes(changed)


def read_zmtp(data: bytes, rng: random.Random) -> None:
    """As a socket would give it: in pieces."""
    decoder = Decoder(LIMITS)
    while data:
        size = rng.choice((1, 5, 64, 4096))
        for message in decoder.feed(data[:size]):
            assert sum(map(len, message)) <= LIMITS.max_message_bytes
            assert len(message) <= LIMITS.max_frames
        decoder.take_answers()
        data = data[size:]


def read_request(data: bytes, rng: random.Random) -> None:
    """As the daemon does once the seal is open."""
    protocol.decode_request(data, PIXELS if rng.randrange(2) else PIXELS * 2)


def read_reply(data: bytes, rng: random.Random) -> None:
    """As the client does once the seal is open."""
    protocol.decode_reply(data)


def read_seal(data: bytes, rng: random.Random) -> None:
    """As both do first; a change must not go unnoticed."""
    good = seeds_of["seal"][0]
    header, _ = sealing.Channel(KEY, NONCE).open(data.split(b"|", 1))
    assert data == good, "a changed message was taken for genuine"
    assert good.endswith(header)


READERS: dict[str, Callable[[bytes, random.Random], None]] = {
    "zmtp": read_zmtp,
    "request": read_request,
    "reply": read_reply,
    "seal": read_seal,
}
seeds_of = seeds()


def main() -> int:
    """Run; the exit code is 1 after a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    refused, started = 0, time.monotonic()
    for number in range(options.count):
        rng = random.Random(f"{options.seed}:{number}")
        name = rng.choice(sorted(READERS))
        data = mutate(rng.choice(seeds_of[name]), rng)
        began = time.monotonic()
        try:
            READERS[name](data, rng)
        except ProtocolError:
            refused += 1
        except Exception as exc:
            print(f"finding: seed {options.seed}:{number} {name} {type(exc).__name__}: {exc}")
            print(f"bytes: {data.hex()}")
            return 1
        if time.monotonic() - began > SLOW_S:
            print(f"finding: seed {options.seed}:{number} {name} took {time.monotonic() - began}")
            return 1
    seconds = time.monotonic() - started
    print(f"{options.count} streams, {refused} refused, no finding, {seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
