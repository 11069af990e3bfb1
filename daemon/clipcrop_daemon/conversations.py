"""Who has proved that they hold the key, and the seals of their messages (PROTOCOL.md 4, 5)."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from clipcrop_wire import protocol, sealing
from clipcrop_wire.errors import InvalidRequest, NotAuthentic
from clipcrop_wire.messages import HelloReply, HelloRequest
from clipcrop_wire.sealing import Buffer, Channel

MAX_CONVERSATIONS = 1024
"""Each takes about a kilobyte, and only who holds the key can begin one."""


@dataclass(frozen=True)
class Peer:
    """One connection of a client."""

    socket: str
    """"work" or "control"."""

    identity: bytes
    """As the ROUTER calls it."""


@dataclass
class _Conversation:
    channel: Channel
    client: str


class Conversations:
    """The table of clients; one that is new costs another its place when the table is full."""

    def __init__(
        self, key: bytes, session: str, release: str, capacity: int = MAX_CONVERSATIONS
    ) -> None:
        self._key, self._session, self._release = key, session, release
        self._capacity = capacity
        # Those that never went beyond the hello, and the others; longest silent first.
        self._fresh: OrderedDict[Peer, _Conversation] = OrderedDict()
        self._proven: OrderedDict[Peer, _Conversation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._proven)

    def client_name(self, peer: Peer) -> str:
        """What the client calls itself, for the log; empty for a stranger."""
        found = self._proven.get(peer) or self._fresh.get(peer)
        return found.client if found else ""

    def greet(self, peer: Peer, frames: Sequence[Buffer]) -> list[bytes]:
        """A client's first message -> the frames that answer it, which prove the key to it.

        Raises:
            NotAuthentic: made without the key.
            VersionMismatch: of another major version.
            MalformedMessage: not a hello.
        """
        request = protocol.decode_request(sealing.open_hello(self._key, frames))
        hello = request.body
        if not isinstance(hello, HelloRequest):
            raise NotAuthentic(f"{request.kind!r} was sealed as a hello")
        refusal = self._refusal(peer, hello)
        if refusal is not None:
            header = protocol.encode_error(request.id, "hello", refusal)
            return sealing.seal_welcome(self._key, hello.nonce, header)
        self.forget(peer)
        while len(self) >= self._capacity:
            (self._fresh or self._proven).popitem(last=False)
        nonce = secrets.token_bytes(sealing.NONCE_BYTES)
        channel = Channel.of_daemon(self._key, peer.socket, hello.nonce + nonce)
        self._fresh[peer] = _Conversation(channel, hello.client)
        reply = HelloReply(nonce, protocol.PROTOCOL_MINOR, self._release)
        header = protocol.encode_reply(request.id, "hello", reply)
        return sealing.seal_welcome(self._key, hello.nonce, header)

    def open(self, peer: Peer, frames: Sequence[Buffer]) -> tuple[bytes, Buffer]:
        """Check the seal of any other message -> its header and its pixels, not yet parsed.

        Raises:
            NotAuthentic: from a stranger, made without the key, or here before.
            VersionMismatch: of another major version.
            MalformedMessage: not frames of the right number and sizes.
        """
        found = self._proven.get(peer) or self._fresh.get(peer)
        if found is None:
            sealing.check_version(frames)
            raise NotAuthentic("a message before any hello")
        opened = found.channel.open(frames)
        self._fresh.pop(peer, None)
        self._proven[peer] = found
        self._proven.move_to_end(peer)
        return opened

    def seal(self, peer: Peer, header: bytes) -> list[bytes] | None:
        """The frames of a message to a client; None if it is not known any more."""
        found = self._proven.get(peer) or self._fresh.get(peer)
        return None if found is None else found.channel.seal(header)

    def forget(self, peer: Peer) -> None:
        """End a conversation; who is not known is no error."""
        self._fresh.pop(peer, None)
        self._proven.pop(peer, None)

    def begin_anew(self, key: bytes) -> None:
        """End all of them; from now on there is another key."""
        self._key = key
        self._fresh.clear()
        self._proven.clear()

    def _refusal(self, peer: Peer, hello: HelloRequest) -> InvalidRequest | None:
        if hello.session != self._session:
            return InvalidRequest("that was another run of the daemon; read the connection file")
        if hello.socket != peer.socket:
            return InvalidRequest(f"this is the {peer.socket} socket, not {hello.socket}")
        return None
