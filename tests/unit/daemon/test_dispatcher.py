from __future__ import annotations

from dispatcher_with_fakes import (
    CROPS,
    NONCE,
    PIXELS,
    SESSION,
    STATE,
    Front,
    suggest,
)

from clipcrop_wire.errors import (
    InternalError,
    InvalidRequest,
)
from clipcrop_wire.messages import (
    HelloRequest,
    PingReply,
    PingRequest,
    Progress,
    ShutdownRequest,
    StatusReply,
    StatusRequest,
    WarmReply,
    WarmRequest,
)


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


def test_progress_of_the_model_reaches_its_client(front: Front):
    client, other = front.client("a"), front.client("b")
    client.ask("1", suggest(), PIXELS)
    other.ask("2", suggest(), PIXELS)

    front.say("1", Progress("loading"))
    front.say("1", CROPS)

    assert client.stages("1") == ["loading"]
    assert "loading" not in other.stages("2")


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


def test_a_bug_of_the_model_is_passed_on_as_such(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)

    front.say("1", InternalError("internal error"))

    assert isinstance(client.last("1"), InternalError)
    assert front.status().state == "idle"
