"""Questions to the daemon that never hold the editor up.

    link = Link(read_config(), loop, "GIMP plug-in")
    question = link.suggest(request, (pixels,), on_answer=show)     # show(question)
    link.cancel(question)

A link is for all images of an editor. Callbacks come from the main loop, never from within a call.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import Callable, Sequence, Union

from clipcrop_wire.connection import Call
from clipcrop_wire.endpoint import read_connection_file
from clipcrop_wire.errors import (
    Cancelled,
    DaemonNotRunning,
    RequestTimeout,
    UnknownImage,
    WireError,
)
from clipcrop_wire.messages import (
    MAX_WAIT_S,
    Image,
    Progress,
    SuggestReply,
    SuggestRequest,
    WarmReply,
    WarmRequest,
)
from clipcrop_wire.sealing import Buffer

from .config import Config
from .dialer import Dialer
from .errors import DaemonLost, PluginError
from .launcher import Launcher
from .loop import Handle, Loop
from .messages import LAUNCHING
from .pumped import PumpedConnection
from .texts import _

TIMEOUT_S = 120.0
"""For a whole question: start of the daemon and first load of weights included."""

MAX_ON_THE_WAY = 2
"""The daemon declines a third (PROTOCOL.md, 9)."""

_MAX_HELD = 16
_MIN_WAIT_S = 0.001

Answer = Union[SuggestReply, WarmReply, WireError, PluginError]
"""A reply, or why there is none: `messages.sentence` has words for that."""

_Request = Union[SuggestRequest, WarmRequest]


class Question:
    """A question, from when it is asked until its answer has been told."""

    def __init__(
        self,
        request: _Request,
        pixels: Sequence[Buffer],
        deadline: float,
        on_answer: Callable[[Question], None],
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
        self.was_by_hash = False
        """Sent without the pixels of its image."""

        self.call: Call | None = None
        """Its latest way to the daemon."""

    @property
    def is_done(self) -> bool:
        """There is an answer."""
        return self.answer is not None

    @property
    def request_id(self) -> str:
        """Under which the daemon's log has it; empty if it has not been sent."""
        return "" if self.call is None else self.call.id

    @property
    def by_hash(self) -> SuggestRequest | None:
        """The same without the pixels of its image; None if it has no image."""
        if not isinstance(self.request, SuggestRequest):
            return None
        return replace(self.request, image=replace(self.request.image, is_inline=False))


