from __future__ import annotations

import pytest

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.config import Config
from clipcrop_plugin.geometry import Placement, Rect, Size
from clipcrop_plugin.picture import Picture, Raster
from clipcrop_plugin.session import ASKING, FAILED, IDLE, READY, STARTING, Session, Suggestion
from clipcrop_wire import protocol
from clipcrop_wire.errors import InternalError, Unavailable
from clipcrop_wire.messages import Detection, Dropped, Progress, SuggestReply
from clipcrop_wire.messages import Suggestion as WireSuggestion

BOX = (0.0, 0.0, 1.0, 1.0)
CROPS = ((0, 0, 100, 100), (100, 50, 300, 200), (0, 0, 400, 200))


def reply(kind="match", well_framed=False, crops=CROPS, **fields):
    found = tuple(WireSuggestion(BOX, crop, 0.9 - 0.1 * i) for i, crop in enumerate(crops))
    return SuggestReply("lite", "cpu", kind, well_framed, True, suggestions=found, **fields)


def answer_with(answer, *stages):
    def answer_to(request):
        told = [protocol.encode_reply(request.id, "progress", stage) for stage in stages]
        if isinstance(answer, Exception):
            return [*told, protocol.encode_error(request.id, request.kind, answer)]
        return [*told, protocol.encode_reply(request.id, request.kind, answer)]

    return answer_to


@pytest.fixture
def changes():
    """State and status after each change."""
    return []


@pytest.fixture
def session(client, changes):
    """Of one image, with the fake daemon."""
    one = Session(client, lambda: changes.append((one.state, one.status)), timeout_s=10.0)
    return one


@pytest.fixture
def wait(loop):
    """Runs the loop until sessions have their answers."""

    def wait_for(*sessions):
        assert loop.run_until(lambda: not any(one.is_busy for one in sessions), 20)

    return wait_for


@pytest.fixture
def ask(session, picture, wait, daemon):
    """Asks, and waits for an answer of the daemon's."""

    def ask_one(answer=None, choices=None, **options):
        daemon.reply_of["suggest"] = answer_with(reply() if answer is None else answer)
        session.ask(picture, choices or Choices("the dog"), **options)
        wait(session)
        return session

    return ask_one


def bodies(daemon):
    return [request.body for request in daemon.requests if request.kind == "suggest"]


def test_a_new_session_has_nothing_to_show(session, changes):
    assert (session.state, session.status, session.index) == (IDLE, "", -1)
    assert session.current is None
    assert session.matched == ()
    assert session.next() is session.previous() is None
    session.cancel()
    assert changes == []


def test_suggestions_lie_on_the_canvas(ask):
    session = ask()

    assert session.state == READY
    assert session.suggestions == (
        Suggestion(Rect(0, 0, 100, 100), 0.9),
        Suggestion(Rect(100, 50, 200, 150), pytest.approx(0.8)),
        Suggestion(Rect(0, 0, 400, 200), pytest.approx(0.7)),
    )
    assert session.current == session.suggestions[0]
    assert session.error is None


def test_suggestions_for_a_layer_lie_where_the_layer_lies(session, daemon, wait):
    daemon.reply_of["suggest"] = answer_with(reply(crops=((10, 10, 30, 30),)))
    placement = Placement(Rect(200, 100, 40, 40), Size(400, 200))

    session.ask(Picture.of(bytes(48), 4, 4, "rgb8", placement), Choices("the dog"))
    wait(session)

    assert session.current.rect == Rect(210, 110, 20, 20)


def test_the_daemon_is_asked_what_was_chosen(daemon, ask):
    ask(choices=Choices("the dog", ("a car", "signs"), "16:9"))

    (body,) = bodies(daemon)
    assert (body.prompt, body.exclude, body.aspect) == ("the dog", ("a car", "signs"), 16 / 9)
    assert (body.original_width_px, body.original_height_px) == (400, 200)
    assert (body.image.width_px, body.image.height_px, body.image_query) == (4, 2, None)


def test_an_example_is_sent_if_one_was_chosen(daemon, ask):
    example = Raster(bytes(12), 2, 2, "rgb8")

    ask(choices=Choices(example="selection"), example=example)
    ask(choices=Choices("the dog"), example=example)

    assert [body.image_query for body in bodies(daemon)] == [example.image, None]


