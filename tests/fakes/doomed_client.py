"""A client process for tests to kill: ``python doomed_client.py CONNECTION_FILE PROMPT SIZE_PX``.

It says "connected" once the daemon has proved itself; after a line on standard input it sends a
request, as much of it as fits into the socket at once, and says "half" or "sent". Then it waits.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clipcrop_wire.connection import Connection
from clipcrop_wire.endpoint import read_connection_file
from clipcrop_wire.messages import Image, PingRequest, SuggestRequest


def main(connection_file: str, prompt: str, size_px: str) -> None:
    """Never returns."""
    info = read_connection_file(Path(connection_file))
    connection = Connection(info, "work", info.work[0], "doomed")
    ping = connection.start(PingRequest(), timeout_s=20)
    while not ping.is_done:
        connection.pump()
        connection.wait(1)
    ping.result()
    _say("connected")
    sys.stdin.readline()
    side = int(size_px)
    pixels = bytes(side * side)
    image = Image.of(pixels, side, side, "gray8")
    connection.start(SuggestRequest(image, prompt), (pixels,), timeout_s=60)
    connection.pump()
    _say("half" if connection.wants_to_write else "sent")
    while True:
        connection.wait(60)
        connection.pump()


def _say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - to the test


if __name__ == "__main__":
    main(*sys.argv[1:])
