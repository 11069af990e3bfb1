"""A fake daemon of the standard library: runs on every Python that the wire does, without pyzmq.

Import `short_path` and `daemon` into a conftest, or into a test's module, to have them as fixtures.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcrop_wire import protocol, sealing
from clipcrop_wire.endpoint import ConnectionFile, write_connection_file
from clipcrop_wire.errors import Cancelled, NotAuthentic, UnknownImage
from clipcrop_wire.messages import (
    CancelReply,
    CancelRequest,
    HelloReply,
    HelloRequest,
    PingReply,
    SuggestReply,
)
from clipcrop_wire.protocol import Request
from clipcrop_wire.zmtp import Decoder, Limits, _encode


class FakeDaemon:
    """Answers on a thread for each connection; keeps the protocol unless told not to.

    Only what tests use: hello, ping, cancel, and suggest with one empty answer.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "connection.json"
        self.key = secrets.token_bytes(32)
        self.session = secrets.token_hex(16)
        self.received_bytes = 0
        self.received = b""
        """The first of them."""

        self.says_first = b""
        """In place of a greeting."""

        self.requests: list[Request] = []
        self.is_mute = False
        self.holds: set = set()
        self.cancelled = threading.Event()
        self.reply_of: dict[str, Callable] = {}
        """Kind -> request to headers, instead of the usual answer."""

        self.frames_of: dict[str, Callable] = {}
        """Kind -> channel and request to frames, for answers that break the protocol."""

        self.declines_hello = None
        self.answer_to_hello = None
        """The client's frames to frames: the answer of a program without the key."""
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listeners = {}
        for name in ("work", "control"):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(folder / name))
            listener.listen(16)
            self._listeners[name] = listener
            self._spawn(self._accept, listener, name)
        self.info = ConnectionFile(
            self.session,
            self.key,
            os.getpid(),
            time.time(),
            ("ipc://" + str(folder / "work"),),
            ("ipc://" + str(folder / "control"),),
        )
        write_connection_file(self.path, self.info)

    def _spawn(self, work: Callable, *args) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self, listener: socket.socket, name: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                self._peers.append(peer)
                self._spawn(self._serve, peer, name)

    def _serve(self, peer: socket.socket, name: str) -> None:
        decoder = Decoder(Limits(max_message_bytes=70 * 2**20))
        channel = None
        with contextlib.suppress(OSError), peer:
            greeting = b"".join(decoder.take_answers())
            peer.sendall(self.says_first or greeting)
            while True:
                data = peer.recv(65536)
                self.received_bytes += len(data)
                self.received += data[: max(0, 4096 - len(self.received))]
                if not data:
                    return
                messages = decoder.feed(data)
                peer.sendall(b"".join(decoder.take_answers()))
                for frames in messages:
                    if self.is_mute:
                        continue
                    with contextlib.suppress(NotAuthentic):  # such a message is not answered
                        if channel is None:
                            channel = self._welcome(peer, frames, name)
                        else:
                            header, pixels = channel.open(frames)
                            self._answer(peer, channel, protocol.decode_request(header, pixels))

    def _welcome(self, peer, frames, name):
        if self.answer_to_hello is not None:
            send(peer, self.answer_to_hello(frames))
            return None
        header = sealing.open_hello(self.key, frames)
        hello = protocol.decode_request(header).body
        assert isinstance(hello, HelloRequest)
        assert hello.socket == name
        nonce = secrets.token_bytes(32)
        if self.declines_hello is not None:
            reply = protocol.encode_error("hello", "hello", self.declines_hello)
            send(peer, sealing.seal_welcome(self.key, hello.nonce, reply))
            return None
        reply = protocol.encode_reply("hello", "hello", HelloReply(nonce, 0))
        send(peer, sealing.seal_welcome(self.key, hello.nonce, reply))
        return sealing.Channel(self.key, nonce)

    def _answer(self, peer, channel, request):
        self.requests.append(request)
        if request.kind in self.frames_of:
            send(peer, self.frames_of[request.kind](channel, request))
            return
        special = self.reply_of.get(request.kind)
        if special is not None:
            for header in special(request):
                send(peer, channel.seal(header))
        elif request.kind == "ping":
            send(peer, channel.seal(protocol.encode_reply(request.id, "ping", PingReply())))
        elif request.kind == "cancel":
            self.cancelled.set()
            assert isinstance(request.body, CancelRequest)
            header = protocol.encode_reply(request.id, "cancel", CancelReply("running"))
            send(peer, channel.seal(header))
            header = protocol.encode_error(
                request.body.request_id, "suggest", Cancelled("cancelled")
            )
            send(peer, channel.seal(header))
        elif request.kind == "suggest":
            image = request.body.image
            if not image.is_inline and image.sha256 not in self.holds:
                error = UnknownImage("send the pixels")
                send(peer, channel.seal(protocol.encode_error(request.id, "suggest", error)))
                return
            self.holds.add(image.sha256)
            reply = SuggestReply("lite", "cpu", "general", False, True)
            send(peer, channel.seal(protocol.encode_reply(request.id, "suggest", reply)))

    def hang_up(self) -> None:
        """As a killed process: every connection is cut, nobody listens."""
        for one in [*self._listeners.values(), *self._peers]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def stop(self) -> None:
        """Hang up and wait for the threads."""
        self.hang_up()
        for thread in self._threads:
            thread.join(120)


def send(peer: socket.socket, frames) -> None:
    peer.sendall(b"".join(_encode(frames)))


@pytest.fixture
def short_path():
    """A folder whose path is short enough for a socket's, which pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    yield folder
    shutil.rmtree(str(folder))


@pytest.fixture
def daemon(short_path):
    """A running fake daemon."""
    if sys.platform == "win32":
        pytest.fail("these tests need unix sockets")
    running = FakeDaemon(short_path)
    yield running
    running.stop()
