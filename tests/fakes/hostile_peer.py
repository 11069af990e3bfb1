"""A peer that speaks ZMTP by hand, to break every rule that a real client keeps.

It waits for answers with a deadline, and says nothing that a test does not tell it to say.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

from clipcrop_wire import protocol, sealing
from clipcrop_wire.endpoint import ConnectionFile
from clipcrop_wire.errors import WireError
from clipcrop_wire.messages import HelloReply, HelloRequest
from clipcrop_wire.rules import Message
from clipcrop_wire.sealing import Channel
from clipcrop_wire.zmtp import Decoder, _encode

NULL = b"NULL"
PATIENCE_S = 10.0


def greeting(mechanism: bytes = NULL) -> bytes:
    """The first 64 bytes of ZMTP 3.0."""
    return b"\xff" + bytes(8) + b"\x7f\x03\x00" + mechanism.ljust(20, b"\0") + bytes(32)


def ready(socket_type: bytes = b"DEALER", identity: bytes = b"") -> bytes:
    """The command that ends the handshake."""
    body = b"\x05READY" + _property(b"Socket-Type", socket_type)
    if identity:
        body += _property(b"Identity", identity)
    return b"\x04" + bytes([len(body)]) + body


def frame(body: bytes, *, more: bool = False) -> bytes:
    """One frame, of any size."""
    if len(body) > 255:
        return struct.pack(">BQ", 2 | more, len(body)) + body
    return struct.pack(">BB", more, len(body)) + body


class HostilePeer:
    """One connection."""

    def __init__(
        self,
        endpoint: str,
        *,
        is_greeted: bool = True,
        socket_type: bytes = b"DEALER",
        identity: bytes = b"",
        mechanism: bytes = NULL,
    ) -> None:
        kind, _, rest = endpoint.partition("://")
        self.received = b""
        self.sent: list[list[bytes]] = []
        """The messages of `say`, to be said again."""

        self._decoder = Decoder()
        self._messages: list[list[bytes]] = []
        self._socket = socket.socket(socket.AF_UNIX if kind == "ipc" else socket.AF_INET)
        self._socket.settimeout(PATIENCE_S)
        host, _, port = rest.rpartition(":")
        try:
            self._connect(rest if kind == "ipc" else (host, int(port)))
            if is_greeted:
                self.send(greeting(mechanism))
                self.wait(lambda: len(self.received) >= len(greeting()))
                self.send(ready(socket_type, identity))
        except BaseException:
            self.close()
            raise

    def send(self, data: bytes) -> bool:
        """Send bytes; False if the daemon has closed the connection, or takes no more."""
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def say(self, frames: Sequence[bytes]) -> bool:
        """Send a whole message."""
        self.sent.append(list(frames))
        return self.send(b"".join(map(bytes, _encode(frames))))

    def hello(self, info: ConnectionFile, name: str = "work") -> Channel:
        """Prove the key as a client does -> the conversation's seals."""
        nonce = secrets.token_bytes(32)
        request = HelloRequest(info.session, name, nonce, 0, "rude")
        self.say(sealing.seal_hello(info.key, protocol.encode_request("hello", request)))
        header = sealing.open_welcome(info.key, nonce, self.next_message())
        welcome = protocol.decode_reply(header).body
        assert isinstance(welcome, HelloReply), welcome
        return Channel(info.key, welcome.nonce)

    def ask(self, channel: Channel, request: Message, request_id: str = "") -> str:
        """Send a request under a right seal -> its id."""
        request_id = request_id or secrets.token_hex(16)
        self.say(channel.seal(protocol.encode_request(request_id, request)))
        return request_id

    def next_reply(self, channel: Channel) -> protocol.Reply:
        """The next message that is no progress."""
        while True:
            reply = protocol.decode_reply(channel.open(self.next_message())[0])
            if reply.kind != "progress":
                return reply

    def next_message(self) -> list[bytes]:
        """The next message's frames."""
        self.wait(lambda: bool(self._messages))
        return self._messages.pop(0)

    def is_answered(self, seconds: float = 0.0) -> bool:
        """Whether a message has come, or comes in that time."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            self.wait(lambda: bool(self._messages), seconds)
        return bool(self._messages)

    def is_dropped(self, seconds: float = PATIENCE_S) -> bool:
        """Whether the daemon closes the connection in that time."""
        try:
            self.wait(lambda: False, seconds)
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        raise AssertionError("unreachable")

    def wait(self, is_so: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Read until something is so; ConnectionError when the daemon has hung up."""
        deadline = time.monotonic() + seconds
        while not is_so():
            left = deadline - time.monotonic()
            self._socket.settimeout(max(left, 0.001))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                if left <= 0:
                    raise
                continue
            finally:
                self._socket.settimeout(PATIENCE_S)
            if not data:
                raise ConnectionError("the daemon has closed the connection")
            self.received += data
            with contextlib.suppress(WireError):  # it need not be a message
                self._messages += self._decoder.feed(data)

    def close(self) -> None:
        """Hang up; what was not read is thrown away."""
        self._socket.close()

    def __enter__(self) -> HostilePeer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _connect(self, address: object) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._socket.connect(address)
                return
            except BlockingIOError:  # more knock than it has let in yet
                if time.monotonic() > deadline:
                    raise


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack(">I", len(value)) + value


def endpoint_of(daemon: Any, name: str = "work") -> str:
    """The endpoint that a daemon's connection file names."""
    endpoint: str = daemon.info().endpoints(name)[0]
    return endpoint
