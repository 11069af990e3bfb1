"""Requests to the daemon from an editor's event loop; nothing here waits.

    client = DaemonClient(read_config(), loop, "GIMP plug-in")
    pending = client.suggest(request, (pixels,), on_answer=show)     # show(pending)
    client.cancel(pending)

One client serves all images of an editor. Callbacks come from the main loop, never within a call.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import Callable, Sequence, Union

from clipcrop_wire.connection import Call, HeldImages
from clipcrop_wire.endpoint import read_connection_file
from clipcrop_wire.errors import (
    Cancelled,
    DaemonNotRunning,
    RequestTimeout,
    WireError,
)
from clipcrop_wire.messages import (
    MAX_WAIT_S,
    Progress,
    SuggestReply,
    SuggestRequest,
    WarmReply,
    WarmRequest,
)
from clipcrop_wire.sealing import Buffer

from .config import Config
from .connector import Connector
from .errors import DaemonLost, PluginError
from .event_loop_connection import EventLoopConnection
from .launcher import Launcher
from .loop import Handle, Loop
from .messages import LAUNCHING
from .texts import _

TIMEOUT_S = 120.0
"""For a whole request: start of the daemon and first load of weights included."""

MAX_ON_THE_WAY = 2
"""The daemon declines a third (PROTOCOL.md, 9)."""

_MIN_WAIT_S = 0.001

Answer = Union[SuggestReply, WarmReply, WireError, PluginError]
"""A reply, or why there is none: `messages.sentence` has words for that."""

_Request = Union[SuggestRequest, WarmRequest]


class PendingRequest:
    """A request, from when it is asked until its answer has been told."""

    def __init__(
        self,
        request: _Request,
        pixels: Sequence[Buffer],
        deadline: float,
        on_answer: Callable[[PendingRequest], None],
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self.request = request
        self.pixels = tuple(pixels)
        self.deadline = deadline
        self.on_answer = on_answer
        self.on_progress = on_progress
        self.answer: Answer | None = None
        """Once there is one; it has been told, or will be at once."""

        self.is_cancelled = False
        """The caller no longer wants the answer."""

        self.is_told_of_launch = False
        self.call: Call | None = None
        """Once it was sent."""

    @property
    def is_done(self) -> bool:
        """There is an answer."""
        return self.answer is not None

    @property
    def request_id(self) -> str:
        """Under which the daemon's log has it; empty if it has not been sent."""
        return "" if self.call is None else self.call.id


