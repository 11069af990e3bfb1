"""Requests answered: a fake tower shows what goes wrong, the real lite one what is right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import PIL.Image
import pytest
import torch

from clipcrop import Constraints, EncodedImage, Predictor, Suggestions
from clipcrop import errors as clipcrop_errors
from clipcrop.checkpoint import EMBEDDED_LITE
from clipcrop.encoders.base import ImageTokens
from clipcrop.errors import CheckpointError, EmptyPrompt, InputError, OutOfMemory
from clipcrop.images import LoadedImage, load_image
from clipcrop_daemon.image_cache import ImageCache
from clipcrop_daemon.residency import Residency
from clipcrop_daemon.service import ERRORS, Service, ServiceState, error_for, make_service
from clipcrop_daemon.worker_options import WorkerOptions
from clipcrop_wire import protocol
from clipcrop_wire.errors import (
    Cancelled,
    InternalError,
    InvalidRequest,
    MalformedMessage,
    Unavailable,
    UnknownImage,
)
from clipcrop_wire.messages import (
    Image,
    StatusRequest,
    SuggestReply,
    SuggestRequest,
    WarmReply,
    WarmRequest,
)
from clipcrop_wire.protocol import Request

NOTE = "not enough memory on cuda:0; the CPU was used"
RED = bytes([255, 0, 0]) * 64
RED_IMAGE = Image.of(RED, 8, 8, "rgb8")
RED_BY_HASH = replace(RED_IMAGE, is_inline=False)
BLUE = bytes([0, 0, 255]) * 64
BLUE_IMAGE = Image.of(BLUE, 8, 8, "rgb8")


class FakePredictor:
    """A tower that finds nothing, on a device of any name, and writes down what it is asked."""

    def __init__(self, machine: FakeMachine, device: str) -> None:
        self._machine, self._device = machine, device

    def encode(self, image: LoadedImage) -> EncodedImage:
        self._machine.take("encode", self._device)
        self._machine.encoded.append((image.rgb.getpixel((0, 0)), self._device))
        tokens = ImageTokens(*(torch.zeros(1, 2, 4) for _ in range(3)), *torch.zeros(2, 1, 2))
        return EncodedImage(tokens, torch.zeros(0, 4), image.width_px, image.height_px, 0.1)

    def suggest(
        self,
        encoded: EncodedImage,
        prompt: str = "",
        *,
        exclude: Sequence[str] = (),
        image_query: LoadedImage | None = None,
        constraints: Constraints | None = None,
        count: int = 8,
    ) -> Suggestions:
        self._machine.take("suggest", self._device)
        size_px = (encoded.width_px, encoded.height_px)
        query_rgb = image_query.rgb.getpixel((0, 0)) if image_query else None
        self._machine.asked.append((prompt, exclude, query_rgb, constraints, count, size_px))
        return Suggestions("lite", "general", False, (), (), (), (), 0.1)


@dataclass
class FakeMachine:
    """Where fake towers run, with too little memory for some things."""

    full: set[tuple[str, str]] = field(default_factory=set)
    """(what, device) for which there is no memory; what is "load", "encode" or "suggest"."""

    loads: list[tuple[str, str]] = field(default_factory=list)
    encoded: list[tuple[tuple[int, int, int], str]] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def take(self, what: str, device: str) -> None:
        if (what, device) in self.full:
            raise OutOfMemory(f"out of memory on {device}; close other programs that use it")

    def load(self, tower: str, device: str) -> FakePredictor:
        self.loads.append((tower, device))
        self.take("load", device)
        return FakePredictor(self, device)

    def service(self, model: str = "auto", cache_bytes: int = 10**6) -> Service:
        cache = ImageCache(cache_bytes)
        residency = Residency(self.load, lambda setting: "cuda:0", "auto", cache.drop_tower)
        return Service(residency, cache, model)


def suggest(
    service: Service,
    image: Image = RED_IMAGE,
    prompt: str = "the dog",
    *,
    pixels: Sequence[bytes] = (RED,),
    enter_stage: Callable[[str, str], None] = lambda stage, text: None,
    **options: object,
) -> SuggestReply:
    body = SuggestRequest(image, prompt, **options)
    views = tuple(map(memoryview, pixels[: len(body.inline_images)]))
    reply = service.answer(Request("suggest", "r1", body, views), enter_stage)
    assert isinstance(reply, SuggestReply)
    return reply


def warm(service: Service, model: str = "auto") -> WarmReply:
    request = Request("warm", "r1", WarmRequest(model))
    reply = service.answer(request, lambda stage, text: None)
    assert isinstance(reply, WarmReply)
    return reply


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
        pytest.param({"prompt": " "}, EmptyPrompt, id="empty prompt"),
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

    replies = [suggest(service), suggest(service, model="local-lite.safetensors")]

    assert [reply.model for reply in replies] == ["local-lite.safetensors"] * 2
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


def test_what_the_tower_saw_makes_room_when_a_search_runs_out_of_memory():
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


def test_warming_loads_the_tower_and_what_reads_prompts():
    machine, stages = FakeMachine(), []
    service = machine.service()

    reply = warm(service)
    again = warm(service)
    suggest(service, enter_stage=lambda stage, text: stages.append(stage))

    assert (reply.model, reply.device, reply.notes) == ("lite", "cuda:0", ())
    assert again.seconds < 0.1
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


def library_errors() -> Iterator[type[Exception]]:
    left = [clipcrop_errors.ClipCropError]
    while left:
        kinds = left.pop().__subclasses__()
        yield from kinds
        left += kinds


@pytest.mark.parametrize("kind", list(library_errors()), ids=lambda kind: kind.__name__)
def test_every_error_of_the_library_has_a_code(kind: type[Exception]):
    error = error_for(kind("what is wrong; what to do"), "r1")

    assert not isinstance(error, InternalError)
    assert str(error) == "what is wrong; what to do"


def test_in_the_table_no_error_hides_a_more_special_one():
    kinds = list(ERRORS)

    assert not [
        (general, special)
        for place, general in enumerate(kinds)
        for special in kinds[place + 1 :]
        if issubclass(special, general)
    ]


@pytest.mark.parametrize("error", [UnknownImage("send them"), Cancelled("cancelled")], ids=repr)
def test_errors_of_the_wire_stay_what_they_are(error: Exception):
    assert error_for(error, "r1") is error


@pytest.mark.parametrize("said", ["", "Cannot allocate memory (os error 12)"])
def test_pythons_own_memory_error_gets_words(said: str):
    error = error_for(MemoryError(said), "r1")

    assert type(error) is Unavailable
    assert str(error).startswith("out of memory; close other programs")


def test_a_bug_is_told_by_the_requests_id_alone():
    error = error_for(KeyError("the dog's secret"), "r1")

    assert type(error) is InternalError
    assert str(error) == "internal error; the daemon's log has it under 'r1'"


def in_fresh_python(code: str, checkout: Path) -> list[str]:
    command = [sys.executable, "-c", f"import json, sys; {code}"]
    output = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    return json.loads(output.stdout)


def test_importing_the_service_loads_nothing_slow(checkout: Path):
    code = "import clipcrop_daemon.service; print(json.dumps(sorted(sys.modules)))"

    loaded = set(in_fresh_python(code, checkout))

    assert "clipcrop_daemon.service" in loaded
    assert not loaded & {"torch", "transformers", "spacy", "numpy", "PIL", "huggingface_hub"}


def test_models_are_listed_without_pytorch(checkout: Path):
    code = (
        "from clipcrop_daemon.service import make_service; "
        "from clipcrop_daemon.worker_options import WorkerOptions; "
        "names = [model.name for model in make_service(WorkerOptions()).models().models]; "
        "print(json.dumps([*names, *(m for m in ('torch', 'spacy') if m in sys.modules)]))"
    )

    listed = in_fresh_python(code, checkout)

    assert "lite" in listed
    assert "torch" not in listed
    assert "spacy" not in listed


def test_what_looks_for_weights_is_imported_before_there_are_two_threads(checkout: Path):
    code = (
        "from clipcrop_daemon.service import make_service; "
        "from clipcrop_daemon.worker_options import WorkerOptions; "
        "service = make_service(WorkerOptions()); before = set(sys.modules); service.models(); "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )

    assert in_fresh_python(code, checkout) == []


@pytest.fixture(scope="module")
def real() -> Service:
    """The lite tower on the CPU, as the model process has it."""
    return make_service(WorkerOptions(model="lite", device="cpu", threads=1))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """The same without the daemon."""
    return Predictor.load("lite", "cpu")


@pytest.fixture(scope="module")
def astronaut(samples: Path) -> PIL.Image.Image:
    """512 x 512 pixels: a woman, a flag, a model of a shuttle."""
    return load_image(samples / "astronaut.jpg").rgb


def wire_image(image: PIL.Image.Image, image_format: str = "rgb8") -> tuple[Image, bytes]:
    data = image.tobytes()
    return Image.of(data, *image.size, image_format), data


def crops_of(reply: SuggestReply | Suggestions) -> list[tuple[object, ...]]:
    crops = reply.suggestions if isinstance(reply, SuggestReply) else reply.crops
    return [(crop.crop_xyxy, crop.crop_px, crop.quality) for crop in crops]


OPTIONS = [
    pytest.param({"prompt": "the woman"}, {"prompt": "the woman"}, id="prompt"),
    pytest.param(
        {"prompt": "the woman", "exclude": ("the flag",), "count": 3},
        {"prompt": "the woman", "exclude": ("the flag",), "count": 3},
        id="exclude and count",
    ),
    pytest.param(
        {"prompt": "the woman", "aspect": 1.0, "min_width_px": 200},
        {"prompt": "the woman", "constraints": Constraints(aspect=1.0, min_width_px=200)},
        id="constraints",
    ),
]


@pytest.mark.parametrize(("asked", "directly"), OPTIONS)
def test_the_answer_is_the_predictors(
    real: Service,
    predictor: Predictor,
    astronaut: PIL.Image.Image,
    asked: dict[str, object],
    directly: dict[str, object],
):
    image, data = wire_image(astronaut)

    reply = suggest(real, image, pixels=(data,), **asked)
    found = predictor.suggest(predictor.encode(astronaut), **directly)

    assert crops_of(reply) == crops_of(found)
    assert reply.suggestions
    assert [one.text for one in reply.matched] == [one.text for one in found.matched]
    assert (reply.model, reply.device, reply.kind) == ("lite", "cpu", found.kind)
    assert set(reply.seconds) >= {"decode", "load", "encode", "search"}
    assert protocol.encode_reply("r1", "suggest", reply)


def test_the_answer_for_a_hash_is_that_for_its_pixels(real: Service, astronaut: PIL.Image.Image):
    image, data = wire_image(astronaut)
    inline = suggest(real, image, "the flag", pixels=(data,))

    by_hash = suggest(real, replace(image, is_inline=False), "the flag")

    assert inline.is_image_cached
    assert replace(by_hash, seconds={}) == replace(inline, seconds={})


@pytest.mark.parametrize("image_format", ["rgba8", "bgra8", "rgb8 with padded rows"])
def test_the_answer_does_not_depend_on_how_pixels_are_written(
    real: Service, astronaut: PIL.Image.Image, image_format: str
):
    image, data = wire_image(astronaut)
    expected = suggest(real, image, "the woman", pixels=(data,))
    if image_format == "rgba8":
        other, other_data = wire_image(astronaut.convert("RGBA"), "rgba8")
    elif image_format == "bgra8":
        red, green, blue, alpha = astronaut.convert("RGBA").split()
        swapped = PIL.Image.merge("RGBA", (blue, green, red, alpha))
        other, other_data = wire_image(swapped, "bgra8")
    else:
        rows = (data[start:][: 512 * 3] for start in range(0, len(data), 512 * 3))
        other_data = b"".join(row + b"\xee" * 5 for row in rows)
        other = Image.of(other_data, 512, 512, "rgb8")

    reply = suggest(real, other, "the woman", pixels=(other_data,))

    assert other.sha256 != image.sha256
    assert crops_of(reply) == crops_of(expected)


def test_pixels_of_crops_are_those_of_the_original(real: Service, astronaut: PIL.Image.Image):
    image, data = wire_image(astronaut)

    reply = suggest(
        real, image, "the woman", pixels=(data,), original_width_px=4000, original_height_px=4000
    )

    assert max(side for crop in reply.suggestions for side in crop.crop_px) > 512
    for crop in reply.suggestions:
        assert crop.crop_xyxy == pytest.approx([side / 4000 for side in crop.crop_px], abs=1e-6)


def test_an_example_image_stands_for_words(
    real: Service, predictor: Predictor, astronaut: PIL.Image.Image
):
    example = astronaut.crop((100, 0, 350, 250))
    (image, data), (query, query_data) = wire_image(astronaut), wire_image(example)

    reply = suggest(real, image, "", pixels=(data, query_data), image_query=query)
    found = predictor.suggest(predictor.encode(astronaut), image_query=example)

    assert crops_of(reply) == crops_of(found)
    assert [one.text for one in reply.matched] == ["image query"]


def test_grey_pixels_are_taken(real: Service, predictor: Predictor, astronaut: PIL.Image.Image):
    grey = astronaut.convert("L")
    image, data = wire_image(grey, "gray8")

    reply = suggest(real, image, "the woman", pixels=(data,))

    assert crops_of(reply) == crops_of(predictor.suggest(predictor.encode(grey), "the woman"))
