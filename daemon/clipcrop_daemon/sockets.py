"""The front's sockets: how they are bound, their limits, and what goes through them."""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
import sys
from collections.abc import Container, Sequence
from pathlib import Path

import zmq

from clipcrop_wire.messages import MAX_PIXEL_BYTES
from clipcrop_wire.sealing import Buffer

from .errors import CannotListen
from .sessions import Peer

_HANDSHAKE_MS = 5000
_LINGER_MS = 500
"""For the last words at the end."""

_BACKLOG = 256
_MAX_WAITING_IN = 4  # messages of one client that libzmq holds for us
_MAX_WAITING_OUT = 256  # of ours for a client that does not read
_MAX_FRAMES = 3
_MAX_BATCH = 64
_MONITOR_EVENT = struct.Struct("=HI")  # number and value, as zmq_socket_monitor(3) has it


class Sockets:
    """The work and the control socket, bound."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], folder: Path, uses_tcp: bool
    ) -> None:
        """Bind both under random names.

        Args:
            context: libzmq's.
            folder: For the sockets' files; only the user may enter it.
            uses_tcp: On 127.0.0.1, in place of unix sockets.

        Raises:
            CannotListen: that is not possible.
        """
        self.endpoints: dict[str, tuple[str, ...]] = {}
        """Of "work" and "control"."""

        self._sockets: dict[str, zmq.Socket[bytes]] = {}
        self._monitors: dict[str, zmq.Socket[bytes]] = {}
        self.num_connections = 0
        """Open ones, also those that have sent nothing yet."""

        self._cut: set[str] = set()
        """Sockets in the middle of a message with too many frames."""

        if uses_tcp:
            _seed_libzmq()
        try:
            for name in ("work", "control"):
                self._sockets[name] = socket = context.socket(zmq.ROUTER)
                _limit(socket)
                self._monitors[name] = socket.get_monitor_socket(
                    zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
                )
                self.endpoints[name] = (_bind(socket, folder, name, uses_tcp),)
        except (zmq.ZMQError, OSError) as exc:
            self.close()
            raise CannotListen(f"cannot listen in {folder}: {exc}") from exc

    def register(self, poller: zmq.Poller) -> None:
        """Have a poller watch them."""
        for socket in (*self._sockets.values(), *self._monitors.values()):
            poller.register(socket, zmq.POLLIN)

    def receive(self, ready: Container[object]) -> list[tuple[Peer, Sequence[Buffer]]]:
        """What has come, not more than a batch; control first. Never waits.

        Args:
            ready: Those of the sockets that the poller found something in.
        """
        for monitor in self._monitors.values():
            if monitor in ready:
                self._count_connections(monitor)
        messages: list[tuple[Peer, Sequence[Buffer]]] = []
        for name in ("control", "work"):
            if self._sockets[name] in ready:
                with contextlib.suppress(zmq.Again):
                    for _ in range(_MAX_BATCH):
                        message = self._receive_one(name)
                        if message is not None:
                            messages.append(message)
        return messages

    def send(self, peer: Peer, frames: Sequence[bytes]) -> bool:
        """Send; False if the client is gone, or does not read what it is sent."""
        try:
            self._sockets[peer.socket].send_multipart([peer.identity, *frames], zmq.NOBLOCK)
        except zmq.ZMQError as exc:
            if exc.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise
        return True

    def close(self) -> None:
        """Close; what was sent is given a moment to arrive."""
        for socket in self._sockets.values():
            if not socket.closed:
                socket.disable_monitor()
                socket.close(_LINGER_MS)
        for monitor in self._monitors.values():
            monitor.close(0)
        for path in self._files():
            with contextlib.suppress(OSError):  # libzmq leaves them; another program may not
                path.unlink()

    def _files(self) -> list[Path]:
        return [
            Path(one[len("ipc://") :])
            for both in self.endpoints.values()
            for one in both
            if one.startswith("ipc://")
        ]

    def _receive_one(self, name: str) -> tuple[Peer, Sequence[Buffer]] | None:
        """One message; None for a piece of one that has too many frames. zmq.Again: nothing."""
        socket = self._sockets[name]
        frames: list[zmq.Frame] = []
        is_cut = name in self._cut
        for _ in range(_MAX_BATCH):
            frame = socket.recv(zmq.NOBLOCK, copy=False)
            if not is_cut and len(frames) <= 1 + _MAX_FRAMES:
                frames.append(frame)
            if not frame.more:
                self._cut.discard(name)
                if is_cut:
                    return None
                identity, *parts = frames
                return Peer(name, identity.bytes), [part.buffer for part in parts]
        self._cut.add(name)
        return None

    def _count_connections(self, monitor: zmq.Socket[bytes]) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                event, _ = _MONITOR_EVENT.unpack(monitor.recv_multipart(zmq.NOBLOCK)[0])
                self.num_connections += 1 if event == zmq.EVENT_ACCEPTED else -1


def _seed_libzmq() -> None:
    """Make libzmq's numbers of connections unpredictable.

    It takes the first number from the C library's rand(), which it does not seed, and ends the
    process when a stranger has claimed the number that comes next.
    """
    import ctypes  # takes time, and is needed on tcp only: elsewhere there are no strangers

    library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
    library.srand(ctypes.c_uint(secrets.randbits(32)))


def _limit(socket: zmq.Socket[bytes]) -> None:
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_PIXEL_BYTES)
    socket.setsockopt(zmq.RCVHWM, _MAX_WAITING_IN)
    socket.setsockopt(zmq.SNDHWM, _MAX_WAITING_OUT)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    socket.setsockopt(zmq.BACKLOG, _BACKLOG)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    # No authenticator is registered for it, but with a domain libzmq refuses ZMTP 1 and 2, for
    # which it would take an HTTP request of a web page.
    socket.setsockopt(zmq.ZAP_DOMAIN, b"clipcrop")


def _bind(socket: zmq.Socket[bytes], folder: Path, name: str, uses_tcp: bool) -> str:
    """Bind -> the endpoint."""
    if uses_tcp:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        return f"tcp://127.0.0.1:{port}"
    endpoint = f"ipc://{folder / (name[0] + secrets.token_hex(8))}"
    mask = os.umask(0o077)
    try:
        socket.bind(endpoint)
    finally:
        os.umask(mask)
    return endpoint