class Link:
    """The way to the daemon, found and opened when there is something to ask."""

    def __init__(
        self, config: Config, loop: Loop, client_name: str = "", launcher: Launcher | None = None
    ) -> None:
        """Do nothing yet.

        Args:
            config: Where the daemon is, and how it is started.
            loop: The shell's main loop.
            client_name: Who asks, for the daemon's log.
            launcher: Another way to start the daemon.
        """
        self._config = config
        self._loop = loop
        launcher = launcher or Launcher(config)
        self._dialer = Dialer(
            config, loop, launcher, client_name, self._on_open, self._end_all_waiting
        )
        self._line: PumpedConnection | None = None
        self._is_fresh = False  # the connection was not used yet
        self._waiting: deque[Question] = deque()
        self._on_the_way: list[Question] = []
        self._held: set[Image] = set()
        self._held_by = ""
        self._to_tell: deque[Callable[[], None]] = deque()
        self._soon: Handle | None = None
        self._timer: Handle | None = None
        self._is_closed = False

    def suggest(
        self,
        request: SuggestRequest,
        pixels: Sequence[Buffer],
        *,
        on_answer: Callable[[Question], None],
        on_progress: Callable[[Progress], None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Question:
        """Ask for crops.

        Args:
            request: With its images inline; its own timeout is replaced.
            pixels: Of the images; the first is not sent if the daemon holds it.
            on_answer: Told once, whatever happens, unless the link is closed before.
            on_progress: Told what is going on; `messages.LAUNCHING` may be the first stage.
            timeout_s: For everything.
        """
        return self._ask(request, pixels, on_answer, on_progress, timeout_s)

    def warm(
        self,
        *,
        on_answer: Callable[[Question], None] = lambda question: None,
        on_progress: Callable[[Progress], None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Question:
        """Have the daemon started and the model loaded, while the user still types."""
        return self._ask(WarmRequest(), (), on_answer, on_progress, timeout_s)

    def cancel(self, question: Question) -> None:
        """Give a question up; `Cancelled` is its answer, unless another was on its way."""
        if question.is_done or question.is_cancelled or self._is_closed:
            return
        question.is_cancelled = True
        if question in self._waiting:
            self._waiting.remove(question)
            self._end(question, Cancelled("cancelled before it was sent"))
        elif self._line is not None and question.call is not None:
            self._line.connection.cancel(question.call)
            self._line.pump()
        self._advance_soon()

    def close(self) -> None:
        """Close the connection without calling back; pending requests are cancelled."""
        self._is_closed = True
        self._dialer.stop()
        if self._line is not None:
            self._line.close()
            self._line = None
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self._waiting.clear()
        self._on_the_way.clear()
        self._to_tell.clear()

    def _ask(
        self,
        request: _Request,
        pixels: Sequence[Buffer],
        on_answer: Callable[[Question], None],
        on_progress: Callable[[Progress], None] | None,
        timeout_s: float,
    ) -> Question:
        assert not self._is_closed, "a closed link is asked nothing"
        deadline = time.monotonic() + timeout_s
        question = Question(request, pixels, deadline, on_answer, on_progress)
        self._waiting.append(question)
        self._advance_soon()
        return question

    def _advance_soon(self) -> None:
        if self._soon is None and not self._is_closed:
            self._soon = self._loop.call_after(0.0, self._advance)

    def _advance(self) -> None:
        """Do all that can be done now; the rest is for the socket, a deadline or a question."""
        self._soon = None
        for question in [one for one in self._on_the_way if one.call and one.call.is_done]:
            self._on_answer(question)
        self._end_late()
        if self._waiting and len(self._on_the_way) < MAX_ON_THE_WAY:
            line = self._usable_line()
            if line is None:
                self._dialer.begin()
            else:
                self._send(line)
        elif not self._waiting:
            self._dialer.stop()
        self._tell_of_launch()
        self._wait_for_deadline()

    def _usable_line(self) -> PumpedConnection | None:
        """The connection, if it is of use still."""
        line = self._line
        if line is None:
            return None
        if not self._on_the_way:
            line.pump()  # finds out whether it is lost
        is_in_use = self._is_fresh or self._on_the_way
        if line.connection.is_open and (is_in_use or self._is_current(line)):
            return line
        self._line = None
        line.close()
        return None

    def _is_current(self, line: PumpedConnection) -> bool:
        """Whether the connection is to the daemon of the connection file."""
        try:
            return read_connection_file(self._config.connection_file) == line.connection.info
        except WireError:  # it is there, and has proved who it is: the file is not needed
            return True

    def _send(self, line: PumpedConnection) -> None:
        """As many questions as the daemon takes."""
        now = time.monotonic()
        while self._waiting and len(self._on_the_way) < MAX_ON_THE_WAY:
            question = self._waiting.popleft()
            left = max(question.deadline - now, _MIN_WAIT_S)
            request, pixels, by_hash = question.request, question.pixels, question.by_hash
            question.was_by_hash = by_hash is not None and by_hash.image in self._held
            if question.was_by_hash and by_hash is not None:
                request, pixels = by_hash, pixels[1:]
            question.call = line.connection.start(
                replace(request, timeout_s=min(left, MAX_WAIT_S)),
                pixels,
                timeout_s=left,
                on_progress=partial(self._on_progress, question),
                on_done=lambda call: self._advance_soon(),
            )
            self._on_the_way.append(question)
        self._is_fresh = False
        line.pump()

    def _on_open(self, line: PumpedConnection) -> None:
        line.on_pumped = self._on_pumped
        self._line, self._is_fresh = line, True
        if line.connection.info.session != self._held_by:
            self._held.clear()
            self._held_by = line.connection.info.session
        self._advance_soon()

    def _on_pumped(self) -> None:
        if self._line is not None and self._line.connection.is_closed:
            self._line = None
            self._advance_soon()

    def _on_progress(self, question: Question, progress: Progress) -> None:
        if question.on_progress is not None:
            self._tell(partial(_tell_progress, question, question.on_progress, progress))

    def _on_answer(self, question: Question) -> None:
        self._on_the_way.remove(question)
        assert question.call is not None
        try:
            reply = question.call.result()
        except UnknownImage as exc:
            if not question.was_by_hash or question.is_cancelled:
                self._end(question, _reason(question, exc))
                return
            assert question.by_hash is not None
            self._held.discard(question.by_hash.image)
            self._waiting.appendleft(question)
        except WireError as exc:
            self._end(question, _reason(question, exc))
        else:
            assert isinstance(reply, (SuggestReply, WarmReply))
            self._remember(question, reply)
            self._end(question, reply)

    def _remember(self, question: Question, reply: SuggestReply | WarmReply) -> None:
        by_hash = question.by_hash
        if by_hash is not None and isinstance(reply, SuggestReply) and reply.is_image_cached:
            if len(self._held) >= _MAX_HELD:
                self._held.clear()
            self._held.add(by_hash.image)

    def _end_late(self) -> None:
        now = time.monotonic()
        for question in [one for one in self._waiting if one.deadline <= now]:
            self._waiting.remove(question)
            self._end(question, RequestTimeout("no time was left to ask"))

    def _end_all_waiting(self, reason: Exception) -> None:
        """There is no way to the daemon."""
        assert isinstance(reason, (WireError, PluginError))
        while self._waiting:
            self._end(self._waiting.popleft(), reason)

    def _end(self, question: Question, answer: Answer) -> None:
        question.answer, question.pixels = answer, ()
        self._tell(partial(question.on_answer, question))

    def _tell_of_launch(self) -> None:
        for question in self._waiting:
            if self._dialer.is_launching and not question.is_told_of_launch:
                question.is_told_of_launch = True
                self._on_progress(question, Progress(LAUNCHING))

    def _tell(self, callback: Callable[[], None]) -> None:
        self._to_tell.append(callback)
        self._loop.call_after(0.0, self._tell_next)

    def _tell_next(self) -> None:
        """One a turn: what a callback does, or fails to do, is no matter to the others."""
        if self._to_tell:
            self._to_tell.popleft()()

    def _wait_for_deadline(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            first = min(question.deadline for question in self._waiting)
            left = max(0.0, first - time.monotonic())
            self._timer = self._loop.call_after(left, self._advance)


def _tell_progress(
    question: Question, on_progress: Callable[[Progress], None], progress: Progress
) -> None:
    if not question.is_cancelled:
        on_progress(progress)


def _reason(question: Question, error: WireError) -> Answer:
    """What an error means that is not of the daemon's own wording."""
    if question.is_cancelled:
        return Cancelled("cancelled")
    if isinstance(error, DaemonNotRunning):
        return _lost(error)
    if isinstance(error, Cancelled):  # not by us: its time is over, or the daemon stops
        if time.monotonic() >= question.deadline - 1.0:
            return RequestTimeout("the daemon stopped, since time was over")
        return _lost(error)
    return error


def _lost(error: WireError) -> DaemonLost:
    lost = DaemonLost(_("The ClipCrop daemon ended while it was working. Try again."))
    lost.__cause__ = error
    return lost
