"""What worker processes do in tests; as a program, work that only Ctrl-C ends."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from clipcrop.errors import InputError
from clipcrop.workers import map_in_order

Task = Callable[[str], str]


def do(task: str) -> str:
    """Carry out a task: "die", "pid", "threads", "open PIPE", "wait PIPE", or say it again."""
    what, _, path = task.partition(" ")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "pid":
        return str(os.getpid())
    if what == "threads":
        return os.environ["OMP_NUM_THREADS"]
    if what == "open":  # returns when another process waits at the other end, and the reverse
        os.close(os.open(path, os.O_WRONLY))
    if what == "wait":
        os.close(os.open(path, os.O_RDONLY))
    return task


def set_up() -> Task:
    """Nothing to load."""
    return do


def refuse() -> Task:
    """As a model whose weights are missing."""
    raise InputError("no weights")


def die() -> Task:
    """As a model that is too large."""
    os.kill(os.getpid(), signal.SIGKILL)
    return do


def be_the_only_one(pipe: Path, others: int) -> Task:
    """As a model for which there is memory once; the others die while the one is set up."""
    try:
        pipe.with_name("mark").touch(exist_ok=False)
    except FileExistsError:
        pipe.write_bytes(b".")
        return die()
    deaths = os.open(pipe, os.O_RDWR)  # not only to read: the pipe ends with its last writer
    for _ in range(others):
        os.read(deaths, 1)
    os.close(deaths)
    return do


def only_one(pipe: Path, others: int) -> Callable[[], Task]:
    """`be_the_only_one` as a set-up."""
    return functools.partial(be_the_only_one, pipe, others)


def main() -> None:
    """Print the ids of two workers, then wait for what never comes."""
    tasks = ["pid", "pid", f"wait {sys.argv[1]}", f"wait {sys.argv[1]}"]
    with contextlib.closing(map_in_order(set_up, tasks, 2)) as results:
        for result in results:
            print(result, flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
