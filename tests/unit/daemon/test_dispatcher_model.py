from __future__ import annotations

import dataclasses

from dispatcher_with_fakes import (
    CROPS,
    IDLE_S,
    IMAGE,
    PIXELS,
    STATE,
    STUCK_S,
    Front,
    suggest,
)

from clipcrop_daemon.dispatcher import ANSWER_GRACE_S, ASK_TIMEOUT_S, MAX_ASKED
from clipcrop_daemon.model_process import WorkerExited, WorkerMessage
from clipcrop_wire import protocol
from clipcrop_wire.errors import (
    Cancelled,
    Unavailable,
    UnknownImage,
)
from clipcrop_wire.messages import (
    CancelRequest,
    ModelsReply,
    ModelsRequest,
    UnloadReply,
    UnloadRequest,
)


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


def test_a_cancelled_request_is_answered_soon_while_its_stage_goes_on(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    client.ask("x", CancelRequest("1"))

    front.wind(ANSWER_GRACE_S)

    assert isinstance(client.last("1"), Cancelled)
    assert not front.model.is_killed
    client.ask("2", suggest(), PIXELS)
    client.ask("3", suggest(), PIXELS)
    front.say("1", CROPS)  # for nobody
    assert isinstance(client.last("1"), Cancelled)
    assert front.model.heard() == ["1", "2"]
    assert front.status().num_done == 1


def test_a_request_is_answered_soon_after_its_time_while_its_stage_goes_on(front: Front):
    client = front.client()
    client.ask("1", suggest(timeout_s=5.0), PIXELS)

    front.wind(5.0)
    assert front.dispatcher.wakeup_s() == front.now_s + ANSWER_GRACE_S
    front.wind(ANSWER_GRACE_S)

    assert isinstance(client.last("1"), Cancelled)
    assert "5 s" in str(client.last("1"))
    assert front.dispatcher.wakeup_s() == front.now_s + STUCK_S - ANSWER_GRACE_S


def test_a_process_that_is_unfit_is_replaced_after_its_answer(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    client.ask("2", suggest(), PIXELS)
    unfit = front.model

    front.say("state", dataclasses.replace(STATE, state="stopping"), "status")
    assert not unfit.is_killed
    front.say("1", Unavailable("out of memory"))

    assert unfit.is_killed
    assert front.model.heard() == ["2"]
    assert isinstance(client.last("1"), Unavailable)


def test_a_process_that_does_not_answer_a_question_is_replaced(front: Front):
    control = front.client("c", "control")
    for number in range(MAX_ASKED):
        control.ask(f"{number}", ModelsRequest())
    assert front.dispatcher.wakeup_s() == front.now_s + ASK_TIMEOUT_S
    mute = front.model

    front.wind(ASK_TIMEOUT_S)

    assert all(isinstance(control.last(f"{n}"), Unavailable) for n in range(MAX_ASKED))
    assert mute.is_killed
    control.ask("m", ModelsRequest())
    front.say("m", ModelsReply((), "lite"), "models")
    assert control.last("m") == ModelsReply((), "lite")


def test_a_question_that_is_not_answered_does_not_end_what_runs(front: Front):
    client, control = front.client(), front.client("c", "control")
    client.ask("1", suggest(), PIXELS)
    control.ask("m", ModelsRequest())

    front.wind(ASK_TIMEOUT_S)

    assert isinstance(control.last("m"), Unavailable)
    assert not front.model.is_killed
    front.say("m", ModelsReply((), "lite"), "models")  # late, and for nobody
    front.say("1", CROPS)
    assert client.last("1") == CROPS


def test_what_a_process_that_was_ended_still_says_is_not_heard(front: Front):
    client = front.client()
    client.ask("1", suggest(), PIXELS)
    old = front.model
    client.ask("x", CancelRequest("1"))
    front.wind(STUCK_S)
    client.ask("2", suggest(), PIXELS)

    header = protocol.encode_reply("2", "suggest", CROPS)
    event = WorkerMessage(old, "suggest", "2", True, False, CROPS.to_map(), header)  # type: ignore[arg-type]
    front.dispatcher.on_model(event, front.now_s)
    front.dispatcher.on_model(WorkerExited(old, "killed"), front.now_s)  # type: ignore[arg-type]

    assert client.last("2") is None


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
