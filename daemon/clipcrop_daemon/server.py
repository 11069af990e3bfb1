"""The front's loop: it waits, and hands what happened to the dispatcher."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType

import zmq

from . import __version__, systemd
from .dispatcher import STUCK_S, Dispatcher
from .errors import Flooded
from .instance import Instance
from .logs import log_bug
from .machine import max_connections, resident_bytes
from .model_process import WORKER_COMMAND, Event, ModelProcess
from .pipes import WorkerOptions
from .sessions import Peer, Sessions
from .settings import Settings
from .sockets import Sockets

logger = logging.getLogger(__name__)

MAX_FRONT_BYTES = 768 * 2**20
"""Above this a client is filling libzmq's memory, and the daemon ends. libzmq limits the size of a
frame, but not the number of frames of a message that never ends."""

_WATCH_S = 0.5  # how often that is looked at while there are connections

CHECK_FILES_S = 5.0
"""How often the daemon makes sure that its files are there."""


def serve(
    settings: Settings,
    instance: Instance,
    *,
    worker_command: Sequence[str] = WORKER_COMMAND,
    stuck_s: float = STUCK_S,
    check_files_s: float = CHECK_FILES_S,
    max_front_bytes: int = MAX_FRONT_BYTES,
    uses_tcp: bool = sys.platform == "win32",
) -> None:
    """Serve until a client, a signal or the end of the login says stop.

    Args:
        settings: What the user has set.
        instance: Our claim to be the only one; tells where to listen, and is told where we do.
        worker_command: How the model process is started.
        stuck_s: How long a cancelled stage may go on before that process is ended.
        check_files_s: See `CHECK_FILES_S`.
        max_front_bytes: See `MAX_FRONT_BYTES`.
        uses_tcp: Listen on 127.0.0.1 in place of unix sockets, which Windows does not have.

    Raises:
        CannotListen: no socket can be bound.
        CannotPublish: the connection file cannot be written.
        FilesRemoved: one of the daemon's files was deleted.
        Flooded: there are more connections, or more memory is taken, than allowed.
    """
    front = _Front(settings, instance, worker_command, stuck_s, check_files_s, uses_tcp)
    with contextlib.closing(front), _signals(front.wake):
        systemd.notify_ready()
        logger.info("daemon.started version=%s session=%s", __version__, instance.session)
        try:
            front.run(max_front_bytes)
        finally:
            systemd.notify_stopping()
    logger.info("daemon.stopped")


class _Front:
    """The sockets, the dispatcher, and what threads and signals leave for them."""

    def __init__(
        self,
        settings: Settings,
        instance: Instance,
        worker_command: Sequence[str],
        stuck_s: float,
        check_files_s: float,
        uses_tcp: bool,
    ) -> None:
        self._settings, self._instance = settings, instance
        self._worker_command, self._check_files_s = worker_command, check_files_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._models: dict[int, ModelProcess] = {}  # by what to watch, until they are gone
        self._wake_reader, self.wake = socket.socketpair()
        for one in (self._wake_reader, self.wake):
            one.setblocking(False)
        self._sessions = Sessions(instance.key, instance.session, __version__)
        self._dispatcher = Dispatcher(
            self._sessions,
            self._send,
            self._start_model,
            resident_bytes,
            lambda: self._sockets.num_connections,
            now_s=time.monotonic(),
            idle_s=60 * settings.idle_minutes,
            stuck_s=stuck_s,
        )
        self._open(uses_tcp)

    def run(self, max_front_bytes: int) -> None:
        """Until a client or a signal asks for the end; raises as `serve`."""
        try:
            self._run(max_front_bytes)
        finally:
            self._dispatcher.stop(time.monotonic())

    def _run(self, max_front_bytes: int) -> None:
        connections_limit = max_connections()
        watched_at_s = checked_at_s = time.monotonic()
        while not self._dispatcher.is_stopping:
            ready = self._wait()
            now_s = time.monotonic()
            if self._drain_wakes():
                logger.info("daemon.signalled")
                return
            with contextlib.suppress(queue.Empty):
                while True:
                    self._dispatcher.on_model(self._events.get_nowait(), now_s)
            for descriptor in [one for one in self._models if one in ready]:
                self._hear(descriptor, now_s)
            for peer, frames in self._sockets.receive(ready):
                try:
                    self._dispatcher.on_message(peer, frames, now_s)
                except Exception as exc:  # the edge: one message must not end the daemon
                    log_bug(logger, "message.failed", "", exc)
            self._dispatcher.on_time(time.monotonic())
            num_connections = self._sockets.num_connections
            if num_connections > connections_limit:
                raise Flooded(f"{num_connections} connections are open; the daemon ends")
            if num_connections and now_s >= watched_at_s + _WATCH_S:
                watched_at_s = now_s
                if resident_bytes([os.getpid()]) > max_front_bytes:
                    raise Flooded(f"over {max_front_bytes} bytes are taken; the daemon ends")
            if now_s >= checked_at_s + self._check_files_s:
                checked_at_s = now_s
                self._instance.check_files()

    def close(self) -> None:
        """Give everything back."""
        self._sockets.close()
        self._context.term()
        self._wake_reader.close()
        self.wake.close()

    def _open(self, uses_tcp: bool) -> None:
        self._sockets = Sockets(self._context, self._instance.socket_folder, uses_tcp)
        self._poller = zmq.Poller()
        self._sockets.register(self._poller)
        self._poller.register(self._wake_reader.fileno(), zmq.POLLIN)
        endpoints = self._sockets.endpoints
        try:
            self._instance.publish(work=endpoints["work"], control=endpoints["control"])
        except BaseException:
            self._sockets.close()
            raise

    def _wait(self) -> dict[object, int]:
        """Until something happens or is due -> what is ready."""
        now_s = time.monotonic()
        until_s = now_s + self._check_files_s
        if self._sockets.num_connections:
            until_s = min(until_s, now_s + _WATCH_S)
        wakeup_s = self._dispatcher.wakeup_s()
        if wakeup_s is not None:
            until_s = min(until_s, wakeup_s)
        return dict(self._poller.poll(max(0, 1 + int(1000 * (until_s - now_s)))))

    def _drain_wakes(self) -> bool:
        """Whether a signal was among what woke us; other wakes are zeros."""
        try:
            return any(self._wake_reader.recv(4096))
        except BlockingIOError:
            return False

    def _send(self, peer: Peer, frames: list[bytes]) -> bool:
        return self._sockets.send(peer, frames)

    def _start_model(self) -> ModelProcess:
        settings = self._settings
        options = WorkerOptions(
            model=settings.model,
            device=settings.device,
            threads=settings.threads,
            cache_bytes=settings.cache_mb * 2**20,
            log_level=settings.log_level,
        )
        process = ModelProcess(self._worker_command, options, self._on_event)
        if process.descriptor >= 0:
            self._models[process.descriptor] = process
            self._poller.register(process.descriptor, zmq.POLLIN)
        return process

    def _hear(self, descriptor: int, now_s: float) -> None:
        """What a model process says, at most a pipe full at a time."""
        said = self._models[descriptor].pump()
        if said is None:
            self._poller.unregister(descriptor)
            del self._models[descriptor]
        for one in said or ():
            self._dispatcher.on_model(one, now_s)

    def _on_event(self, event: Event) -> None:
        """From a thread of the model process's."""
        self._events.put(event)
        with contextlib.suppress(OSError):  # full: it wakes anyhow; closed: too late
            self.wake.send(b"\0")


@contextlib.contextmanager
def _signals(wake: socket.socket) -> Iterator[None]:
    """While inside, a signal to stop writes its number to ``wake`` instead; then it does nothing.

    Logging out may send two in a row, and the second must not keep us from cleaning up.
    """
    names = ["SIGINT", "SIGTERM", "SIGHUP"] if sys.platform != "win32" else ["SIGINT", "SIGBREAK"]
    numbers = [getattr(signal, name) for name in names]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)  # nohup
    for number in numbers:
        signal.signal(number, _note_signal)
    descriptor = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


def _note_signal(number: int, frame: FrameType | None) -> None:
    """The wakeup descriptor has its number; no more is to be done here."""