def test_stepping_goes_round_at_both_ends(ask, changes):
    session = ask()
    changes.clear()

    seen = [session.next() for _ in range(3)] + [session.previous() for _ in range(4)]

    assert [session.suggestions.index(one) for one in seen] == [1, 2, 0, 2, 1, 0, 2]
    assert session.index == 2
    assert len(changes) == 7


def test_one_can_be_chosen_by_its_number(ask):
    session = ask()

    assert session.select(1) == session.suggestions[1] == session.current
    for index in (-1, 3):
        with pytest.raises(IndexError, match="of 3"):
            session.select(index)


def test_asking_again_sends_no_pixels_and_keeps_what_is_shown_until_the_answer(
    daemon, ask, wait, changes
):
    session = ask()
    before = session.suggestions
    daemon.reply_of["suggest"] = answer_with(reply(crops=CROPS[:1]))

    session.ask_again(Choices("the dog", aspect="1:1"))

    assert session.state == ASKING
    assert session.suggestions == before
    wait(session)
    assert len(session.suggestions) == 1
    assert [body.image.is_inline for body in bodies(daemon)] == [True, False]
    assert session.choices.aspect == "1:1"


def test_asking_about_other_pixels_drops_what_lay_on_the_old_ones(ask, picture):
    session = ask()

    session.ask(picture, Choices("the cat"))

    assert session.suggestions == ()
    assert session.current is None


def test_a_question_replaces_the_one_before_it(session, picture, daemon, wait, changes):
    session.ask(picture, Choices("the dog"))
    session.ask(picture, Choices("the cat"))

    wait(session)

    assert [body.prompt for body in bodies(daemon)] == ["the cat"]
    assert [state for state, _ in changes] == [ASKING, ASKING, READY]


@pytest.mark.parametrize(
    ("answer", "choices", "status"),
    [
        pytest.param(reply(), None, "3 suggestions.", id="found"),
        pytest.param(reply(crops=CROPS[:1]), None, "1 suggestion.", id="one"),
        pytest.param(
            reply("general"), None, "Nothing like that found: general crops.", id="not found"
        ),
        pytest.param(
            reply("general"),
            Choices(),
            "General crops, since nothing was described.",
            id="nothing asked for",
        ),
        pytest.param(
            reply(well_framed=True), None, "The image is already well framed.", id="well framed"
        ),
        pytest.param(
            reply(dropped=(Dropped("a cat", 0.1, ""), Dropped("a bird", 0.0, ""))),
            None,
            "Not found: “a cat”, “a bird”.",
            id="some not found",
        ),
        pytest.param(
            reply(dropped=(Dropped("a cat", 0.1, ""), Dropped("a zorb", 0.0, "", True))),
            None,
            "The model does not know “a zorb”. Not found: “a cat”.",
            id="unknown words",
        ),
        pytest.param(
            reply("general", dropped=(Dropped("a zorb", 0.0, "", True),)),
            None,
            "The model does not know “a zorb”. General crops.",
            id="nothing but unknown words",
        ),
        pytest.param(
            reply(matched=(Detection("a cat", 0.4, BOX, is_sure=False),)),
            None,
            "Not sure: check the crops.",
            id="only perhaps",
        ),
        pytest.param(
            reply(notes=("not enough memory on cuda:0; the CPU was used",)),
            None,
            "3 suggestions. Not enough memory on cuda:0; the CPU was used.",
            id="note",
        ),
        pytest.param(reply(crops=()), None, "No crop fits. Try another aspect ratio.", id="none"),
        pytest.param(
            reply("general", True, notes=("slow.",)),
            None,
            "Nothing like that found: general crops. The image is already well framed. Slow.",
            id="several things",
        ),
    ],
)
def test_the_status_line_says_how_it_went(ask, answer, choices, status):
    assert ask(answer, choices).status == status


def test_what_is_perhaps_there_is_told_apart_from_what_was_found(ask):
    unsure = [Detection(text, 0.4, BOX, is_sure=False) for text in ("a dog", "a ball", "a cat")]

    session = ask(reply(matched=(Detection("a dog", 0.9, BOX), *unsure)))

    assert (session.matched, session.perhaps) == (("a dog",), ("a ball", "a cat"))
    assert session.found_text.splitlines() == ["Found: a dog", "Perhaps: a ball, a cat"]


