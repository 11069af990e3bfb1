"""Requests answered: a fake model shows what is asked of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from service_with_fakes import (
    BLUE,
    BLUE_IMAGE,
    NOTE,
    RED,
    RED_BY_HASH,
    RED_IMAGE,
    FakeMachine,
    suggest,
    warm,
)

from clipcrop import Constraints
from clipcrop.errors import CheckpointError, EmptyPrompt, InputError, OutOfMemory
from clipcrop.weights.registry import EMBEDDED_LITE
from clipcrop_daemon.service import ServiceState, error_for
from clipcrop_wire.errors import (
    Cancelled,
    InvalidRequest,
    MalformedMessage,
    Unavailable,
    UnknownImage,
)
from clipcrop_wire.messages import (
    Image,
    StatusRequest,
)
from clipcrop_wire.protocol import Request


def test_slow_stages_are_told_and_what_was_done_before_is_not_done_again():
    machine, said = FakeMachine(), []
    service = machine.service()

    def enter_stage(stage: str, text: str) -> None:
        said.append((stage, text))

    suggest(service, enter_stage=enter_stage)
    first = list(said)
    said.clear()
    suggest(service, prompt="the cat", enter_stage=enter_stage)

    assert first == [
        ("loading", "loading the language model"),
        ("loading", "loading lite on cuda:0"),
        ("encoding", "looking at the image"),
        ("searching", "searching the image"),
    ]
    assert said == [("searching", "searching the image")]


def test_a_closer_look_is_told_also_at_an_image_that_is_held():
    machine, said = FakeMachine(looks_closer=True), []
    service = machine.service()
    suggest(service)

    suggest(service, enter_stage=lambda stage, text: said.append(stage))

    assert said == ["searching", "looking-closer"]


def test_everything_that_is_asked_reaches_the_predictor():
    machine = FakeMachine()
    query = Image.of(BLUE, 8, 8, "rgb8")

    suggest(
        machine.service(),
        prompt="the dog",
        pixels=(RED, BLUE),
        exclude=("the cat", "a car"),
        image_query=query,
        aspect=1.5,
        min_width_px=30,
        min_height_px=20,
        count=3,
        original_width_px=800,
        original_height_px=400,
    )

    constraints = Constraints(aspect=1.5, min_width_px=30, min_height_px=20)
    expected = ("the dog", ("the cat", "a car"), (0, 0, 255), constraints, 3, (800, 400))
    assert machine.asked == [expected]


def test_the_same_pixels_may_be_of_originals_of_different_sizes():
    machine = FakeMachine()
    service = machine.service()

    suggest(service, original_width_px=800, original_height_px=800)
    suggest(service, original_width_px=80, original_height_px=80)
    suggest(service)

    assert [asked[-1] for asked in machine.asked] == [(800, 800), (80, 80), (8, 8)]
    assert len(machine.encoded) == 1


def test_pixels_are_held_after_the_callers_buffer_is_used_for_something_else():
    machine, buffer = FakeMachine(full={("encode", "cuda:0"), ("encode", "cpu")}), bytearray(RED)
    service = machine.service()
    with pytest.raises(OutOfMemory):
        suggest(service, pixels=(buffer,))

    buffer[:] = BLUE
    machine.full.clear()
    suggest(service, RED_BY_HASH)

    assert machine.encoded[-1][0] == (255, 0, 0)


def test_an_empty_prompt_needs_no_language_model():
    machine, stages = FakeMachine(), []

    suggest(machine.service(), prompt=" ", enter_stage=lambda _stage, text: stages.append(text))

    assert machine.asked[-1][0] == " "
    assert "loading the language model" not in stages


def test_an_example_may_be_one_that_is_held():
    machine = FakeMachine()
    service = machine.service()
    suggest(service, BLUE_IMAGE, pixels=(BLUE,))

    suggest(service, prompt="", image_query=replace(BLUE_IMAGE, is_inline=False))

    assert machine.asked[-1][2] == (0, 0, 255)


@pytest.mark.parametrize(
    ("image", "options"),
    [
        pytest.param(RED_BY_HASH, {}, id="image"),
        pytest.param(
            RED_IMAGE, {"image_query": replace(BLUE_IMAGE, is_inline=False)}, id="example"
        ),
    ],
)
def test_pixels_that_are_not_held_are_asked_for_before_anything_is_loaded(
    image: Image, options: dict[str, Image]
):
    machine, stages = FakeMachine(), []

    with pytest.raises(UnknownImage, match="the daemon does not hold these pixels; send them"):
        suggest(
            machine.service(), image, enter_stage=lambda *stage: stages.append(stage), **options
        )

    assert (machine.loads, stages) == ([], [])


def test_a_reply_says_when_the_image_is_too_large_to_be_held():
    service = FakeMachine().service(cache_bytes=100)

    reply = suggest(service)

    assert not reply.is_image_cached
    with pytest.raises(UnknownImage):
        suggest(service, RED_BY_HASH)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param({"prompt": "!?"}, EmptyPrompt, id="prompt without a word"),
        pytest.param({"min_width_px": 9}, InputError, id="minimum size beyond the image"),
        pytest.param({"model": "other"}, InvalidRequest, id="unknown model"),
        pytest.param({"model": "owlv2"}, CheckpointError, id="weights that are not here"),
    ],
)
def test_a_mistake_is_told_before_weights_are_loaded(
    options: dict[str, str], error: type[Exception]
):
    machine = FakeMachine()

    with pytest.raises(error):
        suggest(machine.service(), **options)

    assert (machine.loads, machine.encoded) == ([], [])


def test_a_path_is_refused_as_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    machine = FakeMachine()
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InvalidRequest, match="choose auto, lite, owlvit"):
        suggest(machine.service(), model="weights")
    with pytest.raises(InvalidRequest, match="choose auto, lite, owlvit"):
        warm(machine.service(), "weights")
    with pytest.raises(MalformedMessage):  # the wire has no slash in a name
        suggest(machine.service(), model=str(tmp_path))

    assert machine.loads == []


def test_the_settings_weights_are_loaded_for_auto_and_under_their_name():
    machine = FakeMachine()
    service = machine.service(model=str(EMBEDDED_LITE))

    replies = [suggest(service), suggest(service, model="local-lite.onnx")]

    assert [reply.model for reply in replies] == ["local-lite.onnx"] * 2
    assert machine.loads == [(str(EMBEDDED_LITE), "cuda:0")]


@pytest.mark.parametrize("full", ["load", "encode", "suggest"])
def test_a_full_accelerator_means_the_cpu_and_every_reply_says_so(full: str):
    machine = FakeMachine(full={(full, "cuda:0")})
    service = machine.service()

    replies = [suggest(service), suggest(service, RED_BY_HASH, "the cat"), warm(service)]

    assert [reply.device for reply in replies] == ["cpu"] * 3
    assert [reply.notes for reply in replies] == [(NOTE,)] * 3
    assert machine.encoded[-1] == ((255, 0, 0), "cpu")  # what cuda:0 saw is of no use there
    assert [device for _, device in machine.encoded].count("cpu") == 1
    assert service.state().device == "cpu"


def test_what_only_a_decoder_reads_is_held_only_with_one():
    held = []
    for decoder in (None, object()):
        machine = FakeMachine(decoder=decoder)
        service = machine.service()
        suggest(service)
        held.append(service.state().cache_bytes)

    assert held[1] - held[0] == np.zeros((1, 2, 4), np.float32).nbytes


def test_what_the_model_saw_makes_room_when_a_search_runs_out_of_memory():
    machine = FakeMachine()
    service = machine.service()
    suggest(service, BLUE_IMAGE, pixels=(BLUE,))
    suggest(service)
    both = service.state().cache_bytes
    machine.full = {("suggest", "cuda:0"), ("suggest", "cpu")}

    with pytest.raises(OutOfMemory):
        suggest(service)

    assert service.state().num_cached_images == 2
    assert service.state().cache_bytes < both


def test_memory_that_is_full_everywhere_is_the_machines_to_fix():
    machine = FakeMachine(full={("encode", "cuda:0"), ("encode", "cpu")})
    service = machine.service()

    with pytest.raises(OutOfMemory) as caught:
        suggest(service)
    error = error_for(caught.value, "r1")
    machine.full.clear()
    reply = suggest(service)

    assert type(error) is Unavailable
    assert "out of memory on cpu" in str(error)
    assert reply.device == "cpu"


@pytest.mark.parametrize("number", range(4), ids=["language", "loading", "encoding", "searching"])
def test_a_cancel_between_stages_leaves_nothing_half_made(number: int):
    machine, stages = FakeMachine(), []
    service = machine.service()

    def cancel_at_a_stage(stage: str, text: str) -> None:
        stages.append(stage)
        if len(stages) > number:
            raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        suggest(service, enter_stage=cancel_at_a_stage)
    reply = suggest(service, RED_BY_HASH)

    assert len(stages) == number + 1
    assert reply.is_image_cached
    assert machine.loads == [("lite", "cuda:0")]
    assert len(machine.encoded) == len(machine.asked) == 1


def test_warming_loads_the_model_and_what_reads_prompts():
    machine, stages = FakeMachine(), []
    service = machine.service()

    reply = warm(service)
    again = warm(service)
    suggest(service, enter_stage=lambda stage, text: stages.append(stage))

    assert (reply.model, reply.device, reply.notes) == ("lite", "cuda:0", ())
    assert again.model == "lite"
    assert machine.loads == [("lite", "cuda:0")]
    assert stages == ["encoding", "searching"]
    assert machine.loads == [("lite", "cuda:0")]


def test_the_state_is_what_is_in_memory():
    service = FakeMachine().service()
    before = service.state()

    suggest(service)
    after = service.state()

    assert before == ServiceState((), "", 0, 0)
    assert (after.loaded, after.device, after.num_cached_images) == (("lite",), "cuda:0", 1)
    assert after.cache_bytes > len(RED)


def test_models_say_which_are_loaded():
    service = FakeMachine().service()

    before = {model.name: model.is_loaded for model in service.models().models}
    warm(service)
    after = {model.name: model.is_loaded for model in service.models().models}

    assert not any(before.values())
    assert [name for name, is_loaded in after.items() if is_loaded] == ["lite"]


def test_a_request_that_is_not_for_the_model_is_refused():
    service = FakeMachine().service()

    with pytest.raises(InvalidRequest, match="'status' is not for the model"):
        service.answer(Request("status", "r1", StatusRequest()), lambda stage, text: None)
