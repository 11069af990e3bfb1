"""Which connections have proved the key, and the seals of their messages (PROTOCOL.md 4, 5).

No table of clients is kept. The nonce of a connection follows from its routing id, which ZeroMQ
assigns and never uses twice, and from a secret of this run: the same connection always has the same
key, and only a client that has read the answer to its hello can know it. So there is nothing to
forget, and the thousandth connection is answered like the first.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from clipcrop_wire import protocol, sealing
from clipcrop_wire.errors import InvalidRequest, NotAuthentic
from clipcrop_wire.messages import HelloReply, HelloRequest
from clipcrop_wire.sealing import Buffer, Channel

_MAX_REMEMBERED = 1024
"""Names and keys; what is forgotten is computed again, or left out of the log."""

_ROUTING_ID_BYTES = 5
"""Of one that libzmq assigns: a zero, and a number."""


@dataclass(frozen=True)
class Peer:
    """One connection of a client."""

    socket: str
    """"work" or "control"."""

    identity: bytes
    """As the ROUTER calls it."""

    @property
    def has_assigned_id(self) -> bool:
        """The routing id is the daemon's choice, not the client's."""
        return len(self.identity) == _ROUTING_ID_BYTES and self.identity[0] == 0


class Sessions:
    """Proves and checks the key; opens and seals messages."""

    def __init__(self, key: bytes, session: str, release: str) -> None:
        self._key, self._session, self._release = key, session, release
        self._secret = secrets.token_bytes(sealing.NONCE_BYTES)
        self._names: OrderedDict[Peer, str] = OrderedDict()
        self._channel_of = lru_cache(_MAX_REMEMBERED)(self._make_channel)

    def client_name(self, peer: Peer) -> str:
        """What the client calls itself, for the log; empty if that is not known."""
        return self._names.get(peer, "")

    def handshake(self, peer: Peer, frames: Sequence[Buffer]) -> list[bytes]:
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
        else:
            self._names[peer] = hello.client
            while len(self._names) > _MAX_REMEMBERED:
                self._names.popitem(last=False)
            reply = HelloReply(self._nonce_of(peer), protocol.PROTOCOL_MINOR, self._release)
            header = protocol.encode_reply(request.id, "hello", reply)
        return sealing.seal_welcome(self._key, hello.nonce, header)

    def open(self, peer: Peer, frames: Sequence[Buffer]) -> tuple[bytes, Buffer]:
        """Check the seal of any other message -> its header and its pixels, not yet parsed.

        Raises:
            NotAuthentic: made without the key, or for another connection.
            VersionMismatch: of another major version.
            MalformedMessage: not frames of the right number and sizes.
        """
        return self._channel_of(peer).open(frames)

    def seal(self, peer: Peer, header: bytes) -> list[bytes]:
        """The frames of a message to a client."""
        return self._channel_of(peer).seal(header)

    def _make_channel(self, peer: Peer) -> Channel:
        return Channel(self._key, self._nonce_of(peer))

    def _nonce_of(self, peer: Peer) -> bytes:
        return hmac.digest(self._secret, peer.socket.encode() + peer.identity, "sha256")

    def _refusal(self, peer: Peer, hello: HelloRequest) -> InvalidRequest | None:
        if not peer.has_assigned_id:
            return InvalidRequest("this connection has set a routing id; leave that to the daemon")
        if hello.session != self._session:
            return InvalidRequest("that was another run of the daemon; read the connection file")
        if hello.socket != peer.socket:
            return InvalidRequest(f"this is the {peer.socket} socket, not {hello.socket}")
        return None
