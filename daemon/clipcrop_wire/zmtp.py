"""The smallest ZeroMQ peer: a DEALER with the NULL mechanism of ZMTP 3.0, on the standard library.

Editors cannot load compiled modules everywhere, so what libzmq does for others is done here by
hand. `Decoder` knows the bytes and no socket; `Dealer` moves them, and never waits unless asked to.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Sequence

from .errors import DaemonNotRunning, MalformedMessage, ProtocolError
from .sealing import Buffer

CONNECT_TIMEOUT_S = 0.5
"""Connecting is local: it takes microseconds, or the other side is in trouble."""

_SIGNATURE = b"\xff\0\0\0\0\0\0\0\0\x7f"
_MECHANISM = b"NULL".ljust(20, b"\0")
_GREETING = _SIGNATURE + b"\x03\0" + _MECHANISM + b"\0" + bytes(31)
_MORE, _LONG, _COMMAND = 1, 2, 4
_PEER_TYPES = (b"ROUTER", b"DEALER", b"REP")
_MAX_COMMAND_BYTES = 4096
_READ_BYTES = 64 * 1024
_READS_A_PUMP = 4  # what is left is still there; a flood must not hold the caller up
_COPY_BELOW_BYTES = 64 * 1024
_MAX_UNSENT = 1000
"""Pieces that wait to be sent while the other side asks for more answers."""

_KNOCK_S = 0.005

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
"""Unlike the default one, it needs no descriptor of its own, which each wait would open anew."""


@dataclass(frozen=True)
class Limits:
    """What is taken from the other side before it is dropped."""

    max_message_bytes: int = 1024 * 1024
    """All frames of a message together."""

    max_frames: int = 8
    """Of one message."""


class Decoder:
    """The bytes of a connection -> messages. Knows no socket."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.is_ready = False
        """Both sides have introduced themselves."""

        self._limits = limits or Limits()
        self._buffer = bytearray()
        self._has_greeting = False
        self._message: list[bytes] = []
        self._message_bytes = 0
        self._answers: list[bytes] = [_GREETING]

    def take_answers(self) -> list[bytes]:
        """What the other side must be sent for the protocol's own sake."""
        answers, self._answers = self._answers, []
        return answers

    def feed(self, data: bytes) -> list[list[bytes]]:
        """Take what came in, in pieces of any size -> the messages that are complete now.

        Raises:
            MalformedMessage: it is not ZMTP 3 of a peer that fits, or over the limits.
            ProtocolError: the other side refused us, and said why.
        """
        self._buffer += data
        messages: list[list[bytes]] = []
        if not self._has_greeting and not self._read_greeting():
            return messages
        while True:
            frame = self._read_frame()
            if frame is None:
                return messages
            flags, body = frame
            if flags & _COMMAND:
                self._on_command(body)
                continue
            self._message.append(body)
            self._message_bytes += len(body)
            if not flags & _MORE:
                messages.append(self._message)
                self._message, self._message_bytes = [], 0

    def _read_greeting(self) -> bool:
        got = bytes(self._buffer[: len(_GREETING)])
        # Bytes 1 to 8 of the signature may hold anything.
        is_zmtp = got[:1] in (b"", b"\xff") and got[9:10] in (b"", b"\x7f")
        if not is_zmtp or got[10:11] not in (b"", b"\3"):
            raise MalformedMessage("the program that listens there does not speak ZMTP 3")
        if len(got) < len(_GREETING):
            return False
        if got[12:32] != _MECHANISM:
            raise MalformedMessage(
                "the program that listens there wants another mechanism than NULL"
            )
        del self._buffer[: len(_GREETING)]
        self._has_greeting = True
        self._answers.append(_command(b"READY", _property(b"Socket-Type", b"DEALER")))
        return True

    def _read_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if not buffer:
            return None
        flags = buffer[0]
        if flags & ~(_MORE | _LONG | _COMMAND) or (flags & _COMMAND and flags & _MORE):
            raise MalformedMessage(f"a frame has flags {flags:#04x}")
        start = 9 if flags & _LONG else 2
        if len(buffer) < start:
            return None
        size = struct.unpack_from(">Q", buffer, 1)[0] if flags & _LONG else buffer[1]
        self._check_size(flags, size)
        if len(buffer) < start + size:
            return None
        body = bytes(memoryview(buffer)[start : start + size])
        del buffer[: start + size]
        return flags, body

    def _check_size(self, flags: int, size: int) -> None:
        """Before it is waited for: an announced size costs nothing yet."""
        if flags & _COMMAND:
            if size > _MAX_COMMAND_BYTES:
                raise MalformedMessage(f"a command of {size} bytes; at most {_MAX_COMMAND_BYTES}")
            return
        if not self.is_ready:
            raise MalformedMessage("a message came before the handshake was over")
        if len(self._message) == self._limits.max_frames:
            raise MalformedMessage(f"a message of more than {self._limits.max_frames} frames")
        if self._message_bytes + size > self._limits.max_message_bytes:
            raise MalformedMessage(f"a message of more than {self._limits.max_message_bytes} bytes")

    def _on_command(self, body: bytes) -> None:
        name, rest = _short_string(body)
        if name == b"ERROR":
            reason = _short_string(rest)[0].decode("ascii", "replace")
            raise ProtocolError(
                f"the program that listens there refused the connection: {reason!r}"
            )
        if not self.is_ready:
            if name != b"READY":
                raise MalformedMessage("the handshake does not begin with READY")
            peer_type = _properties(rest).get(b"socket-type", b"")
            if peer_type not in _PEER_TYPES:
                raise MalformedMessage(
                    "the program that listens there has a socket of the wrong type"
                )
            self.is_ready = True
        elif name == b"PING":  # of ZMTP 3.1, which a peer may speak all the same
            self._answers.append(_command(b"PONG", rest[2:18]))


