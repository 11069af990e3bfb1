"""The front's decisions: what is answered at once, queued, cancelled or declined, and when.

No socket, no clock and no process of its own: `Dispatcher` is told what happened and what time it
is, and says what to send. PROTOCOL.md 5 and 9.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from clipcrop_wire import protocol, sealing
from clipcrop_wire.errors import (
    Cancelled,
    InvalidRequest,
    MalformedMessage,
    NotAuthentic,
    ProtocolError,
    RequestError,
    Unavailable,
    UnknownImage,
    VersionMismatch,
)
from clipcrop_wire.messages import (
    CancelReply,
    CancelRequest,
    PingReply,
    Progress,
    ShutdownReply,
    StatusReply,
    SuggestRequest,
    UnloadReply,
    WarmRequest,
)
from clipcrop_wire.protocol import Request
from clipcrop_wire.rules import Message
from clipcrop_wire.sealing import Buffer

from . import __version__
from .model_process import WorkerExited, WorkerMessage
from .request_queue import Job, RequestQueue
from .sessions import Peer, Sessions

logger = logging.getLogger(__name__)

STUCK_S = 30.0
"""A cancelled stage may take so long to end; then the model process is ended."""

ANSWER_GRACE_S = 1.0
"""So long the answer to a cancelled request may take; the stage itself goes on until `STUCK_S`."""

ASK_TIMEOUT_S = 10.0
"""For the model process to answer a question that is no work: its start, and some."""

MAX_ASKED = 8
"""Questions to the model process that are no work, such as which models there are."""

_QUIET_S = 60.0  # strangers must not fill the log


class Model(Protocol):
    """The model process, as far as decisions need it."""

    pid: int

    def send(self, header: bytes, parts: Sequence[Buffer] = ()) -> None:
        """Send a request."""

    def kill(self) -> None:
        """End it at once."""


@dataclass
class _Running:
    job: Job
    stage: str = ""
    cancelled_at_s: float | None = None
    is_answered: bool = False
    """The client has been told that it is cancelled; later answers are dropped."""


class Dispatcher:
    """All state of the front but sockets."""

    def __init__(
        self,
        sessions: Sessions,
        send: Callable[[Peer, list[bytes]], bool],
        start_model: Callable[[], Model],
        resident_bytes: Callable[[Sequence[int]], int],
        num_connections: Callable[[], int],
        *,
        now_s: float,
        idle_s: float = 0.0,
        stuck_s: float = STUCK_S,
    ) -> None:
        """Begin with nothing to do.

        Args:
            sessions: Seals of the connections.
            send: Sends frames to a client; False if it is not there any more.
            start_model: Starts the model process; OSError if that cannot be.
            resident_bytes: Memory of processes, by pid.
            num_connections: Open ones, of strangers too.
            now_s: The clock's time; all other times are on the same clock.
            idle_s: The model process is ended after so long without work; 0: never.
            stuck_s: See `STUCK_S`.
        """
        self._sessions = sessions
        self._send_frames = send
        self._start_model = start_model
        self._resident_bytes, self._num_connections = resident_bytes, num_connections
        self._started_s = now_s
        self._idle_s, self._stuck_s = idle_s, stuck_s
        self._queue = RequestQueue()
        self._running: _Running | None = None
        self._model: Model | None = None
        self._model_state: StatusReply | None = None
        self._asked: dict[str, Job] = {}  # of the model process, besides what is running
        self._retires = False  # the model process, once it is done
        self._worked_at_s = now_s
        self._num_done = 0
        self._refused_at_s: float | None = None
        self.is_stopping = False
        """A client has asked for the end."""

    def on_message(self, peer: Peer, frames: Sequence[Buffer], now_s: float) -> None:
        """Frames came from a client. Never raises."""
        try:
            if sealing.is_hello(frames):
                self._send_frames(peer, self._sessions.handshake(peer, frames))
                logger.debug("client.greeted name=%s", self._sessions.client_name(peer))
                return
            header, pixels = self._sessions.open(peer, frames)
            # The model process compares hashes, while it works.
            request = protocol.decode_request(header, pixels, checks_hashes=False)
        except (VersionMismatch, NotAuthentic, MalformedMessage) as exc:
            self._note_refusal(exc, now_s)
            if isinstance(exc, (VersionMismatch, NotAuthentic)):
                self._send_frames(peer, sealing.refusal_frames())
            elif exc.request_id:
                self._decline(peer, exc.request_id, exc.kind, InvalidRequest(str(exc)))
        else:
            self._on_request(peer, request, now_s)

    def on_model(self, event: WorkerMessage | WorkerExited, now_s: float) -> None:
        """The model process said something, or ended."""
        if event.process is not self._model:
            return  # one that was told to end
        if isinstance(event, WorkerExited):
            self._on_model_ended(event, now_s)
        elif event.kind == "status":
            self._model_state = StatusReply.from_map(event.body)
            self._retires = self._retires or self._model_state.state == "stopping"
        elif event.is_final:
            self._on_answer(event, now_s)
        elif self._running is not None and event.id == self._running.job.id:
            self._running.stage = event.body["stage"]
            if not self._running.is_answered and not self._send(
                self._running.job.peer, event.header
            ):
                self._cancel_running(now_s)  # the client that asked is gone

    def on_time(self, now_s: float) -> None:
        """Do what is due; to be called at `wakeup_s` at the latest."""
        for job in [job for job in self._queue if now_s >= job.deadline_s]:
            self._queue.remove(job.id)
            self._finish(job, now_s, _timed_out(job))
        self._give_up_asked(now_s)
        running = self._running
        if running is not None:
            if running.cancelled_at_s is None and now_s >= running.job.deadline_s:
                self._cancel_running(now_s)
            elif running.cancelled_at_s is not None:
                if now_s >= running.cancelled_at_s + min(ANSWER_GRACE_S, self._stuck_s):
                    self._answer_cancelled(running, now_s)
                if now_s >= running.cancelled_at_s + self._stuck_s:
                    logger.error("model.stuck id=%s stage=%s", running.job.id, running.stage)
                    self._running = None
                    self._end_model(now_s)
        elif self._is_idle and self._idle_s and now_s >= self._worked_at_s + self._idle_s:
            logger.info("model.released idle_s=%.0f", now_s - self._worked_at_s)
            self._end_model(now_s)
        self._start_next(now_s)

    def wakeup_s(self) -> float | None:
        """When `on_time` has something to do; None: not before something else happens."""
        times = [job.deadline_s for job in self._asked.values()]
        running = self._running
        if running is not None:
            cancelled_at_s = running.cancelled_at_s
            if cancelled_at_s is None:
                times.append(running.job.deadline_s)
            else:
                grace_s = self._stuck_s if running.is_answered else ANSWER_GRACE_S
                times.append(cancelled_at_s + min(grace_s, self._stuck_s))
        elif self._is_idle and self._idle_s:
            times.append(self._worked_at_s + self._idle_s)
        next_deadline_s = self._queue.next_deadline_s()
        if next_deadline_s is not None:
            times.append(next_deadline_s)
        return min(times, default=None)

    def stop(self, now_s: float) -> None:
        """Answer what waits or runs as cancelled, and end the model process."""
        self.is_stopping = True
        jobs = list(self._queue)
        if self._running is not None and not self._running.is_answered:
            jobs.append(self._running.job)
        self._running = None
        for job in jobs:
            self._queue.remove(job.id)
            self._finish(job, now_s, Cancelled("cancelled; the daemon is stopping"))
        self._end_model(now_s)

    def status(self, now_s: float) -> StatusReply:
        """What the daemon is doing."""
        model = self._model_state
        pids = [os.getpid()] + ([self._model.pid] if self._model is not None else [])
        return StatusReply(
            version=__version__,
            pid=os.getpid(),
            uptime_s=max(0.0, now_s - self._started_s),
            state=self._state(),
            loaded=model.loaded if model else (),
            device=model.device if model else "",
            num_queued=len(self._queue),
            num_clients=self._num_connections(),
            num_done=self._num_done,
            num_cached_images=model.num_cached_images if model else 0,
            cache_bytes=model.cache_bytes if model else 0,
            resident_bytes=self._resident_bytes(pids),
        )

    @property
    def _is_idle(self) -> bool:
        """The model process runs, and no request needs it."""
        return self._model is not None and not (self._running or self._asked or len(self._queue))

    def _state(self) -> str:
        if self.is_stopping:
            return "stopping"
        if self._running is None:
            return "idle"
        return "loading" if self._running.stage in ("", "loading") else "working"

    def _on_request(self, peer: Peer, request: Request, now_s: float) -> None:
        body = request.body
        logger.debug("request.started id=%s kind=%s", request.id, request.kind)
        if peer.socket not in protocol.MESSAGES[request.kind].sockets:
            error = InvalidRequest(f"{request.kind!r} is not for the {peer.socket} socket")
            self._decline(peer, request.id, request.kind, error)
        elif isinstance(body, (SuggestRequest, WarmRequest)):
            deadline_s = now_s + body.timeout_s
            self._enqueue(Job(peer, request, now_s, deadline_s), now_s)
        elif isinstance(body, CancelRequest):
            self._reply(peer, request, CancelReply(self._cancel(body.request_id, now_s)))
        elif request.kind == "models":
            self._ask_model(Job(peer, request, now_s, now_s + ASK_TIMEOUT_S), now_s)
        elif request.kind == "ping":
            self._reply(peer, request, PingReply())
        elif request.kind == "status":
            self._reply(peer, request, self.status(now_s))
        elif request.kind == "unload":
            self._reply(peer, request, UnloadReply(self._unload(now_s)))
        elif request.kind == "shutdown":
            self._reply(peer, request, ShutdownReply())
            self.is_stopping = True
        else:
            error = InvalidRequest(f"{request.kind!r} begins a conversation, it is not a request")
            self._decline(peer, request.id, request.kind, error)

    def _enqueue(self, job: Job, now_s: float) -> None:
        try:
            self._check(job)
        except RequestError as exc:
            self._finish(job, now_s, exc)
            return
        self._queue.add(job)
        if self._running is not None:
            header = protocol.encode_progress(job.id, Progress("queued"))
            self._send(job.peer, header)
        self._start_next(now_s)

    def _check(self, job: Job) -> None:
        """Raises what speaks against a job."""
        if self.is_stopping:
            raise Unavailable("the daemon is stopping")
        running = self._running
        known = [*self._queue, *([running.job] if running else [])]
        if any(other.id == job.id for other in known):
            raise InvalidRequest(f"there is a request {job.id!r} already; ids are used once")
        self._queue.check_room(job, running.job if running and not running.is_answered else None)
        body = job.request.body
        if self._model is None and isinstance(body, SuggestRequest) and not body.image.is_inline:
            # No need to start the process to find out.
            raise UnknownImage("the daemon does not hold these pixels; send them")

    def _start_next(self, now_s: float) -> None:
        while self._running is None and not self.is_stopping:
            job = self._queue.take()
            if job is None:
                return
            # A client that has disconnected needs no work done.
            starting = protocol.encode_progress(job.id, Progress("starting"))
            if now_s > job.arrived_s and not self._send(job.peer, starting):
                self._note_end(job, now_s, "client_gone")
            elif self._pass_on(job, now_s):
                self._running = _Running(job)

    def _ask_model(self, job: Job, now_s: float) -> None:
        if self.is_stopping:
            self._finish(job, now_s, Unavailable("the daemon is stopping"))
        elif job.id in self._asked or len(self._asked) >= MAX_ASKED:
            error = Unavailable("too many such questions at once; wait for an answer")
            self._finish(job, now_s, error)
        elif self._pass_on(job, now_s):
            self._asked[job.id] = job

    def _pass_on(self, job: Job, now_s: float) -> bool:
        """Give a job to the model process, started if need be; False: answered as an error."""
        self._worked_at_s = now_s
        try:
            if self._model is None:
                self._model = self._start_model()
                logger.info("model.started pid=%d", self._model.pid)
        except OSError as exc:
            logger.exception("model.not_started")
            error = Unavailable(f"the model process cannot be started: {exc.strerror or exc}")
            self._finish(job, now_s, error)
            return False
        # Encoded anew: without fields that we don't know, so of bounded size.
        request = job.request
        self._model.send(protocol.encode_request(job.id, request.body), request.pixels)
        job.request = replace(request, pixels=())
        return True

    def _on_answer(self, event: WorkerMessage, now_s: float) -> None:
        running = self._running
        self._worked_at_s = now_s
        code = event.body["code"] if event.is_error else "ok"
        if running is not None and event.id == running.job.id:
            self._running = None
            if running.is_answered:
                pass
            elif running.cancelled_at_s is not None and code == "cancelled":
                self._answer_cancelled(running, now_s)
            else:
                self._pass_back(running.job, event, code, now_s)
        elif event.id in self._asked:
            self._pass_back(self._asked.pop(event.id), event, code, now_s)
        else:
            logger.info("model.late_answer id=%s", event.id)
        if self._retires and self._running is None and not self._asked:
            self._end_model(now_s)
        self._start_next(now_s)

    def _on_model_ended(self, event: WorkerExited, now_s: float) -> None:
        logger.error("model.ended reason=%s", event.reason)
        running, self._running = self._running, None
        self._end_model(now_s)
        if running is not None:
            advice = "the daemon's log says why"
            if event.is_killed:
                advice = "perhaps for lack of memory; try again, or choose a smaller model"
            if running.cancelled_at_s is not None:
                self._answer_cancelled(running, now_s)
            else:
                text = f"the model process ended by itself ({event.reason}); {advice}"
                self._finish(running.job, now_s, Unavailable(text))
        self._start_next(now_s)

    def _pass_back(self, job: Job, event: WorkerMessage, code: str, now_s: float) -> None:
        self._send(job.peer, event.header)
        self._note_end(job, now_s, code)

    def _answer_cancelled(self, running: _Running, now_s: float) -> None:
        """Tell the client of a running request, once, that it is cancelled."""
        if not running.is_answered:
            running.is_answered = True
            is_late = now_s >= running.job.deadline_s
            error = _timed_out(running.job) if is_late else Cancelled("cancelled")
            self._finish(running.job, now_s, error)

    def _give_up_asked(self, now_s: float) -> None:
        """Answer questions that the model process has not; it is of no use if it does not work."""
        late = [job for job in self._asked.values() if now_s >= job.deadline_s]
        for job in late:
            del self._asked[job.id]
            error = Unavailable(f"the model process gave no answer in {ASK_TIMEOUT_S:g} s")
            self._finish(job, now_s, error)
        if late and self._running is None:
            logger.error("model.mute asked=%d", len(late))
            self._end_model(now_s)

    def _cancel(self, request_id: str, now_s: float) -> str:
        job = self._queue.remove(request_id)
        if job is not None:
            self._finish(job, now_s, Cancelled("cancelled"))
            return "queued"
        if self._running is not None and self._running.job.id == request_id:
            self._cancel_running(now_s)
            return "running"
        return "nowhere"

    def _cancel_running(self, now_s: float) -> None:
        running = self._running
        if running is not None and running.cancelled_at_s is None and self._model is not None:
            running.cancelled_at_s = now_s
            self._model.send(protocol.encode_request("cancel", CancelRequest(running.job.id)))

    def _unload(self, now_s: float) -> tuple[str, ...]:
        loaded = self._model_state.loaded if self._model_state else ()
        if self._running is None and not self._asked:
            self._end_model(now_s)
        else:
            self._retires = True
        logger.info("model.unloaded names=%s", ",".join(loaded))
        return loaded

    def _end_model(self, now_s: float) -> None:
        """End the process; what it still says is not listened to."""
        if self._model is not None:
            self._model.kill()
        self._model, self._model_state, self._retires = None, None, False
        asked, self._asked = list(self._asked.values()), {}
        for job in asked:
            self._finish(job, now_s, Unavailable("the model process was ended; ask again"))

    def _finish(self, job: Job, now_s: float, error: RequestError) -> None:
        """Answer a job that gets no reply of the model."""
        self._note_end(job, now_s, error.code)
        self._decline(job.peer, job.id, job.request.kind, error)

    def _note_end(self, job: Job, now_s: float, outcome: str) -> None:
        self._num_done += 1
        logger.info(
            "request.done id=%s kind=%s client=%s ms=%.0f outcome=%s",
            job.id,
            job.request.kind,
            self._sessions.client_name(job.peer),
            1000 * (now_s - job.arrived_s),
            outcome,
        )

    def _note_refusal(self, exc: ProtocolError, now_s: float) -> None:
        """A line in the log, but not one for every message of a flood."""
        is_loud = self._refused_at_s is None or now_s >= self._refused_at_s + _QUIET_S
        if is_loud:
            self._refused_at_s = now_s
        level = logging.WARNING if is_loud else logging.DEBUG
        logger.log(level, "message.refused error=%s reason=%s", type(exc).__name__, exc)

    def _reply(self, peer: Peer, request: Request, reply: Message) -> None:
        self._send(peer, protocol.encode_reply(request.id, request.kind, reply))

    def _decline(self, peer: Peer, request_id: str, kind: str, error: RequestError) -> None:
        self._send(peer, protocol.encode_error(request_id, kind, error))

    def _send(self, peer: Peer, header: bytes) -> bool:
        return self._send_frames(peer, self._sessions.seal(peer, header))


def _timed_out(job: Job) -> Cancelled:
    return Cancelled(f"no result after {job.deadline_s - job.arrived_s:g} s; cancelled")