def test_what_matched_is_told_once_each(ask):
    found = tuple(Detection(text, 0.5, BOX) for text in ("a dog", "a ball", "a dog"))

    assert ask(reply(matched=found)).matched == ("a dog", "a ball")


def test_the_status_line_follows_the_work(session, picture, daemon, wait, changes):
    stages = (Progress("queued"), Progress("loading", 0.5), Progress("searching"))
    daemon.reply_of["suggest"] = answer_with(reply(), *stages)

    session.ask(picture, Choices("the dog"))
    wait(session)

    assert changes == [
        (ASKING, "Asking the ClipCrop daemon…"),
        (ASKING, "Waiting for other requests…"),
        (ASKING, "Loading the model… 50 %"),
        (ASKING, "Looking for crops…"),
        (READY, "3 suggestions."),
    ]
    assert session.fraction is None


def test_starting_the_daemon_is_a_state_of_its_own(
    link_to, short_path, picture, wait, program_that_serves
):
    seen = []
    client = link_to(Config(short_path / "connection.json", program_that_serves))
    session = Session(client, lambda: seen.append(session.state))

    session.ask(picture, Choices("the dog"))
    wait(session)

    assert seen == [ASKING, STARTING, READY]


@pytest.mark.parametrize(
    ("error", "words"),
    [(Unavailable("no weights"), "now: no weights."), (InternalError("a bug"), "from its log")],
)
def test_an_error_is_a_sentence_and_the_next_question_works(ask, error, words):
    session = ask(error)

    assert session.state == FAILED
    assert isinstance(session.error, type(error))
    assert words in session.status

    ask()

    assert session.state == READY
    assert session.error is None


def test_an_error_leaves_the_suggestions_that_were_there(ask, daemon, wait):
    session = ask()
    daemon.reply_of["suggest"] = answer_with(Unavailable("the queue is full"))

    session.ask_again(Choices("the cat"))
    wait(session)

    assert session.state == FAILED
    assert session.next() == session.suggestions[1]


def test_what_cannot_be_asked_is_told_at_once(session, changes):
    placement = Placement(Rect(0, 0, 4, 2), Size(1000, 2))

    session.ask(Picture.of(bytes(24), 4, 2, "rgb8", placement), Choices(aspect="original"))

    assert changes == [(FAILED, "An aspect ratio must be between 1:100 and 100:1.")]
    assert not session.is_busy


def test_cancelling_is_told_at_once_and_late_answers_are_not(
    session, picture, loop, daemon, changes
):
    session.ask(picture, Choices("the dog"))

    session.cancel()

    assert (session.state, session.status) == (IDLE, "Cancelled.")
    assert not session.is_busy
    loop.run_until(lambda: False, 0.3)
    assert [state for state, _ in changes] == [ASKING, IDLE]


def test_cancelling_goes_back_to_the_suggestions_that_were_there(ask):
    session = ask()
    session.ask_again(Choices("the cat"))

    session.cancel()

    assert session.state == READY
    assert session.current == session.suggestions[0]


def test_an_image_that_is_closed_hears_nothing_more(ask, loop, changes):
    session = ask()
    session.ask_again(Choices("the cat"))
    changes.clear()

    session.close()
    loop.run_until(lambda: False, 0.3)

    assert changes == []
    assert (session.state, session.picture, session.suggestions) == (IDLE, None, ())


def test_two_images_share_a_link(client, picture, daemon, wait):
    daemon.reply_of["suggest"] = lambda request: answer_with(
        reply(crops=CROPS[: int(request.body.prompt)])
    )(request)
    sessions = [Session(client) for _ in range(3)]

    for number, session in enumerate(sessions):
        session.ask(picture, Choices(str(number + 1)))
    wait(*sessions)

    assert [len(session.suggestions) for session in sessions] == [1, 2, 3]


def test_a_suggestion_is_called_by_its_width_and_quality():
    named, plain = Suggestion(Rect(0, 0, 9, 9), 0.724, "close"), Suggestion(Rect(0, 0, 9, 9), 0.724)

    assert (named.caption, plain.caption) == ("Close, 72 %", "72 %")
    assert named.spoken(2) == "Suggestion 2, Close, quality 72 %"