class Dealer:
    """A connection to one endpoint. All but `wait` return at once."""

    def __init__(self, endpoint: str, limits: Limits | None = None) -> None:
        self.endpoint = endpoint
        self._decoder = Decoder(limits)
        self._waiting: deque[memoryview] = deque()  # until the handshake is over
        self._outgoing: deque[memoryview] = deque()
        self._lost = ""
        self._socket: socket.socket | None = _connect(endpoint)
        self._push(self._decoder.take_answers())

    @property
    def is_ready(self) -> bool:
        """Both sides have introduced themselves."""
        return self._decoder.is_ready

    @property
    def is_closed(self) -> bool:
        """Closed by us."""
        return self._socket is None

    @property
    def wants_to_write(self) -> bool:
        """There are bytes left to send: call `pump` also when the socket can be written to."""
        return bool(self._outgoing)

    def fileno(self) -> int:
        """The socket's file descriptor, -1 once closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def queue(self, frames: Sequence[Buffer]) -> None:
        """Take a message to send; `pump` sends it. The buffers must not change before that."""
        target = self._outgoing if self.is_ready else self._waiting
        target.extend(memoryview(piece) for piece in _encode(frames))

    def pump(self) -> list[list[bytes]]:
        """Send and receive what can be without waiting -> the messages that came.

        Raises:
            DaemonNotRunning: the other side is gone; told after its last message was given out.
            ProtocolError: the other side does not speak as it should.
        """
        connection = self._socket
        if connection is None:
            raise DaemonNotRunning(f"the connection to {self.endpoint} is closed")
        self._write(connection)
        messages: list[list[bytes]] = []
        for _ in range(_READS_A_PUMP):
            data = self._read(connection)
            if not data:
                break
            messages += self._decoder.feed(data)
            self._push(self._decoder.take_answers())
        if self.is_ready and self._waiting:
            self._outgoing += self._waiting
            self._waiting.clear()
        self._write(connection)
        if self._lost and not messages:
            raise DaemonNotRunning(f"the connection to {self.endpoint} was lost: {self._lost}")
        return messages

    def wait(self, seconds: float, wake: socket.socket | None = None) -> None:
        """Wait until `pump` has something to do, ``wake`` can be read, or time is up."""
        if self._socket is None or seconds <= 0:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.wants_to_write else 0)
        with _Selector() as selector:
            selector.register(self._socket, events)
            if wake is not None:
                selector.register(wake, selectors.EVENT_READ)
            selector.select(seconds)

    def close(self) -> None:
        """Close; what was not sent is lost."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
        self._outgoing.clear()
        self._waiting.clear()

    def _push(self, parts: Sequence[bytes]) -> None:
        for part in parts:
            self._outgoing.append(memoryview(part))
        if parts and len(self._outgoing) > _MAX_UNSENT:
            raise MalformedMessage(
                "the program that listens there asks without end and reads no answer"
            )

    def _write(self, connection: socket.socket) -> None:
        while self._outgoing and not self._lost:
            part = self._outgoing[0]
            try:
                sent = connection.send(part)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:  # what the peer said last may still be there to be read
                self._lost = exc.strerror or str(exc)
                return
            if sent == part.nbytes:
                self._outgoing.popleft()
            else:
                self._outgoing[0] = part[sent:]

    def _read(self, connection: socket.socket) -> bytes:
        try:
            data = connection.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as exc:
            self._lost = self._lost or exc.strerror or str(exc)
            return b""
        if not data:
            self._lost = self._lost or "the other side closed it"
        return data


