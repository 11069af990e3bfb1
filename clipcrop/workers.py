"""Worker processes: one function over many items, the results in the items' order.

A worker that dies, for lack of memory say, costs the item that it had and nothing else.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

from .errors import ClipCropError, WorkerDied

T = TypeVar("T")
R = TypeVar("R")

SetUp = Callable[[], Callable[[T], R]]
"""Runs once in each worker and returns what is called with the items; it is pickled."""

ITEMS_AHEAD = 2
"""For each worker so many items are done or in work before the one whose turn it is."""

_STOP_S = 2.0


def map_in_order(
    set_up: SetUp[T, R], items: Sequence[T], num_workers: int
) -> Generator[R | WorkerDied, None, None]:
    """Call a function with each item in worker processes, each of which uses one thread.

    Close the iterator, and all workers end at once.

    Args:
        set_up: Loads what the function needs.
        items: What it is called with, one call each.
        num_workers: Processes.

    Yields:
        What the function returned, or why there is nothing, in the order of the items.

    Raises:
        ClipCropError: Raised by ``set_up``.
        WorkerDied: All workers died while they were set up.
    """
    todo = deque(range(len(items)))
    done: dict[int, R | WorkerDied] = {}
    workers: list[_Worker[T, R]] = []
    try:
        for turn in range(len(items)):
            while turn not in done:
                while todo and len(workers) < num_workers:
                    workers.append(_Worker(set_up))
                last = turn + ITEMS_AHEAD * num_workers
                for worker in workers:
                    if worker.index is None and todo and todo[0] < last:
                        index = todo.popleft()
                        worker.give(index, items[index])
                busy = {one.connection: one for one in workers if one.index is not None}
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    given = worker.index
                    assert given is not None
                    try:
                        answer = worker.take()
                    except WorkerDied as death:
                        workers.remove(worker)
                        if worker.is_set_up:
                            done[given] = death
                            continue
                        if not workers:
                            raise
                        todo = deque(sorted([given, *todo]))
                        num_workers = len(workers)  # there is room for no more
                        continue
                    if worker.index is None:
                        done[given] = answer
            yield done.pop(turn)
    finally:
        _stop(workers)


class _Worker(Generic[T, R]):
    """A process that works on one item at a time."""

    def __init__(self, set_up: SetUp[T, R]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, set_up), daemon=True)
        with _interrupts_ignored():  # Ctrl-C is this process's affair, which then ends the workers
            self.process.start()
        theirs.close()
        self.index: int | None = None
        self.is_set_up = False

    def give(self, index: int, item: T) -> None:
        """Let it work on an item."""
        self.index = index
        with contextlib.suppress(OSError):  # it has died: `take` says so
            self.connection.send(item)

    def take(self) -> R:
        """What it has sent: a result, after which ``index`` is None, or that it is set up.

        Raises:
            ClipCropError: It could not be set up.
            WorkerDied: It has ended.
        """
        try:
            kind, answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise WorkerDied(_last_words(self.process.exitcode)) from None
        if kind == "failed":
            raise answer
        if kind == "ready":
            self.is_set_up = True
        else:
            self.index = None
        result: R = answer
        return result


def _last_words(exit_code: int | None) -> str:
    how = f"exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        with contextlib.suppress(ValueError):
            how = signal.Signals(-exit_code).name
    return (
        f"the process that worked on it ended ({how}), perhaps because memory ran out; "
        "try it by itself, or with fewer --jobs"
    )


def _serve(connection: Connection, set_up: SetUp[T, R]) -> None:
    """The worker's side; ends when the other side of the connection is closed."""
    os.environ["OMP_NUM_THREADS"] = "1"  # before anything that computes is imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # temporary files are removed
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            work = set_up()
        except ClipCropError as exc:
            connection.send(("failed", exc))
            return
        connection.send(("ready", None))
        while True:
            connection.send(("done", work(connection.recv())))


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Start a process inside the block, and Ctrl-C does not reach it from its first moment on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _stop(workers: Sequence[_Worker[T, R]]) -> None:
    for worker in workers:
        worker.connection.close()
        if worker.index is not None:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(_STOP_S)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
