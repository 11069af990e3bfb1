"""One authenticated connection to the daemon: the part of a client that never waits.

`client.Client` waits on it; a program with an event loop watches `Connection.fileno` for reading,
and for writing while `Connection.wants_to_write`, and calls `Connection.pump` when either is
ready and after `Connection.seconds_to_deadline` at the latest. Callbacks run within `pump`.
Until the daemon has proved that it holds the key, only the handshake is sent.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections import deque
from dataclasses import replace
from functools import partial
from socket import socket as Socket  # noqa: N812 - "socket" is the daemon's, by name
from typing import Callable, Sequence

from . import protocol, sealing
from .endpoint import ConnectionFile
from .errors import (
    Cancelled,
    DaemonNotRunning,
    MalformedMessage,
    RequestError,
    RequestTimeout,
    UnknownImage,
    WireError,
)
from .messages import (
    CancelRequest,
    HelloReply,
    HelloRequest,
    Image,
    Progress,
    SuggestReply,
    SuggestRequest,
)
from .rules import Message
from .sealing import Buffer
from .zmtp import Dealer

HELLO_TIMEOUT_S = 5.0
"""For the proof of the key; it costs the daemon microseconds."""

CANCEL_GRACE_S = 2.0
"""After a cancel, the daemon's own word is waited for no longer than this."""

MAX_HELD_IMAGES = 16


class HeldImages:
    """Images that the daemon holds, so that their pixels are sent once.

    May be shared by the connections of one client, one after another.
    """

    def __init__(self) -> None:
        self._held: set[tuple[str, Image]] = set()

    def contains(self, session: str, image: Image) -> bool:
        """Whether the daemon of this session has reported that it holds the image."""
        return (session, _by_hash(image)) in self._held

    def add(self, session: str, image: Image) -> None:
        """Remember one; at the limit all others are forgotten, and their pixels sent again."""
        if len(self._held) >= MAX_HELD_IMAGES:
            self._held.clear()
        self._held.add((session, _by_hash(image)))

    def discard(self, session: str, image: Image) -> None:
        """The daemon no longer holds the image."""
        self._held.discard((session, _by_hash(image)))


class Call:
    """A request that was started, and its answer once there is one."""

    def __init__(
        self,
        request: Message,
        pixels: Sequence[Buffer],
        deadline: float,
        on_progress: Callable[[Progress], None] | None,
        on_done: Callable[[Call], None] | None,
    ) -> None:
        self.id = uuid.uuid4().hex
        """In the daemon's log too; another one once the pixels have to be sent after all."""

        self.request = request
        self.pixels = tuple(pixels)
        self.deadline = deadline
        self.is_cancelled = False
        self.is_sent = False
        self.is_by_hash = False
        """Sent without the pixels of its image, which the daemon holds."""

        self.on_progress = on_progress
        self.on_done = on_done
        self._answer: Message | WireError | None = None

    @property
    def is_done(self) -> bool:
        """Whether `result` returns or raises the outcome."""
        return self._answer is not None

    def result(self) -> Message:
        """The reply.

        Raises:
            WireError: why there is none.
        """
        if self._answer is None:
            raise RequestTimeout("there is no answer yet")
        if isinstance(self._answer, WireError):
            raise self._answer
        return self._answer

    def finish(self, answer: Message | WireError) -> None:
        """Keep the answer, let go of the pixels."""
        self._answer, self.pixels = answer, ()


