"""The model process: one request at a time, until its input ends.

One thread works. Another reads, so that a cancel is heard and the list of models given meanwhile;
a third compares hashes, and a fourth tells of stages that take long. The model's memory, a GPU's
too, is given back by ending this process.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO

from clipcrop.errors import OutOfMemory
from clipcrop_wire import protocol
from clipcrop_wire.errors import Cancelled, InternalError, InvalidRequest, MalformedMessage
from clipcrop_wire.messages import CancelRequest, Progress, StatusReply
from clipcrop_wire.protocol import Request
from clipcrop_wire.rules import Message

from . import __version__
from .logs import log_bug
from .model_pool import trim_memory
from .pipes import SharedPixels, WorkerOptions, read_message, write_message
from .service import Service, ServiceState, error_for, make_service

logger = logging.getLogger(__name__)

STATE_ID = "state"
"""Of the messages by which this process tells, unasked, what it holds when that has changed."""

PROGRESS_AFTER_S = 0.1
"""Delay of the first report and time between two, in seconds: faster ones cannot be read."""

MakeService = Callable[[WorkerOptions], Service]


def main(arguments: Sequence[str], make: MakeService) -> None:
    """Serve until the front closes the pipe, or is gone."""
    options = WorkerOptions.from_json(arguments[0])
    logging.basicConfig(
        format="%(levelname)s %(name)s %(message)s", level=options.log_level, stream=sys.stderr
    )
    # Ctrl-C in a terminal reaches the whole group; the front decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = options.pixels_descriptor
    shared = SharedPixels(descriptor) if descriptor >= 0 else None
    worker = Worker(make(options), sys.stdin.buffer, _own_stdout(), shared)
    threading.Thread(target=worker.read, name="reader", daemon=True).start()
    try:
        worker.run()
    except Exception:  # memory, for the answer itself
        logger.exception("worker.failed")
        os._exit(1)  # without waiting for the reader, which Python takes for a fatal error


class Worker:
    """Requests from one pipe, answers to another."""

    def __init__(
        self, service: Service, source: BinaryIO, sink: BinaryIO, shared: SharedPixels | None
    ) -> None:
        self._service = service
        self._source, self._sink, self._shared = source, sink, shared
        self._sink_lock = threading.Lock()
        self._started_s = time.monotonic()
        self._told: tuple[ServiceState, bool] | None = None
        self._jobs: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._checker = ThreadPoolExecutor(1, "checker")
        self._progress = ProgressReporter(self._send)
        self._is_spent = False
        self._cancelled_id = ""
        """The front sends one job at a time, so there is one to be cancelled at most."""

    def read(self) -> None:
        """Take in what the front sends; ends the process when the front is gone."""
        try:
            while (message := read_message(self._source, self._shared)) is not None:
                self._take(protocol.decode_request(*message, checks_hashes=False))
        except Exception as exc:
            log_bug(logger, "pipe.broken", "", exc)
        # The other thread may be at work; its result is no longer needed.
        os._exit(0)

    def run(self) -> None:
        """Work, for ever."""
        while True:
            request = self._jobs.get()
            header = self._answer(request, partial(self._work, request))
            self._progress.end()
            del request  # its pixels
            # Before the answer: a client that has it may ask what is held now.
            has_changed = self._send_state()
            self._send(header)
            del header
            if has_changed:  # after an image or a model, and when its client has the answer
                trim_memory()

    def _take(self, request: Request) -> None:
        if isinstance(request.body, CancelRequest):
            self._cancelled_id = request.body.request_id
        elif request.kind == "models":
            header = self._answer(request, self._service.models)
            if self._is_spent:
                self._send_state()
            self._send(header)
        else:
            self._jobs.put(request)

    def _work(self, request: Request) -> Message:
        # Hashes are compared while the model works: nothing is answered, and nothing stays, before
        # they are known to be right. Begun by this thread, which the system lets run on.
        check = self._checker.submit(_check_hashes, request)
        try:
            return self._service.answer(request, self._stages_of(request))
        finally:
            error = check.exception()
            if error is not None:
                self._service.forget(request)
                raise error

    def _stages_of(self, request: Request) -> Callable[[str, str], None]:
        def enter_stage(stage: str, text: str) -> None:
            if request.id == self._cancelled_id:
                raise Cancelled("cancelled")
            self._progress.enter(request.id, stage, text)

        return enter_stage

    def _answer(self, request: Request, work: Callable[[], Message]) -> bytes:
        """The edge: whatever happens becomes the one answer to a request."""
        try:
            return protocol.encode_reply(request.id, request.kind, work())
        except Exception as exc:
            error = error_for(exc, request.id)
            if isinstance(error, InternalError):
                log_bug(logger, "request.failed", request.id, exc)
            self._is_spent = self._is_spent or leaves_damage(exc)
            return protocol.encode_error(request.id, request.kind, error)

    def _send_state(self) -> bool:
        """Send what is held, if that has changed; returns whether it has."""
        state = (self._service.state(), self._is_spent)
        if state == self._told:
            return False
        self._told = state
        held = state[0]
        reply = StatusReply(
            version=__version__,
            pid=os.getpid(),
            uptime_s=time.monotonic() - self._started_s,
            state="stopping" if self._is_spent else "idle",
            loaded=held.loaded,
            device=held.device,
            num_cached_images=held.num_cached_images,
            cache_bytes=held.cache_bytes,
        )
        self._send(protocol.encode_reply(STATE_ID, "status", reply))
        return True

    def _send(self, header: bytes) -> None:
        with self._sink_lock:
            write_message(self._sink, header)


class ProgressReporter:
    """Sends, from a thread of its own, the last stage that was entered.

    Reporting a stage does not block the work, and a quick request sends no reports.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        """``send`` takes a header."""
        self._send = send
        self._has_news = threading.Condition()
        self._untold: tuple[str, Progress] | None = None
        self._untold_since_s = 0.0
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def enter(self, request_id: str, stage: str, text: str) -> None:
        """A stage begins."""
        with self._has_news:
            if self._untold is None:  # many short stages are told, too, now and then
                self._untold_since_s = time.monotonic()
                self._has_news.notify()
            self._untold = (request_id, Progress(stage, None, text))

    def end(self) -> None:
        """The request is answered: nothing is told of it any more."""
        with self._has_news:
            self._untold = None

    def _run(self) -> None:
        with self._has_news:
            while True:
                if self._untold is None:
                    self._has_news.wait()
                elif (left_s := self._untold_since_s + PROGRESS_AFTER_S - time.monotonic()) > 0:
                    self._has_news.wait(left_s)
                else:
                    # Sent before `end` can return: progress never comes after the answer.
                    self._send(protocol.encode_progress(*self._untold))
                    self._untold = None


def leaves_damage(exc: Exception) -> bool:
    """Whether an error may have left this process unfit for the next request.

    An import that fails, for lack of memory above all, leaves modules that are there by half and
    fail in other ways from then on. A bug may have left anything. The front replaces the process.
    """
    if isinstance(error_for(exc, ""), InternalError):
        return True
    reason: BaseException | None = exc
    while reason is not None:
        if isinstance(reason, MemoryError | ImportError | OutOfMemory):
            return True
        reason = reason.__cause__ or reason.__context__
    return False


def _check_hashes(request: Request) -> None:
    try:
        protocol.check_hashes(request)
    except MalformedMessage as exc:
        raise InvalidRequest(str(exc)) from exc


def _own_stdout() -> BinaryIO:
    """The pipe to the front for us alone: what libraries print goes to stderr."""
    descriptor = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(descriptor, "wb")


if __name__ == "__main__":
    main(sys.argv[1:], make_service)
