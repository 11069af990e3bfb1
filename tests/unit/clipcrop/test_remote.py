"""Asking the daemon: what is sent, what comes back, and what users are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from fake_daemon import FakeDaemon
from PIL import Image

from clipcrop.constraints import Constraints
from clipcrop.errors import ClipCropError, DaemonUnavailable, InputError
from clipcrop.imaging.images import LoadedImage
from clipcrop.prompt.parser import MAX_PROMPT_CHARACTERS
from clipcrop.remote import RemoteAnswer, RemotePredictor, check_limits
from clipcrop.suggestions import Detection, Dropped, Suggestion, Suggestions
from clipcrop_wire import messages, protocol
from clipcrop_wire.errors import (
    Cancelled,
    InternalError,
    InvalidRequest,
    RequestError,
    Unavailable,
)
from clipcrop_wire.messages import Progress, SuggestReply, SuggestRequest
from clipcrop_wire.protocol import Request

PHOTO = LoadedImage(Image.linear_gradient("L").resize((64, 48)).convert("RGB"), 640, 480)
EXAMPLE = LoadedImage(Image.new("RGB", (8, 6), "red"), 8, 6)


@pytest.fixture
def predictor(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemotePredictor]:
    """Asks the fake daemon."""
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", str(daemon.path))
    with RemotePredictor("lite") as ready:
        yield ready


def replies(reply: SuggestReply) -> Callable[[Request], list[bytes]]:
    return lambda request: [protocol.encode_reply(request.id, "suggest", reply)]


def declines(error: RequestError) -> Callable[[Request], list[bytes]]:
    return lambda request: [protocol.encode_error(request.id, "suggest", error)]


def suggest_requests(daemon: FakeDaemon) -> list[Request]:
    return [request for request in daemon.requests if request.kind == "suggest"]


def test_the_answer_is_what_a_predictor_gives(daemon: FakeDaemon, predictor: RemotePredictor):
    daemon.reply_of["suggest"] = replies(
        SuggestReply(
            model="owlvit",
            device="cuda:0",
            kind="match",
            is_well_framed=True,
            is_image_cached=True,
            matched=(messages.Detection("dog", 0.75, (0.125, 0.25, 0.5, 1.0), is_sure=False),),
            dropped=(messages.Dropped("unicorn", 0.0, "the model does not know this"),),
            excluded=(messages.Detection("car", 0.5, (0.5, 0.5, 0.75, 0.75)),),
            suggestions=(messages.Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, 320, 480), 0.625),),
            seconds={"prompt": 0.25, "load": 30.0, "encode": 2.0, "search": 0.5},
            notes=("not enough memory on cuda:0; the CPU was used",),
        )
    )

    answer = predictor.suggest(PHOTO, "the dog")

    assert answer == RemoteAnswer(
        Suggestions(
            model="owlvit",
            kind="match",
            is_well_framed=True,
            matched=(Detection("dog", 0.75, (0.125, 0.25, 0.5, 1.0), is_sure=False),),
            dropped=(Dropped("unicorn", 0.0, "the model does not know this"),),
            excluded=(Detection("car", 0.5, (0.5, 0.5, 0.75, 0.75)),),
            crops=(Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, 320, 480), 0.625),),
            seconds=0.5,
            notes=("not enough memory on cuda:0; the CPU was used",),
        ),
        encode_s=2.0,
    )


def test_everything_that_was_asked_for_reaches_the_daemon(
    daemon: FakeDaemon, predictor: RemotePredictor
):
    pixels, example_pixels = PHOTO.rgb.tobytes(), EXAMPLE.rgb.tobytes()

    predictor.suggest(
        PHOTO,
        "the dog",
        exclude=["car", "bin"],
        image_query=EXAMPLE,
        constraints=Constraints(aspect=1.5, min_width_px=200, min_height_px=100),
        count=5,
    )

    (request,) = suggest_requests(daemon)
    assert request.body == SuggestRequest(
        messages.Image.of(pixels, 64, 48, "rgb8"),
        "the dog",
        exclude=("car", "bin"),
        image_query=messages.Image.of(example_pixels, 8, 6, "rgb8"),
        aspect=1.5,
        original_width_px=640,
        original_height_px=480,
        min_width_px=200,
        min_height_px=100,
        count=5,
        model="lite",
        timeout_s=300.0,
    )
    assert [bytes(part) for part in request.pixels] == [pixels, example_pixels]


def test_a_second_question_about_an_image_does_not_send_it_again(
    daemon: FakeDaemon, predictor: RemotePredictor
):
    predictor.suggest(PHOTO, "the dog")

    predictor.suggest(PHOTO, "the cat")

    assert [len(request.pixels) for request in suggest_requests(daemon)] == [1, 0]


def test_a_minimum_size_that_does_not_fit_is_told_without_asking(
    daemon: FakeDaemon, predictor: RemotePredictor
):
    with pytest.raises(InputError, match="largest frame of this image is 640 x 480 px"):
        predictor.suggest(PHOTO, "the dog", constraints=Constraints(min_width_px=641))

    assert daemon.requests == []


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        pytest.param(InvalidRequest("no such model: 'x'"), InputError, "no such model", id="ours"),
        pytest.param(
            Unavailable("owlvit is not on this machine; run hf download"),
            DaemonUnavailable,
            "^owlvit is not on this machine; run hf download$",
            id="weights are missing",
        ),
        pytest.param(
            Cancelled("the daemon is stopping"),
            DaemonUnavailable,
            "^the daemon gave the request up: the daemon is stopping$",
            id="cancelled",
        ),
        pytest.param(
            InternalError("its log has it under 'abc'"),
            DaemonUnavailable,
            "^that is a bug in the daemon, please report it: its log has it under 'abc'$",
            id="a bug",
        ),
        pytest.param(RequestError("too hot"), DaemonUnavailable, "^too hot$", id="a newer code"),
    ],
)
def test_what_the_daemon_declines_is_a_sentence(
    daemon: FakeDaemon,
    predictor: RemotePredictor,
    error: RequestError,
    kind: type[ClipCropError],
    sentence: str,
):
    daemon.reply_of["suggest"] = declines(error)

    with pytest.raises(kind, match=sentence):
        predictor.suggest(PHOTO, "the dog")


def no_file(daemon: FakeDaemon) -> None:
    daemon.path.unlink()


def nobody_listens(daemon: FakeDaemon) -> None:
    daemon.hang_up()


def dies_at_work(daemon: FakeDaemon) -> None:
    def die(request: Request) -> list[bytes]:
        daemon.hang_up()
        return []

    daemon.reply_of["suggest"] = die


def readable_by_others(daemon: FakeDaemon) -> None:
    daemon.path.chmod(0o644)


def of_another_version(daemon: FakeDaemon) -> None:
    values = json.loads(daemon.path.read_text())
    daemon.path.write_text(json.dumps({**values, "protocol": [9, 0]}))


def without_the_key(daemon: FakeDaemon) -> None:
    daemon.key = bytes(32)
    daemon.answer_to_hello = lambda frames: [bytes(frames[0]), bytes(frames[1])]


@pytest.mark.parametrize(
    ("go_wrong", "sentence"),
    [
        (no_file, "not running.*start it with `clipcrop-daemon run`, or leave out --daemon"),
        (nobody_listens, "not running.*`clipcrop-daemon run`"),
        (dies_at_work, "has just ended.*`clipcrop-daemon run`"),
        (readable_by_others, "others have access; start the daemon again"),
        (of_another_version, "^the daemon speaks version 9 .*; update the older one$"),
        (without_the_key, r"does not speak as the daemon should \(.*\); start the daemon again"),
    ],
)
def test_a_daemon_that_cannot_be_asked_is_a_sentence(
    daemon: FakeDaemon,
    predictor: RemotePredictor,
    go_wrong: Callable[[FakeDaemon], None],
    sentence: str,
):
    go_wrong(daemon)

    with pytest.raises(DaemonUnavailable, match=sentence):
        predictor.suggest(PHOTO, "the dog")


def test_a_daemon_that_takes_for_ever_is_a_sentence(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", str(daemon.path))
    daemon.reply_of["suggest"] = lambda request: []

    with (
        RemotePredictor(timeout_s=0.2) as predictor,
        pytest.raises(DaemonUnavailable, match="did not answer in time; `clipcrop-daemon status`"),
    ):
        predictor.suggest(PHOTO, "the dog")


def test_a_stage_that_takes_long_is_told_once(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", str(daemon.path))
    told: list[str] = []
    is_told, is_told_again = threading.Event(), threading.Event()

    def load(request: Request) -> Iterator[bytes]:
        yield protocol.encode_progress(request.id, Progress("loading", 0.1, "loading owlvit"))
        assert is_told.wait(120)
        if request.body.prompt == "the cat":
            is_told_again.wait(0.1)  # ten times as long as is told of
        yield protocol.encode_progress(request.id, Progress("loading", 0.9, "loading owlvit"))
        yield protocol.encode_reply(request.id, "suggest", reply)

    def tell(stage: str) -> None:
        told.append(stage)
        (is_told_again if is_told.is_set() else is_told).set()

    reply = SuggestReply("owlvit", "cpu", "general", False, False)
    daemon.reply_of["suggest"] = load

    with RemotePredictor(on_slow_stage=tell, slow_stage_s=0.01) as predictor:
        predictor.suggest(PHOTO, "the dog")
        predictor.suggest(PHOTO, "the cat")

    assert told == ["loading owlvit"]


def test_quick_stages_are_not_told(daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLIPCROP_CONNECTION_FILE", str(daemon.path))
    told: list[str] = []
    reply = SuggestReply("lite", "cpu", "general", False, False)
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_progress(request.id, Progress("encoding")),
        protocol.encode_progress(request.id, Progress("searching")),
        protocol.encode_reply(request.id, "suggest", reply),
    ]

    with RemotePredictor(on_slow_stage=told.append, slow_stage_s=60) as predictor:
        predictor.suggest(PHOTO, "the dog")

    waiting = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(thread.finished.is_set() for thread in waiting)
    assert told == []


@pytest.mark.parametrize(
    ("model", "count", "num_exclusions", "sentence"),
    [
        pytest.param("weights/mine", 8, 0, "by name only, not 'weights/mine'", id="a path"),
        pytest.param("lite", 33, 0, "no such count: 33; ask the daemon for 1 to 32", id="count"),
        pytest.param("lite", 8, 9, "9 times --exclude; the daemon takes at most 8", id="exclude"),
    ],
)
def test_what_the_wire_does_not_carry_is_refused(
    model: str, count: int, num_exclusions: int, sentence: str
):
    with pytest.raises(InputError, match=sentence):
        check_limits(model, count, ["car"] * num_exclusions)


def test_what_the_wire_just_carries_is_taken():
    check_limits("owlv2-base-patch16-ensemble", 32, ["car"] * 8)


def test_the_longest_prompt_is_the_same_with_and_without_the_daemon():
    assert MAX_PROMPT_CHARACTERS == messages.MAX_PROMPT_CHARS


def test_a_prompt_that_is_refused_without_the_daemon_is_refused_with_it(
    daemon: FakeDaemon, predictor: RemotePredictor
):
    with pytest.raises(InputError, match=f"at most {MAX_PROMPT_CHARACTERS}"):
        predictor.suggest(PHOTO, "dog " * MAX_PROMPT_CHARACTERS)

    assert suggest_requests(daemon) == []


def test_bytes_of_a_prompt_that_are_no_text_are_left_out(
    daemon: FakeDaemon, predictor: RemotePredictor
):
    daemon.reply_of["suggest"] = replies(SuggestReply("lite", "cpu", "general", False, True))

    predictor.suggest(PHOTO, "the \udcff dog", exclude=["\udcfe", "car"])

    (request,) = suggest_requests(daemon)
    assert isinstance(request.body, SuggestRequest)
    assert (request.body.prompt, request.body.exclude) == ("the  dog", ("", "car"))
