"""The front's end of the model process: start it, talk to it, end it.

Nothing here waits. What the process says the front reads when its poller says so, since each thread
between costs a tenth of a millisecond; where pipes cannot be polled (Windows), a thread reads. Its
end, and there all it says, comes to a callback on a thread of this module's own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

import msgpack

from clipcrop_wire.sealing import Buffer

from .pipes import MessageReader, SharedPixels, WorkerOptions, has_room, write_message

logger = logging.getLogger(__name__)

_SAFE_PATH = ("-P",) if sys.version_info >= (3, 11) else ()
WORKER_COMMAND = (sys.executable, *_SAFE_PATH, "-m", "clipcrop_daemon.worker")
_MAX_LOG_LINE_BYTES = 8192
_MAX_UNREAD_BYTES = 48 * 1024
"""What a process that is held up may leave unread: a job's header (19 kB at most), its cancel and
some questions. A pipe that takes this much never makes the front wait."""

_READ_BYTES = 64 * 1024

_LOG_LINE = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) (\S+) (.*)", re.DOTALL)


@dataclass(frozen=True)
class WorkerMessage:
    """The process has sent a message."""

    process: ModelProcess
    kind: str
    id: str
    is_final: bool
    """The reply, not only how far it is."""

    is_error: bool
    body: dict[str, Any]
    header: bytes
    """All of it as bytes, to be sealed and sent on."""


@dataclass(frozen=True)
class WorkerExited:
    """The process is gone; nothing comes after this."""

    process: ModelProcess
    reason: str
    """For people: "killed by signal 9"."""

    is_killed: bool = True
    """As the system does when memory is short; else it ended with a code."""


Event = WorkerMessage | WorkerExited


class ModelProcess:
    """One run of the model process."""

    def __init__(
        self,
        command: Sequence[str],
        options: WorkerOptions,
        on_event: Callable[[Event], None],
    ) -> None:
        """Start it; that takes a few milliseconds.

        Args:
            command: What to run; the options are added to it.
            options: See there.
            on_event: Called from other threads, with what does not come by `pump`.

        Raises:
            OSError: it cannot be started.
        """
        self._on_event = on_event
        self._shared = SharedPixels.create()
        passed = () if self._shared is None else (self._shared.descriptor,)
        if passed:
            options = replace(options, pixels_descriptor=passed[0])
        try:
            self._process = subprocess.Popen(
                [*command, options.to_json()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Python 3.10 imports from its working directory: the interpreter's own folder.
                cwd=sys.prefix,
                pass_fds=passed,
            )
        except BaseException:
            if self._shared is not None:
                self._shared.close()
            raise
        self.pid = self._process.pid
        self._outbox: queue.SimpleQueue[tuple[bytes, Sequence[Buffer]] | None] = queue.SimpleQueue()
        self._writes_at_once = self._shared is not None and has_room(
            cast("BinaryIO", self._process.stdin), _MAX_UNREAD_BYTES
        )
        self._reader = MessageReader()
        self.descriptor = -1 if sys.platform == "win32" else self._stdout.fileno()
        """What to watch for reading, to call `pump` then; -1: all comes to the callback."""

        for work in (self._write_all, self._relay_log):
            self._start(work)
        if self.descriptor < 0:
            self._start(self._read_all)

    def send(self, header: bytes, parts: Sequence[Buffer] = ()) -> None:
        """Send a request; the pixels must not change before its answer."""
        if self._writes_at_once:
            self._write(header, parts)
        else:
            self._outbox.put((header, parts))

    def pump(self) -> list[WorkerMessage] | None:
        """What it has said by now; None once nothing more can come, and `WorkerExited` follows."""
        said = self._read()
        if said is None:
            self._start(self._reap)
        return said

    def kill(self) -> None:
        """End it at once; `WorkerExited` follows."""
        self._process.kill()

    @property
    def _stdout(self) -> BinaryIO:
        return cast("BinaryIO", self._process.stdout)

    def _start(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=f"model-{work.__name__}", daemon=True).start()

    def _write_all(self) -> None:
        while (message := self._outbox.get()) is not None:
            self._write(*message)
        with contextlib.suppress(OSError):
            cast("BinaryIO", self._process.stdin).close()

    def _write(self, header: bytes, parts: Sequence[Buffer]) -> None:
        with contextlib.suppress(OSError, ValueError):  # it is gone: `_read` tells
            write_message(cast("BinaryIO", self._process.stdin), header, parts, self._shared)

    def _read_all(self) -> None:
        while (said := self._read()) is not None:
            for one in said:
                self._on_event(one)
        self._reap()

    def _read(self) -> list[WorkerMessage] | None:
        """Read once; None at the end. What cannot be read ends the process."""
        data = os.read(self._stdout.fileno(), _READ_BYTES)
        if not data:
            return None
        try:
            return [self._message(header) for header in self._reader.feed(data)]
        except Exception:
            logger.exception("model.unreadable pid=%d", self.pid)
            self._process.kill()
            return []

    def _reap(self) -> None:
        code = self._process.wait()
        self._stdout.close()
        self._outbox.put(None)
        if self._shared is not None:
            self._shared.close()
        reason = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._on_event(WorkerExited(self, reason, is_killed=code < 0))

    def _message(self, header: bytes) -> WorkerMessage:
        values = msgpack.unpackb(header)
        kind = values["kind"]
        return WorkerMessage(
            process=self,
            kind=kind,
            id=values["id"],
            is_final=kind != "progress",
            is_error=values.get("status") == "error",
            body=values["body"],
            header=header,
        )

    def _relay_log(self) -> None:
        pipe = cast("BinaryIO", self._process.stderr)
        relay_log(pipe)
        pipe.close()


def relay_log(stream: BinaryIO) -> None:
    """Put what the model process writes on stderr into our log, line by line.

    Lines of its own logging keep their level and name. Others (a traceback, what a library or the
    system says) have those of the line before them.
    """
    level: int = logging.WARNING
    name = "model"
    while line := stream.readline(_MAX_LOG_LINE_BYTES):
        text = line.decode("utf-8", "replace").rstrip()
        if found := _LOG_LINE.fullmatch(text):
            level, name, text = getattr(logging, found[1]), found[2], found[3]
        if text:
            logging.getLogger(name).log(level, "%s", text)
