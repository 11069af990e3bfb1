from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from clipcrop_daemon.conversations import Conversations, Peer
from clipcrop_daemon.dispatcher import PROGRESS_AFTER_S, Dispatcher
from clipcrop_daemon.model_process import Ended, Said
from clipcrop_wire import protocol, sealing
from clipcrop_wire.errors import (
    Cancelled,
    InternalError,
    InvalidRequest,
    RequestError,
    Unavailable,
    UnknownImage,
)
from clipcrop_wire.messages import (
    CancelReply,
    CancelRequest,
    HelloReply,
    HelloRequest,
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
from clipcrop_wire.rules import Message

KEY = bytes(range(32))
SESSION = "ab" * 16
NONCE = b"n" * 32
IDLE_S, STUCK_S = 600.0, 30.0
PIXELS = bytes(range(24))
IMAGE = Image.of(PIXELS, 4, 2, "rgb8")
CROPS = SuggestReply("lite", "cpu", "match", False, True)


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
        self.peer = Peer(socket, name.encode())
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
            nonces = NONCE + welcome.nonce
            self._channel = sealing.Channel.of_client(KEY, self.peer.socket, nonces)
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
            Conversations(KEY, SESSION, "0.1"),
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
        event = Said(self.model, kind, request_id, kind != "progress", is_error, body, header)  # type: ignore[arg-type]
        self.dispatcher.on_model(event, self.now_s)

    def model_ends(self, reason: str = "killed by signal 9") -> None:
        self.dispatcher.on_model(Ended(self.model, reason), self.now_s)  # type: ignore[arg-type]

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


@pytest.fixture
def front() -> Front:
    """Nobody is there yet."""
    return Front()


def suggest(**changes: object) -> SuggestRequest:
    return dataclasses.replace(SuggestRequest(IMAGE, "the dog"), **changes)  # type: ignore[arg-type]


STATE = StatusReply("0.1", 1, 1.0, "idle", loaded=("lite",), device="cpu", num_cached_images=2)


def test_a_ping_is_answered_on_both_sockets_and_starts_nothing(front: Front):
    for socket in ("work", "control"):
        client = front.client("a", socket)

        client.ask("1", PingRequest())

        assert client.last("1") == PingReply()
    assert front.models == []


def test_a_request_goes_to_the_model_with_its_pixels_and_its_answer_back(front: Front):
    client = front.client()

    client.ask("1", suggest(), PIXELS)
    front.say("1", CROPS)

    assert front.model.sent[0].body == suggest()
    assert bytes(front.model.sent[0].pixels[0]) == PIXELS
    assert client.last("1") == CROPS


def test_a_stage_is_told_when_it_lasts_and_only_then(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    front.say("1", Progress("loading"))
    front.wind(PROGRESS_AFTER_S / 2)
    front.say("1", Progress("encoding"))
    assert front.dispatcher.wakeup_s() == pytest.approx(front.now_s + PROGRESS_AFTER_S / 2)
    front.wind(PROGRESS_AFTER_S)
    front.wind(PROGRESS_AFTER_S)
    front.say("1", Progress("searching"))
    front.say("1", CROPS)
    front.wind(PROGRESS_AFTER_S)

    assert client.stages("1") == ["encoding"]


def test_a_client_that_goes_during_many_short_stages_is_noticed(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    front.gone.add(client.peer)

    for _ in range(4):
        front.say("1", Progress("searching"))
        front.wind(PROGRESS_AFTER_S / 2)

    assert front.model.sent[-1].body == CancelRequest("1")


def test_one_at_a_time_and_who_waits_is_told(front: Front):
    first, second = front.client("a"), front.client("b")
    first.ask("1", suggest(), PIXELS)

    second.ask("2", suggest(), PIXELS)

    assert front.model.heard() == ["1"]
    assert second.stages("2") == ["queued"]
    front.now_s += 1
    front.say("1", CROPS)
    assert front.model.heard() == ["1", "2"]
    assert second.stages("2") == ["queued", "starting"]


def test_clients_take_turns(front: Front):
    first, second = front.client("a"), front.client("b")
    first.ask("a1", suggest(), PIXELS)
    first.ask("a2", suggest(), PIXELS)
    second.ask("b1", suggest(), PIXELS)
    second.ask("b2", suggest(), PIXELS)

    front.say("a1", CROPS)
    first.ask("a3", suggest(), PIXELS)
    for name in ("a2", "b1", "a3"):
        front.say(name, CROPS)

    assert front.model.heard() == ["a1", "a2", "b1", "a3", "b2"]


def test_a_third_request_of_a_client_is_declined(front: Front):
    client = front.client()
    for name in ("1", "2"):
        client.ask(name, suggest(), PIXELS)

    client.ask("3", suggest(), PIXELS)

    assert isinstance(client.last("3"), Unavailable)
    assert client.last("1") is None


def test_an_id_in_use_is_declined(front: Front):
    first, second = front.client("a"), front.client("b")
    first.ask("1", suggest(), PIXELS)

    second.ask("1", suggest(), PIXELS)

    assert isinstance(second.last("1"), InvalidRequest)
    assert front.model.heard() == ["1"]


def test_what_waits_is_cancelled_at_once_on_either_socket(front: Front):
    client, control = front.client(), front.client("c", "control")
    client.ask("1", suggest(), PIXELS)
    client.ask("2", suggest(), PIXELS)

    control.ask("x", CancelRequest("2"))

    assert control.last("x") == CancelReply("queued")
    assert isinstance(client.last("2"), Cancelled)
    front.say("1", CROPS)
    assert front.model.heard() == ["1"]


def test_what_runs_is_cancelled_by_the_model_between_stages(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)

    client.ask("x", CancelRequest("1"))

    assert client.last("x") == CancelReply("running")
    assert front.model.sent[-1].body == CancelRequest("1")
    assert client.last("1") is None
    front.say("1", Cancelled("cancelled"))
    assert isinstance(client.last("1"), Cancelled)


def test_work_that_was_done_when_the_cancel_came_counts(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    client.ask("x", CancelRequest("1"))

    front.say("1", CROPS)

    assert client.last("1") == CROPS


def test_a_cancel_that_comes_too_late_finds_it_nowhere(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    front.say("1", CROPS)

    client.ask("x", CancelRequest("1"))

    assert client.last("x") == CancelReply("nowhere")


def test_a_stage_that_never_ends_costs_the_process_and_the_next_request_is_served(front: Front):
    client, other = front.client(), front.client("b")
    client.ask("1", suggest(), PIXELS)
    other.ask("2", suggest(), PIXELS)
    stuck = front.model
    client.ask("x", CancelRequest("1"))
    front.wind(STUCK_S - 0.1)
    assert not stuck.is_killed

    front.wind(0.1)

    assert stuck.is_killed
    assert isinstance(client.last("1"), Cancelled)
    assert front.model is not stuck
    assert front.model.heard() == ["2"]


def test_what_a_process_that_was_ended_still_says_is_not_heard(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    old = front.model
    client.ask("x", CancelRequest("1"))
    front.wind(STUCK_S)
    client.ask("2", suggest(), PIXELS)

    header = protocol.encode_reply("2", "suggest", CROPS)
    event = Said(old, "suggest", "2", True, False, CROPS.to_map(), header)  # type: ignore[arg-type]
    front.dispatcher.on_model(event, front.now_s)
    front.dispatcher.on_model(Ended(old, "killed"), front.now_s)  # type: ignore[arg-type]

    assert client.last("2") is None


def test_time_that_is_over_ends_what_waits_and_what_runs(front: Front):
    client = front.client()
    client.ask("1", suggest(timeout_s=5.0), PIXELS)
    client.ask("2", suggest(timeout_s=3.0), PIXELS)
    assert front.dispatcher.wakeup_s() == front.now_s + 3

    front.wind(3.0)
    assert isinstance(client.last("2"), Cancelled)
    assert "3 s" in str(client.last("2"))
    front.wind(2.0)
    assert front.model.sent[-1].body == CancelRequest("1")
    front.say("1", Cancelled("cancelled"))

    assert "5 s" in str(client.last("1"))


def test_a_process_that_dies_is_told_and_the_next_request_starts_another(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    client.ask("2", suggest(), PIXELS)

    front.model_ends()

    assert isinstance(client.last("1"), Unavailable)
    assert "signal 9" in str(client.last("1"))
    assert len(front.models) == 2
    assert front.model.heard() == ["2"]


def test_a_process_that_cannot_be_started_is_told(front: Front):
    front.start_error = OSError(12, "Cannot allocate memory")
    client = front.client()

    client.ask("1", suggest(), PIXELS)

    assert "Cannot allocate memory" in str(client.last("1"))
    assert isinstance(client.last("1"), Unavailable)
    assert front.status().state == "idle"


def test_the_model_is_released_when_idle_and_only_then(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    front.wind(IDLE_S - 560)
    front.say("1", CROPS)
    front.wind(IDLE_S - 1)
    assert not front.model.is_killed

    front.wind(1)

    assert front.model.is_killed
    assert front.dispatcher.wakeup_s() is None


def test_asking_by_hash_of_a_model_that_is_not_there_starts_nothing(front: Front):
    client = front.client()

    client.ask("1", suggest(image=dataclasses.replace(IMAGE, is_inline=False)))

    assert isinstance(client.last("1"), UnknownImage)
    assert front.models == []


def test_unloading_ends_the_process(front: Front):
    client, control = front.client(), front.client("c", "control")
    client.ask("1", suggest(), PIXELS)
    front.say("1", CROPS)
    front.say("state", STATE, "status")

    control.ask("u", UnloadRequest())

    assert control.last("u") == UnloadReply(("lite",))
    assert front.model.is_killed
    assert front.status().loaded == ()


def test_unloading_waits_for_what_runs(front: Front):
    client, control = front.client(), front.client("c", "control")
    client.ask("1", suggest(), PIXELS)

    control.ask("u", UnloadRequest())

    assert control.last("u") == UnloadReply(())
    assert not front.model.is_killed
    front.say("1", CROPS)
    assert client.last("1") == CROPS
    assert front.model.is_killed


def test_the_models_are_asked_for_while_another_works(front: Front):
    client, control = front.client(), front.client("c", "control")
    client.ask("1", suggest(), PIXELS)
    control.ask("m", ModelsRequest())

    front.say("m", ModelsReply((), "lite"), "models")

    assert control.last("m") == ModelsReply((), "lite")
    assert client.last("1") is None


def test_unloading_does_not_lose_a_question_to_the_model(front: Front):
    control = front.client("c", "control")
    control.ask("m", ModelsRequest())

    control.ask("u", UnloadRequest())
    assert not front.model.is_killed
    front.say("m", ModelsReply((), "lite"), "models")

    assert control.last("m") == ModelsReply((), "lite")
    assert front.model.is_killed


def test_questions_to_a_model_that_dies_are_answered(front: Front):
    control = front.client("c", "control")
    control.ask("m", ModelsRequest())

    front.model_ends()

    assert isinstance(control.last("m"), Unavailable)


def test_too_many_questions_to_the_model_are_declined(front: Front):
    control = front.client("c", "control")
    for number in range(8):
        control.ask(f"{number}", ModelsRequest())

    control.ask("9", ModelsRequest())

    assert isinstance(control.last("9"), Unavailable)
    assert control.last("0") is None


def test_the_status_says_what_is_going_on(front: Front):
    client, control = front.client(), front.client("c", "control")
    assert front.status().state == "idle"
    client.ask("1", suggest(), PIXELS)
    client.ask("2", suggest(), PIXELS)
    front.say("1", Progress("loading"))
    assert front.status().state == "loading"
    front.say("1", Progress("encoding"))
    front.say("state", STATE, "status")
    front.now_s += 5

    control.ask("s", StatusRequest())

    status = control.last("s")
    assert isinstance(status, StatusReply)
    assert (status.state, status.loaded, status.device) == ("working", ("lite",), "cpu")
    assert (status.num_queued, status.num_clients, status.num_cached_images) == (1, 2, 2)
    assert (status.uptime_s, status.resident_bytes) == (5.0, 2000)
    front.say("1", CROPS)
    assert front.status().num_done == 1


def test_who_has_hung_up_is_no_client_any_more(front: Front):
    first = front.client("a")
    front.client("b")

    front.gone.add(first.peer)

    assert front.status().num_clients == 1


def test_a_request_on_the_wrong_socket_is_declined(front: Front):
    client, control = front.client(), front.client("c", "control")

    client.ask("1", ShutdownRequest())
    control.ask("2", WarmRequest())

    assert isinstance(client.last("1"), InvalidRequest)
    assert isinstance(control.last("2"), InvalidRequest)
    assert not front.dispatcher.is_stopping


def test_a_hello_inside_a_conversation_is_declined(front: Front):
    client = front.client()

    client.ask("1", HelloRequest(SESSION, "work", NONCE, 0))

    assert isinstance(client.last("1"), InvalidRequest)


def test_warming_loads_through_the_queue(front: Front):
    client = front.client()

    client.ask("1", WarmRequest("lite"))
    front.say("1", WarmReply("lite", "cpu", 0.5), "warm")

    assert client.last("1") == WarmReply("lite", "cpu", 0.5)


def test_stopping_answers_everything_once(front: Front):
    client, control = front.client(), front.client("c", "control")
    client.ask("1", suggest(), PIXELS)
    client.ask("2", suggest(), PIXELS)
    control.ask("m", ModelsRequest())

    control.ask("s", ShutdownRequest())
    assert front.dispatcher.is_stopping
    front.dispatcher.stop(front.now_s)

    assert control.last("s") == ShutdownReply()
    assert isinstance(client.last("1"), Cancelled)
    assert isinstance(client.last("2"), Cancelled)
    assert isinstance(control.last("m"), Unavailable)
    assert front.model.is_killed
    client.ask("3", suggest(), PIXELS)
    assert isinstance(client.last("3"), Unavailable)
    assert front.status().state == "stopping"


def test_work_for_who_is_gone_is_not_begun(front: Front):
    first, second = front.client("a"), front.client("b")
    first.ask("1", suggest(), PIXELS)
    second.ask("2", suggest(), PIXELS)
    front.gone.add(second.peer)
    front.now_s += 1

    front.say("1", CROPS)

    assert front.model.heard() == ["1"]
    assert front.status().num_done == 2


def test_work_for_who_has_gone_away_is_cancelled_at_a_stage_that_lasts(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    front.gone.add(client.peer)

    front.say("1", Progress("encoding"))
    front.wind(PROGRESS_AFTER_S)

    assert front.model.sent[-1].body == CancelRequest("1")


def test_another_version_is_answered_with_ours_and_nothing_else(front: Front):
    front.tell(Peer("work", b"stranger"), [b"CCW\x09" + bytes(40), b""])

    assert front.raw == [sealing.version_frames()]


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([b"GET / HTTP/1.1"], id="another protocol"),
        pytest.param([], id="nothing"),
        pytest.param([b"CCW\x01" + b"\1" * 40, b"header"], id="a message before any hello"),
        pytest.param([b"CCW\x01" + bytes(40), b"header"], id="a hello without the key"),
        pytest.param([b"CCW\x01" + bytes(40), b"h", b"p", b"q"], id="too many frames"),
    ],
)
def test_who_lacks_the_key_gets_no_answer(front: Front, frames: list[bytes]):
    front.tell(Peer("work", b"stranger"), frames)

    assert front.raw == []
    assert front.status().num_clients == 0


def test_a_bad_request_of_a_good_client_is_told_why(front: Front):
    client = front.client()
    header = protocol.encode_request("1", suggest())
    assert client._channel is not None

    frames = [*client._channel.seal(header, [b"short"]), b"short"]
    front.tell(client.peer, frames)

    assert isinstance(client.last("1"), InvalidRequest)
    assert "5 bytes of pixels" in str(client.last("1"))
    assert front.models == []


def test_a_bug_of_the_model_is_passed_on_as_such(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)

    front.say("1", InternalError("internal error"))

    assert isinstance(client.last("1"), InternalError)
    assert front.status().state == "idle"


def test_strangers_do_not_fill_the_log(front: Front, caplog: pytest.LogCaptureFixture):
    for _ in range(100):
        front.tell(Peer("work", b"stranger"), [b"GET / HTTP/1.1"])

    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1


def test_the_log_has_ids_and_no_prompts(front: Front, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    client = front.client()
    client.ask("1", suggest(prompt="a secret"), PIXELS)
    front.say("1", CROPS)

    assert "request.done id=1 kind=suggest client=a" in caplog.text
    assert "secret" not in caplog.text
