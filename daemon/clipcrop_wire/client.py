"""Calls to the daemon that wait for their answer, with a deadline each.

    client = Client()
    image = Image.of(pixels, width_px, height_px, "rgb8")
    reply = client.suggest(image, pixels, "the woman and her dogs")
    again = client.suggest(image, pixels, "her dogs")       # the pixels are not sent twice

A `Client` may be used from several threads; calls to the same socket follow one another. For a
main loop that must not wait, see `connection`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Sequence, TypeVar

from .connection import Call, Connection
from .endpoint import ConnectionFile, default_path, read_connection_file, stamp_of
from .errors import (
    Cancelled,
    DaemonNotRunning,
    InvalidRequest,
    MalformedMessage,
    RequestTimeout,
    UnknownImage,
    WireError,
)
from .messages import (
    Image,
    ModelsReply,
    ModelsRequest,
    PingReply,
    PingRequest,
    Progress,
    ShutdownReply,
    ShutdownRequest,
    StatusReply,
    StatusRequest,
    SuggestReply,
    SuggestRequest,
    UnloadReply,
    UnloadRequest,
    WarmReply,
    WarmRequest,
)
from .rules import Message
from .sealing import Buffer

CONTROL_TIMEOUT_S = 5.0
"""The control socket answers at once, also while the model is busy."""

_MAX_HELD = 16

R = TypeVar("R", bound=Message)
OnProgress = Callable[[Progress], None]


class CancelToken:
    """Ends a call that another thread waits in. Good for one call."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._is_set = False

    @property
    def is_set(self) -> bool:
        """Whether `cancel` was called."""
        return self._is_set

    @property
    def reader(self) -> socket.socket:
        """Readable once `cancel` was called."""
        return self._reader

    def cancel(self) -> None:
        """Ask for an end; returns at once, from any thread, any number of times."""
        if not self._is_set:
            self._is_set = True
            with contextlib.suppress(OSError):  # closed: the call is over
                self._writer.send(b"\0")

    def close(self) -> None:
        """Free its two sockets."""
        self._reader.close()
        self._writer.close()

    def __enter__(self) -> CancelToken:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Client:
    """Reaches the daemon that the connection file names, also after it was started anew."""

    def __init__(self, path: Path | None = None, name: str = "") -> None:
        """Does not connect yet.

        Args:
            path: The connection file; by default where the daemon puts it.
            name: Who asks, for the daemon's log.
        """
        self._path = path or default_path()
        self._name = name
        self._lanes = {"work": _Lane(), "control": _Lane()}
        self._held: set[Image] = set()
        self._held_by = ""

    def suggest(
        self,
        image: Image,
        pixels: Buffer,
        prompt: str = "",
        *,
        timeout_s: float = 60.0,
        image_query: Image | None = None,
        image_query_pixels: Buffer = b"",
        on_progress: OnProgress | None = None,
        cancel: CancelToken | None = None,
        **options: Any,
    ) -> SuggestReply:
        """Find crops.

        Args:
            image: What the pixels are; see `Image.of`.
            pixels: Sent only if the daemon does not hold them already.
            prompt: What crops should show.
            timeout_s: For everything, connecting too.
            image_query: An example of what to look for.
            image_query_pixels: Its pixels.
            on_progress: Told what is going on, from within this call.
            cancel: Lets another thread end it.
            options: Further fields of `SuggestRequest`.

        Raises:
            RequestError: the daemon declined; `InvalidRequest` also before asking it.
            TransportError: the daemon is not running, or gave no answer in time.
            ProtocolError: who answered is not the daemon, or not of our version.
        """
        with _as_invalid_request():
            request = SuggestRequest(
                image, prompt, image_query=image_query, timeout_s=timeout_s, **options
            )
            _check_pixels(image, pixels)
            if image_query is not None:
                _check_pixels(image_query, image_query_pixels)
        by_hash = replace(image, is_inline=False)
        parts = () if image_query is None else (image_query_pixels,)
        deadline = time.monotonic() + timeout_s

        def ask(lane: _Lane, connection: Connection) -> SuggestReply:
            if self._holds(connection.info, by_hash):
                short = replace(request, image=by_hash)
                try:
                    reply = lane.ask(connection, short, parts, deadline, on_progress, cancel)
                    return _of(SuggestReply, reply)
                except UnknownImage:
                    self._held.discard(by_hash)
            reply = lane.ask(connection, request, (pixels, *parts), deadline, on_progress, cancel)
            return self._remember(_of(SuggestReply, reply), by_hash)

        return self._with_connection("work", deadline, ask)

    def warm(
        self,
        model: str = "auto",
        *,
        timeout_s: float = 300.0,
        on_progress: OnProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> WarmReply:
        """Load a model before it is needed; raises as `suggest`."""
        with _as_invalid_request():
            request = WarmRequest(model, timeout_s)
        deadline = time.monotonic() + timeout_s

        def ask(lane: _Lane, connection: Connection) -> WarmReply:
            reply = lane.ask(connection, request, (), deadline, on_progress, cancel)
            return _of(WarmReply, reply)

        return self._with_connection("work", deadline, ask)

    def ping(self, timeout_s: float = CONTROL_TIMEOUT_S) -> PingReply:
        """Ask for a sign of life; raises as `suggest`."""
        return self._control(PingRequest(), PingReply, timeout_s)

    def status(self, timeout_s: float = CONTROL_TIMEOUT_S) -> StatusReply:
        """Ask what the daemon is doing; raises as `suggest`."""
        return self._control(StatusRequest(), StatusReply, timeout_s)

    def models(self, timeout_s: float = CONTROL_TIMEOUT_S) -> ModelsReply:
        """Ask which models there are; raises as `suggest`."""
        return self._control(ModelsRequest(), ModelsReply, timeout_s)

    def unload(self, timeout_s: float = CONTROL_TIMEOUT_S) -> UnloadReply:
        """Have memory given back; raises as `suggest`."""
        return self._control(UnloadRequest(), UnloadReply, timeout_s)

    def shutdown(self, timeout_s: float = CONTROL_TIMEOUT_S) -> ShutdownReply:
        """End the daemon; raises as `suggest`."""
        return self._control(ShutdownRequest(), ShutdownReply, timeout_s)

    def close(self) -> None:
        """Close the connections; a later call opens them again."""
        for lane in self._lanes.values():
            with lane.lock:
                lane.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _control(self, request: Message, reply: type[R], timeout_s: float) -> R:
        deadline = time.monotonic() + timeout_s
        return self._with_connection(
            "control",
            deadline,
            lambda lane, connection: _of(reply, lane.ask(connection, request, (), deadline)),
        )

    def _with_connection(
        self, socket_name: str, deadline: float, ask: Callable[[_Lane, Connection], R]
    ) -> R:
        lane = self._lanes[socket_name]
        if not lane.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise RequestTimeout("another call of this client took all the time")
        try:
            return ask(lane, lane.open(self._path, socket_name, self._name, deadline))
        finally:
            lane.lock.release()

    def _holds(self, info: ConnectionFile, by_hash: Image) -> bool:
        if self._held_by != info.session:
            self._held.clear()
            self._held_by = info.session
        return by_hash in self._held

    def _remember(self, reply: SuggestReply, by_hash: Image) -> SuggestReply:
        if reply.is_image_cached:
            if len(self._held) >= _MAX_HELD:
                self._held.clear()
            self._held.add(by_hash)
        return reply


class _Lane:
    """A connection to one socket of the daemon, kept from call to call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._connection: Connection | None = None
        self._stamp: tuple[int, ...] = ()

    def open(self, path: Path, socket_name: str, name: str, deadline: float) -> Connection:
        """The connection; a new one if there is none, or it is not to the daemon of the file."""
        stamp = stamp_of(path)
        if self._connection is not None:
            self._connection.pump()  # finds out whether it is lost
            if stamp and stamp == self._stamp and self._connection.is_open:
                return self._connection
            self.close()
        info = read_connection_file(path)
        errors = []
        endpoints = info.endpoints(socket_name)
        for index, endpoint in enumerate(endpoints):
            left = max(0.0, deadline - time.monotonic())
            try:
                # One that says nothing must not use up the time of those after it.
                share_s = left / (len(endpoints) - index)
                self._connection = _open(info, socket_name, endpoint, name, share_s)
                self._stamp = stamp
                return self._connection
            except WireError as exc:
                errors.append(exc)
        # Who answers wrongly says more than who does not answer.
        raise next((exc for exc in errors if not isinstance(exc, DaemonNotRunning)), errors[0])

    def ask(
        self,
        connection: Connection,
        request: Message,
        pixels: Sequence[Buffer],
        deadline: float,
        on_progress: OnProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> Message:
        """Wait for the answer to one request."""
        if cancel is not None and cancel.is_set:
            raise Cancelled("cancelled before it was sent")
        left = deadline - time.monotonic()
        if left <= 0:
            raise RequestTimeout("no time was left to ask")
        call = connection.start(request, pixels, timeout_s=left, on_progress=on_progress)
        try:
            _wait(connection, call, cancel)
        except BaseException:  # of a callback, or Ctrl-C: the answer would go astray
            self.close()
            raise
        return call.result()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _open(
    info: ConnectionFile, socket_name: str, endpoint: str, name: str, timeout_s: float
) -> Connection:
    """Connect and wait for the proof of the key."""
    connection = Connection(info, socket_name, endpoint, name)
    hello = connection.start(PingRequest(), timeout_s=timeout_s)
    _wait(connection, hello, None)
    try:
        hello.result()
    except WireError:
        connection.close()
        raise
    return connection


def _wait(connection: Connection, call: Call, cancel: CancelToken | None) -> None:
    connection.pump()
    while not call.is_done:
        is_watching = cancel is not None and not call.is_cancelled
        if cancel is not None and is_watching and cancel.is_set:
            connection.cancel(call)
            connection.pump()
            continue
        wake = cancel.reader if cancel is not None and is_watching else None
        connection.wait(connection.seconds_to_deadline() or 0.0, wake)
        connection.pump()


def _of(kind: type[R], reply: Message) -> R:
    assert isinstance(reply, kind), "a connection takes no reply of another kind"
    return reply


def _check_pixels(image: Image, pixels: Buffer) -> None:
    size = memoryview(pixels).nbytes
    if not image.is_inline or size != image.num_bytes:
        raise MalformedMessage(f"{size} bytes of pixels for an image of {image.num_bytes}")


@contextlib.contextmanager
def _as_invalid_request() -> Any:
    """A value out of its limits, found before anything is sent: the user can fix it."""
    try:
        yield
    except MalformedMessage as exc:
        raise InvalidRequest(str(exc)) from exc
