from __future__ import annotations

from dispatcher_with_fakes import (
    CROPS,
    PIXELS,
    Front,
    suggest,
)

from clipcrop_wire.errors import (
    Cancelled,
    InvalidRequest,
    Unavailable,
)
from clipcrop_wire.messages import (
    CancelReply,
    CancelRequest,
    ModelsRequest,
    Progress,
    ShutdownReply,
    ShutdownRequest,
)


def test_one_request_runs_at_a_time_and_waiting_ones_are_told(front: Front):
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


def test_work_for_a_disconnected_client_is_not_begun(front: Front):
    first, second = front.client("a"), front.client("b")
    first.ask("1", suggest(), PIXELS)
    second.ask("2", suggest(), PIXELS)
    front.gone.add(second.peer)
    front.now_s += 1

    front.say("1", CROPS)

    assert front.model.heard() == ["1"]
    assert front.status().num_done == 2


def test_work_for_a_disconnected_client_is_cancelled_at_a_long_stage(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    front.gone.add(client.peer)

    front.say("1", Progress("encoding"))

    assert front.model.sent[-1].body == CancelRequest("1")
