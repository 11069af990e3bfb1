"""The real dispatcher between a fake model process and fake clients, with a clock to be wound."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from clipcrop_daemon.dispatcher import Dispatcher
from clipcrop_daemon.model_process import WorkerExited, WorkerMessage
from clipcrop_daemon.sessions import Peer, Sessions
from clipcrop_wire import protocol, sealing
from clipcrop_wire.errors import RequestError
from clipcrop_wire.messages import (
    HelloReply,
    HelloRequest,
    Image,
    Progress,
    StatusReply,
    SuggestReply,
    SuggestRequest,
)
from clipcrop_wire.rules import Message

KEY = bytes(range(32))
SESSION = "ab" * 16
NONCE = b"n" * 32
IDLE_S, STUCK_S = 600.0, 30.0
PIXELS = bytes(range(24))
IMAGE = Image.of(PIXELS, 4, 2, "rgb8")
CROPS = SuggestReply("lite", "cpu", "match", False, True)
STATE = StatusReply("0.1", 1, 1.0, "idle", loaded=("lite",), device="cpu", num_cached_images=2)


class FakeModel:
    """A model process that does nothing; the test says what it says."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.sent: list[protocol.Request] = []
        self.is_killed = False

    def send(self, header: bytes, parts: Sequence[sealing.Buffer] = ()) -> None:
        pixels = b"".join(bytes(part) for part in parts)
        self.sent.append(protocol.decode_request(header, pixels))

    def kill(self) -> None:
        self.is_killed = True

    def heard(self) -> list[str]:
        return [request.id for request in self.sent if request.kind != "cancel"]


class FakeClient:
    """One connection: seals what it says, reads what it is sent."""

    def __init__(self, front: Front, name: str, socket: str) -> None:
        self.peer = Peer(socket, b"\0" + name.encode().rjust(4))
        self.answers: dict[str, list[Message | RequestError]] = {}
        self._front = front
        front.clients[self.peer] = self
        hello = HelloRequest(SESSION, socket, NONCE, 0, name)
        self._channel: sealing.Channel | None = None
        front.tell(self.peer, sealing.seal_hello(KEY, protocol.encode_request("hello", hello)))

    def ask(self, request_id: str, request: Message, pixels: bytes = b"") -> None:
        assert self._channel is not None
        header = protocol.encode_request(request_id, request)
        frames: list[sealing.Buffer] = [*self._channel.seal(header, [pixels] if pixels else [])]
        self._front.tell(self.peer, [*frames, pixels] if pixels else frames)

    def get(self, frames: list[bytes]) -> None:
        if self._channel is None:
            welcome = protocol.decode_reply(sealing.open_welcome(KEY, NONCE, frames)).body
            assert isinstance(welcome, HelloReply)
            self._channel = sealing.Channel(KEY, welcome.nonce)
            return
        reply = protocol.decode_reply(self._channel.open(frames)[0])
        self.answers.setdefault(reply.id, []).append(reply.body)

    def last(self, request_id: str) -> Message | RequestError | None:
        """The answer, None before it has come; there must not be two."""
        final = [
            answer
            for answer in self.answers.get(request_id, [])
            if not isinstance(answer, Progress)
        ]
        assert len(final) <= 1
        return final[0] if final else None

    def stages(self, request_id: str) -> list[str]:
        return [
            answer.stage
            for answer in self.answers.get(request_id, [])
            if isinstance(answer, Progress)
        ]


@dataclass
class Front:
    """A dispatcher with a clock that the test winds."""

    now_s: float = 1000.0
    clients: dict[Peer, FakeClient] = field(default_factory=dict)
    gone: set[Peer] = field(default_factory=set)
    models: list[FakeModel] = field(default_factory=list)
    raw: list[list[bytes]] = field(default_factory=list)
    """What strangers were sent."""

    start_error: OSError | None = None

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(
            Sessions(KEY, SESSION, "0.1"),
            self._send,
            self._start_model,
            lambda pids: 1000 * len(pids),
            lambda: len(set(self.clients) - self.gone),
            now_s=self.now_s,
            idle_s=IDLE_S,
            stuck_s=STUCK_S,
        )

    def client(self, name: str = "a", socket: str = "work") -> FakeClient:
        return FakeClient(self, name, socket)

    def tell(self, peer: Peer, frames: Sequence[sealing.Buffer]) -> None:
        self.dispatcher.on_message(peer, frames, self.now_s)

    def wind(self, seconds: float) -> None:
        self.now_s += seconds
        self.dispatcher.on_time(self.now_s)

    @property
    def model(self) -> FakeModel:
        return self.models[-1]

    def say(self, request_id: str, answer: Message | RequestError, kind: str = "suggest") -> None:
        """The model process answers."""
        if isinstance(answer, RequestError):
            header = protocol.encode_error(request_id, kind, answer)
        elif isinstance(answer, Progress):
            kind, header = "progress", protocol.encode_progress(request_id, answer)
        else:
            header = protocol.encode_reply(request_id, kind, answer)
        is_error = isinstance(answer, RequestError)
        body = {"code": answer.code} if is_error else answer.to_map()
        event = WorkerMessage(
            self.model, kind, request_id, kind != "progress", is_error, body, header
        )  # type: ignore[arg-type]
        self.dispatcher.on_model(event, self.now_s)

    def model_ends(self, reason: str = "killed by signal 9") -> None:
        self.dispatcher.on_model(WorkerExited(self.model, reason), self.now_s)  # type: ignore[arg-type]

    def status(self) -> StatusReply:
        return self.dispatcher.status(self.now_s)

    def _send(self, peer: Peer, frames: list[bytes]) -> bool:
        if peer in self.gone:
            return False
        if peer in self.clients:
            self.clients[peer].get(frames)
        else:
            self.raw.append(frames)
        return True

    def _start_model(self) -> FakeModel:
        if self.start_error is not None:
            raise self.start_error
        self.models.append(FakeModel(7000 + len(self.models)))
        return self.model


def suggest(**changes: object) -> SuggestRequest:
    return dataclasses.replace(SuggestRequest(IMAGE, "the dog"), **changes)  # type: ignore[arg-type]
