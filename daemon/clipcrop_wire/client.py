"""The client that waits: each call returns the daemon's answer or raises, within its deadline.

    client = Client()
    image = Image.of(pixels, width_px, height_px, "rgb8")
    reply = client.suggest(image, pixels, "the woman and her dogs")
    again = client.suggest(image, pixels, "her dogs")       # the pixels are not sent twice

A `Client` may be used from several threads; calls to the same socket follow one another. A
program with an event loop uses `connection` itself.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import Any, Callable, Sequence, TypeVar

from .connection import Call, Connection, HeldImages, clearest
from .endpoint import default_path, read_connection_file, stamp_of
from .errors import (
    Cancelled,
    InvalidRequest,
    MalformedMessage,
    RequestTimeout,
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
            name: Of this program, for the daemon's log.
        """
        self._path = path or default_path()
        self._name = name
        self._lanes = {"work": _Lane(), "control": _Lane()}

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
            on_progress: Called with each stage, from within this call.
            cancel: Lets another thread end it.
            options: Further fields of `SuggestRequest`.

        Raises:
            RequestError: the daemon declined; `InvalidRequest` also before asking it.
            TransportError: the daemon is not running, or gave no answer in time.
            ProtocolError: the answer is not the daemon's, or of another version.
        """
        with _as_invalid_request():
            request = SuggestRequest(
                image, prompt, image_query=image_query, timeout_s=timeout_s, **options
            )
            _check_pixels(image, pixels)
            if image_query is not None:
                _check_pixels(image_query, image_query_pixels)
        parts = (pixels,) if image_query is None else (pixels, image_query_pixels)
        return self._ask("work", request, SuggestReply, timeout_s, parts, on_progress, cancel)

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
        return self._ask("work", request, WarmReply, timeout_s, (), on_progress, cancel)

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
        return self._ask("control", request, reply, timeout_s)

    def _ask(
        self,
        socket_name: str,
        request: Message,
        kind: type[R],
        timeout_s: float,
        pixels: Sequence[Buffer] = (),
        on_progress: OnProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> R:
        deadline = time.monotonic() + timeout_s
        lane = self._lanes[socket_name]
        if not lane.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise RequestTimeout("another call of this client took all the time")
        try:
            connection = lane.open(self._path, socket_name, self._name, deadline)
            reply = lane.ask(connection, request, pixels, deadline, on_progress, cancel)
        finally:
            lane.lock.release()
        assert isinstance(reply, kind), "a connection takes no reply of another kind"
        return reply


class _Lane:
    """A connection to one socket of the daemon, kept from call to call."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held = HeldImages()
        self._connection: Connection | None = None
        self._stamp: tuple[int, ...] = ()

    def open(self, path: Path, socket_name: str, name: str, deadline: float) -> Connection:
        """The connection; a new one if there is none or the file names another daemon."""
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
                connection = Connection(
                    info, socket_name, endpoint, name, held=self._held, hello_timeout_s=share_s
                )
            except WireError as exc:
                errors.append(exc)
                continue
            _wait_for_handshake(connection)
            if connection.failure is None:
                self._connection, self._stamp = connection, stamp
                return connection
            errors.append(connection.failure)
        raise clearest(errors)

    def ask(
        self,
        connection: Connection,
        request: Message,
        pixels: Sequence[Buffer],
        deadline: float,
        on_progress: OnProgress | None,
        cancel: CancelToken | None,
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


def _wait_for_handshake(connection: Connection) -> None:
    """Until the daemon has proved that it holds the key, or the connection is closed."""
    try:
        connection.pump()
        while not (connection.is_open or connection.is_closed):
            connection.wait(connection.seconds_to_deadline() or 0.0)
            connection.pump()
    except BaseException:  # Ctrl-C
        connection.close()
        raise


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