def _connect(endpoint: str) -> socket.socket:
    kind, _, rest = endpoint.partition("://")
    if kind == "ipc" and not hasattr(socket, "AF_UNIX"):
        raise DaemonNotRunning(f"this system cannot connect to {endpoint}")
    family = socket.AF_UNIX if kind == "ipc" else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(CONNECT_TIMEOUT_S)
        if kind == "ipc":
            _connect_unix(connection, rest)
        else:
            host, _, port = rest.rpartition(":")
            connection.connect((host, int(port)))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
    except (OSError, ValueError) as exc:
        connection.close()
        reason = getattr(exc, "strerror", None) or str(exc)
        raise DaemonNotRunning(f"no daemon listens at {endpoint}: {reason}") from exc
    return connection


def _connect_unix(connection: socket.socket, path: str) -> None:
    """Try for as long as more clients knock than the daemon has let in yet."""
    until = time.monotonic() + CONNECT_TIMEOUT_S
    while True:
        try:
            connection.connect(path)
            return
        except BlockingIOError:  # unlike tcp, unix sockets refuse at once then
            if time.monotonic() >= until:
                raise
            time.sleep(_KNOCK_S)


def _encode(frames: Sequence[Buffer]) -> list[Buffer]:
    """A message -> pieces to send; large frames are not copied."""
    pieces: list[Buffer] = []
    small = bytearray()
    for index, frame in enumerate(frames):
        view = memoryview(frame).cast("B")
        more = _MORE if index < len(frames) - 1 else 0
        if view.nbytes > 255:
            small += struct.pack(">BQ", more | _LONG, view.nbytes)
        else:
            small += struct.pack(">BB", more, view.nbytes)
        if view.nbytes < _COPY_BELOW_BYTES:
            small += view
        else:
            pieces += [bytes(small), view]
            small = bytearray()
    return [*pieces, bytes(small)] if small else pieces


def _command(name: bytes, data: bytes) -> bytes:
    body = bytes([len(name)]) + name + data
    return bytes([_COMMAND, len(body)]) + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def _properties(data: bytes) -> dict[bytes, bytes]:
    """The metadata of READY; names are compared without case."""
    found: dict[bytes, bytes] = {}
    while data:
        name, data = _short_string(data)
        if len(data) < 4:
            raise MalformedMessage("a property of the handshake is cut short")
        (size,) = struct.unpack_from(">I", data)
        if not name or len(data) < 4 + size:
            raise MalformedMessage("a property of the handshake is cut short")
        found[name.lower()] = data[4 : 4 + size]
        data = data[4 + size :]
    return found


def _short_string(data: bytes) -> tuple[bytes, bytes]:
    """A string after its length in one byte, and what comes after it."""
    if not data or len(data) < 1 + data[0]:
        raise MalformedMessage("a command is cut short")
    return data[1 : 1 + data[0]], data[1 + data[0] :]