class DaemonClient:
    """The way to the daemon, found and opened when there is something to ask."""

    def __init__(
        self, config: Config, loop: Loop, client_name: str = "", launcher: Launcher | None = None
    ) -> None:
        """Do nothing yet.

        Args:
            config: Where the daemon is, and how it is started.
            loop: The shell's main loop.
            client_name: Of the editor, for the daemon's log.
            launcher: Another way to start the daemon.
        """
        self._config = config
        self._loop = loop
        launcher = launcher or Launcher(config)
        self._connector = Connector(
            config, loop, launcher, client_name, HeldImages(), self._on_open, self._end_all_waiting
        )
        self._connection: EventLoopConnection | None = None
        self._is_fresh = False  # the connection was not used yet
        self._waiting: deque[PendingRequest] = deque()
        self._on_the_way: list[PendingRequest] = []
        self._callbacks: deque[Callable[[], None]] = deque()
        self._soon: Handle | None = None
        self._timer: Handle | None = None
        self._is_closed = False

    def suggest(
        self,
        request: SuggestRequest,
        pixels: Sequence[Buffer],
        *,
        on_answer: Callable[[PendingRequest], None],
        on_progress: Callable[[Progress], None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> PendingRequest:
        """Ask for crops.

        Args:
            request: With its images inline; its own timeout is replaced.
            pixels: Of the images; the first is not sent if the daemon holds it.
            on_answer: Told once, whatever happens, unless the client is closed before.
            on_progress: Told what is going on; `messages.LAUNCHING` may be the first stage.
            timeout_s: For everything.
        """
        return self._ask(request, pixels, on_answer, on_progress, timeout_s)

    def warm(
        self,
        *,
        on_answer: Callable[[PendingRequest], None] = lambda pending: None,
        on_progress: Callable[[Progress], None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> PendingRequest:
        """Have the daemon started and the model loaded, while the user still types."""
        return self._ask(WarmRequest(), (), on_answer, on_progress, timeout_s)

    def cancel(self, pending: PendingRequest) -> None:
        """Give a request up; `Cancelled` is its answer, unless another was on its way."""
        if pending.is_done or pending.is_cancelled or self._is_closed:
            return
        pending.is_cancelled = True
        if pending in self._waiting:
            self._waiting.remove(pending)
            self._end(pending, Cancelled("cancelled before it was sent"))
        elif self._connection is not None and pending.call is not None:
            self._connection.connection.cancel(pending.call)
            self._connection.pump()
        self._advance_soon()

    def close(self) -> None:
        """Close the connection without calling back; pending requests are cancelled."""
        self._is_closed = True
        self._connector.stop()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self._waiting.clear()
        self._on_the_way.clear()
        self._callbacks.clear()

    def _ask(
        self,
        request: _Request,
        pixels: Sequence[Buffer],
        on_answer: Callable[[PendingRequest], None],
        on_progress: Callable[[Progress], None] | None,
        timeout_s: float,
    ) -> PendingRequest:
        assert not self._is_closed, "a closed client is asked nothing"
        deadline = time.monotonic() + timeout_s
        pending = PendingRequest(request, pixels, deadline, on_answer, on_progress)
        self._waiting.append(pending)
        self._advance_soon()
        return pending

    def _advance_soon(self) -> None:
        if self._soon is None and not self._is_closed:
            self._soon = self._loop.call_after(0.0, self._advance)

    def _advance(self) -> None:
        """Do all that can be done now; the rest is for the socket, a deadline or a request."""
        self._soon = None
        for pending in [one for one in self._on_the_way if one.call and one.call.is_done]:
            self._on_answer(pending)
        self._end_late()
        if self._waiting and len(self._on_the_way) < MAX_ON_THE_WAY:
            connection = self._usable_connection()
            if connection is None:
                self._connector.begin()
            else:
                self._send(connection)
        elif not self._waiting:
            self._connector.stop()
        self._report_launch()
        self._wait_for_deadline()

    def _usable_connection(self) -> EventLoopConnection | None:
        """The connection, if it is of use still."""
        connection = self._connection
        if connection is None:
            return None
        if not self._on_the_way:
            connection.pump()  # finds out whether it is lost
        is_in_use = self._is_fresh or self._on_the_way
        if connection.connection.is_open and (is_in_use or self._is_current(connection)):
            return connection
        self._connection = None
        connection.close()
        return None

    def _is_current(self, connection: EventLoopConnection) -> bool:
        """Whether the connection is to the daemon of the connection file."""
        try:
            return read_connection_file(self._config.connection_file) == connection.connection.info
        except WireError:  # it is there, and has proved its key: the file is not needed
            return True

    def _send(self, connection: EventLoopConnection) -> None:
        """As many requests as the daemon takes."""
        now = time.monotonic()
        while self._waiting and len(self._on_the_way) < MAX_ON_THE_WAY:
            pending = self._waiting.popleft()
            left = max(pending.deadline - now, _MIN_WAIT_S)
            pending.call = connection.connection.start(
                replace(pending.request, timeout_s=min(left, MAX_WAIT_S)),
                pending.pixels,
                timeout_s=left,
                on_progress=partial(self._on_progress, pending),
                on_done=lambda call: self._advance_soon(),
            )
            self._on_the_way.append(pending)
        self._is_fresh = False
        connection.pump()

    def _on_open(self, connection: EventLoopConnection) -> None:
        connection.on_io = self._on_io
        self._connection, self._is_fresh = connection, True
        self._advance_soon()

    def _on_io(self) -> None:
        if self._connection is not None and self._connection.connection.is_closed:
            self._connection = None
            self._advance_soon()

    def _on_progress(self, pending: PendingRequest, progress: Progress) -> None:
        if pending.on_progress is not None:
            self._call_soon(partial(_pass_progress, pending, pending.on_progress, progress))

    def _on_answer(self, pending: PendingRequest) -> None:
        self._on_the_way.remove(pending)
        assert pending.call is not None
        try:
            reply = pending.call.result()
        except WireError as exc:
            self._end(pending, _reason(pending, exc))
        else:
            assert isinstance(reply, (SuggestReply, WarmReply))
            self._end(pending, reply)

    def _end_late(self) -> None:
        now = time.monotonic()
        for pending in [one for one in self._waiting if one.deadline <= now]:
            self._waiting.remove(pending)
            self._end(pending, RequestTimeout("no time was left to ask"))

    def _end_all_waiting(self, reason: Exception) -> None:
        """There is no way to the daemon."""
        assert isinstance(reason, (WireError, PluginError))
        while self._waiting:
            self._end(self._waiting.popleft(), reason)

    def _end(self, pending: PendingRequest, answer: Answer) -> None:
        pending.answer, pending.pixels = answer, ()
        self._call_soon(partial(pending.on_answer, pending))

    def _report_launch(self) -> None:
        for pending in self._waiting:
            if self._connector.is_launching and not pending.is_told_of_launch:
                pending.is_told_of_launch = True
                self._on_progress(pending, Progress(LAUNCHING))

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        self._loop.call_after(0.0, self._call_next)

    def _call_next(self) -> None:
        """One a turn: what a callback does, or fails to do, is no matter to the others."""
        if self._callbacks:
            self._callbacks.popleft()()

    def _wait_for_deadline(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            first = min(pending.deadline for pending in self._waiting)
            left = max(0.0, first - time.monotonic())
            self._timer = self._loop.call_after(left, self._advance)


def _pass_progress(
    pending: PendingRequest, on_progress: Callable[[Progress], None], progress: Progress
) -> None:
    if not pending.is_cancelled:
        on_progress(progress)


def _reason(pending: PendingRequest, error: WireError) -> Answer:
    """What an error means that is not of the daemon's own wording."""
    if pending.is_cancelled:
        return Cancelled("cancelled")
    if isinstance(error, DaemonNotRunning):
        return _lost(error)
    if isinstance(error, Cancelled):  # not by us: its time is over, or the daemon stops
        if time.monotonic() >= pending.deadline - 1.0:
            return RequestTimeout("the daemon stopped, since time was over")
        return _lost(error)
    return error


def _lost(error: WireError) -> DaemonLost:
    lost = DaemonLost(_("The ClipCrop daemon ended while it was working. Try again."))
    lost.__cause__ = error
    return lost