class Connection:
    """A connection to one socket of the daemon over one endpoint."""

    def __init__(
        self,
        info: ConnectionFile,
        socket: str,
        endpoint: str,
        client_name: str = "",
        *,
        held: HeldImages | None = None,
        hello_timeout_s: float | None = None,
    ) -> None:
        """Connect, which is local and takes microseconds, and begin the handshake.

        Args:
            info: What the connection file says.
            socket: "work" or "control".
            endpoint: One of the socket's endpoints.
            client_name: For the daemon's log.
            held: Images that an earlier connection of the client has sent.
            hello_timeout_s: For the handshake, `HELLO_TIMEOUT_S` at most and by default.

        Raises:
            DaemonNotRunning: no daemon listens there.
        """
        self.info = info
        self.failure: WireError | None = None
        """Why the connection is closed."""

        self._held = HeldImages() if held is None else held
        self._nonce = secrets.token_bytes(sealing.NONCE_BYTES)
        self._channel: sealing.Channel | None = None
        self._calls: dict[str, Call] = {}
        self._due: deque[Callable[[], None]] = deque()  # callbacks; told when all else is done
        self._dealer = Dealer(endpoint)
        self._hello_timeout_s = HELLO_TIMEOUT_S
        if hello_timeout_s is not None:
            self._hello_timeout_s = min(hello_timeout_s, HELLO_TIMEOUT_S)
        self._hello_deadline = time.monotonic() + self._hello_timeout_s
        hello = HelloRequest(
            info.session, socket, self._nonce, protocol.PROTOCOL_MINOR, client_name[:64]
        )
        header = protocol.encode_request("hello", hello)
        self._dealer.queue(sealing.seal_hello(info.key, header))

    @property
    def is_open(self) -> bool:
        """The daemon has proved that it holds the key."""
        return self._channel is not None and not self.is_closed

    @property
    def is_closed(self) -> bool:
        """Nothing can be sent any more; `failure` says why."""
        return self._dealer.is_closed

    @property
    def wants_to_write(self) -> bool:
        """Call `pump` also when the file descriptor can be written to."""
        return self._dealer.wants_to_write

    def fileno(self) -> int:
        """What to watch, -1 once closed."""
        return self._dealer.fileno()

    def seconds_to_deadline(self) -> float | None:
        """When `pump` must be called at the latest; None: only when there is something."""
        if self._due:
            return 0.0
        deadlines = [call.deadline for call in self._calls.values()]
        if self._channel is None and not self.is_closed:
            deadlines.append(self._hello_deadline)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def start(
        self,
        request: Message,
        pixels: Sequence[Buffer] = (),
        *,
        timeout_s: float,
        on_progress: Callable[[Progress], None] | None = None,
        on_done: Callable[[Call], None] | None = None,
    ) -> Call:
        """Begin a request; its answer comes to ``on_done``, which asks `Call.result`.

        Args:
            request: Any request but hello.
            pixels: Of its inline images, in their order; not to be changed before the answer.
                Those of a `SuggestRequest.image` that the daemon holds are not sent.
            timeout_s: The answer is a `RequestTimeout` after that.
            on_progress: Told how far it is.
            on_done: Told once, whatever happens.

        Raises:
            DaemonNotRunning: the connection is closed.
        """
        if self.is_closed:
            raise DaemonNotRunning("the connection is closed; open another")
        deadline = time.monotonic() + timeout_s
        call = Call(request, pixels, deadline, on_progress, on_done)
        self._calls[call.id] = call
        if self._channel is not None:
            self._send(self._channel, call)
        return call

    def cancel(self, call: Call) -> None:
        """Ask for an end: `Cancelled` is the answer, soon, unless another was on its way."""
        if call.is_done or call.is_cancelled or call.id not in self._calls:
            return
        call.is_cancelled = True
        if not call.is_sent or self._channel is None:
            self._finish(call.id, Cancelled("cancelled before it was sent"))
            return
        call.deadline = min(call.deadline, time.monotonic() + CANCEL_GRACE_S)
        self._send_cancel(self._channel, call)

    def pump(self) -> None:
        """Do what can be done without waiting; no error but those of callbacks comes out."""
        if not self.is_closed:
            try:
                self._receive()
                self._check_deadlines()
                if self.wants_to_write:  # what this has led to
                    self._receive()
            except WireError as exc:
                self._end(exc)
        self._call_back()

    def wait(self, seconds: float, wake: Socket | None = None) -> None:
        """Wait until `pump` has something to do, for programs without a main loop.

        Args:
            seconds: At most so long.
            wake: Ends the wait when it can be read from.
        """
        self._dealer.wait(seconds, wake)

    def close(self) -> None:
        """Close; calls that are on their way end with `DaemonNotRunning`."""
        self._end(DaemonNotRunning("the connection was closed"))
        self._call_back()

    def _end(self, reason: WireError) -> None:
        self.failure = self.failure or reason
        self._dealer.close()
        for request_id in list(self._calls):
            self._finish(request_id, reason)

    def _call_back(self) -> None:
        while self._due:
            self._due.popleft()()

    def _receive(self) -> None:
        for frames in self._dealer.pump():
            self._on_message(frames)

    def _on_message(self, frames: list[bytes]) -> None:
        if self._channel is None:
            self._on_welcome(frames)
            return
        header, pixels = self._channel.open(frames)
        if len(pixels):
            raise MalformedMessage("a reply has no pixels")
        reply = protocol.decode_reply(header)
        call = self._calls.get(reply.id)
        if call is None:
            return  # an answer after its deadline, or to a cancel
        if isinstance(reply.body, Progress):
            if call.on_progress is not None:
                self._due.append(partial(call.on_progress, reply.body))
        elif reply.kind != protocol.kind_of(call.request):
            raise MalformedMessage(f"{reply.kind!r} is no reply to this request")
        elif isinstance(reply.body, UnknownImage) and call.is_by_hash:
            self._send_with_pixels(self._channel, call)
        else:
            self._remember_image(call.request, reply.body)
            self._finish(call.id, reply.body)

    def _on_welcome(self, frames: list[bytes]) -> None:
        reply = protocol.decode_reply(sealing.open_welcome(self.info.key, self._nonce, frames))
        if isinstance(reply.body, RequestError):
            raise reply.body
        if not isinstance(reply.body, HelloReply):
            raise MalformedMessage(f"{reply.kind!r} is no reply to a hello")
        self._channel = sealing.Channel(self.info.key, reply.body.nonce)
        for call in list(self._calls.values()):
            self._send(self._channel, call)

    def _send(self, channel: sealing.Channel, call: Call) -> None:
        request, parts = call.request, call.pixels
        call.is_by_hash = (
            isinstance(request, SuggestRequest)
            and request.image.is_inline
            and self._held.contains(self.info.session, request.image)
        )
        if call.is_by_hash and isinstance(request, SuggestRequest):
            request, parts = replace(request, image=_by_hash(request.image)), parts[1:]
        header = protocol.encode_request(call.id, request)
        frames: list[Buffer] = [*channel.seal(header, parts)]
        pixels = [memoryview(part).cast("B") for part in parts]
        if pixels:  # one frame; two images are joined, which is rare and costs a copy
            frames.append(pixels[0] if len(pixels) == 1 else b"".join(pixels))
        self._dealer.queue(frames)
        call.is_sent = True

    def _send_with_pixels(self, channel: sealing.Channel, call: Call) -> None:
        """Send a request again whose image the daemon has dropped meanwhile."""
        assert isinstance(call.request, SuggestRequest)
        self._held.discard(self.info.session, call.request.image)
        if call.is_cancelled:
            self._finish(call.id, Cancelled("cancelled before the pixels were sent"))
            return
        del self._calls[call.id]
        call.id = uuid.uuid4().hex
        self._calls[call.id] = call
        self._send(channel, call)

    def _remember_image(self, request: Message, reply: Message | WireError) -> None:
        if (
            isinstance(request, SuggestRequest)
            and isinstance(reply, SuggestReply)
            and reply.is_image_cached
        ):
            self._held.add(self.info.session, request.image)

    def _send_cancel(self, channel: sealing.Channel, call: Call) -> None:
        header = protocol.encode_request(uuid.uuid4().hex, CancelRequest(call.id))
        self._dealer.queue(channel.seal(header))

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        if self._channel is None and now >= self._hello_deadline:
            raise RequestTimeout(
                f"the program that listens at {self._dealer.endpoint} gave no proof of the key in "
                f"{self._hello_timeout_s:.3g} s; start the daemon again"
            )
        for call in [call for call in self._calls.values() if now >= call.deadline]:
            if call.is_cancelled:
                self._finish(call.id, Cancelled("cancelled; the daemon has not confirmed it"))
            else:
                if self._channel is not None and call.is_sent:
                    self._send_cancel(self._channel, call)  # its caller no longer waits
                self._finish(call.id, RequestTimeout(f"no answer in time to request {call.id}"))

    def _finish(self, request_id: str, answer: Message | WireError) -> None:
        call = self._calls.pop(request_id)
        call.finish(answer)
        if call.on_done is not None:
            self._due.append(partial(call.on_done, call))


def clearest(errors: Sequence[WireError]) -> WireError:
    """Of the failures of all endpoints, the one to report: a wrong answer tells more than none."""
    return next((exc for exc in errors if not isinstance(exc, DaemonNotRunning)), errors[0])


def _by_hash(image: Image) -> Image:
    return replace(image, is_inline=False)
