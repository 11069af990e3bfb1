"""The preview of either editor, with a fake canvas and a fake way to the daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.daemon_client import PendingRequest
from clipcrop_plugin.errors import NothingToCrop
from clipcrop_plugin.geometry import Placement, Rect, Size
from clipcrop_plugin.picture import Picture, Raster
from clipcrop_plugin.preview import Preview, Seen
from clipcrop_wire.messages import Progress, SuggestReply
from clipcrop_wire.messages import Suggestion as WireSuggestion

CROPS = (Rect(0, 0, 10, 10), Rect(5, 5, 20, 15), Rect(0, 0, 40, 20))
OWN = Rect(1, 2, 3, 4)
SOMETHING = Choices(prompt="a dog")


class FakeCanvas:
    """A canvas that only knows its size and what is selected."""

    def __init__(self) -> None:
        self.is_open = True
        self.size = Size(40, 20)
        self.selection: Rect | None = OWN
        self.reads: list[str] = []
        self.applied: list[Any] = []

    def read_picture(self, source: str) -> Seen:
        self.reads.append(source)
        raster = Raster(bytes(4 * 40 * 20), 40, 20, "bgra8")
        return Seen(Picture(raster, Placement.of_canvas(Size(40, 20))), "As it is.")

    def read_example(self, choices: Choices) -> Raster:
        self.reads.append(f"{choices.example} {self.selection}")
        return Raster(bytes(4), 1, 1, "bgra8")

    def selected(self) -> Rect | None:
        return self.selection

    def keep_selection(self) -> Callable[[], None]:
        kept = self.selection
        return lambda: setattr(self, "selection", kept)

    def show(self, rect: Rect) -> None:
        self.selection = rect

    def apply(self, rect: Rect, how: str) -> Any:
        self.applied.append((rect, how, self.selection))
        return "the image"


class FakeLink:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.pending: PendingRequest | None = None

    def suggest(
        self, request, pixels, *, on_answer, on_progress=None, timeout_s=0.0
    ) -> PendingRequest:
        self.pending = PendingRequest(request, pixels, 0.0, on_answer, on_progress)
        return self.pending

    def cancel(self, pending: PendingRequest) -> None:
        pending.is_cancelled = True

    def answer(self) -> None:
        found = tuple(
            WireSuggestion((0.0, 0.0, 1.0, 1.0), (r.x, r.y, r.right, r.bottom), 0.5) for r in CROPS
        )
        assert self.pending is not None
        self.pending.answer = SuggestReply("lite", "cpu", "match", False, True, suggestions=found)
        self.pending.on_answer(self.pending)


@pytest.fixture
def canvas() -> FakeCanvas:
    return FakeCanvas()


@pytest.fixture
def client() -> FakeLink:
    return FakeLink()


@pytest.fixture
def preview(canvas: FakeCanvas, client: FakeLink) -> Preview:
    return Preview(canvas, client)  # type: ignore[arg-type]


@pytest.fixture
def answered(preview: Preview, client: FakeLink) -> Preview:
    preview.ask(SOMETHING)
    client.answer()
    return preview


def test_an_answer_is_shown_at_once(answered: Preview, canvas: FakeCanvas):
    assert canvas.selection == CROPS[0]
    assert answered.is_showing
    assert answered.sentence == "As it is. 3 suggestions."


def test_stepping_goes_round_and_shows_each(answered: Preview, canvas: FakeCanvas):
    shown = []
    for by in (1, 1, 1, -1):
        answered.step(by)
        shown.append(canvas.selection)

    assert shown == [CROPS[1], CROPS[2], CROPS[0], CROPS[2]]


def test_the_users_selection_comes_back(answered: Preview, canvas: FakeCanvas):
    answered.step(1)
    answered.dismiss()

    assert canvas.selection == OWN
    assert not answered.is_showing


def test_after_it_was_put_back_the_same_can_be_shown_again(answered: Preview, canvas: FakeCanvas):
    answered.dismiss()
    answered.select(0)

    assert canvas.selection == CROPS[0]


def test_what_the_user_selects_meanwhile_is_theirs(answered: Preview, canvas: FakeCanvas):
    mine = Rect(7, 7, 7, 7)
    canvas.selection = mine
    answered.dismiss()
    assert canvas.selection == mine

    answered.step(1)
    answered.dismiss()
    assert canvas.selection == mine


def test_progress_does_not_take_the_users_selection(
    answered: Preview, canvas: FakeCanvas, client: FakeLink
):
    answered.ask_again(Choices(prompt="a cat"))
    canvas.selection = OWN

    assert client.pending is not None
    assert client.pending.on_progress is not None
    client.pending.on_progress(Progress("encoding"))

    assert canvas.selection == OWN


def test_the_same_pixels_are_not_read_twice(answered: Preview, canvas: FakeCanvas):
    answered.ask_again(Choices(prompt="a cat"))
    assert canvas.reads == ["layer"]

    answered.ask_again(Choices(prompt="a cat", source="visible"))
    assert canvas.reads == ["layer", "visible"]


def test_the_example_is_what_the_user_has_selected_and_not_what_is_shown(
    answered: Preview, canvas: FakeCanvas
):
    answered.ask(Choices(example="selection"))

    assert canvas.reads[-1] == f"selection {OWN}"


def test_a_crop_is_applied_over_the_users_own_selection(answered: Preview, canvas: FakeCanvas):
    assert answered.apply("crop") == "the image"

    assert canvas.applied == [(CROPS[0], "crop", OWN)]


def test_without_a_description_good_crops_of_anything_are_asked_for(
    preview: Preview, client: FakeLink
):
    preview.ask(Choices())
    client.answer()

    assert preview.session.suggestions


def test_another_process_goes_on_where_this_one_stopped(answered: Preview, canvas: FakeCanvas):
    answered.step(1)
    snapshot = answered.snapshot()
    assert snapshot is not None
    canvas.reads.clear()

    other = Preview(canvas, FakeLink())  # type: ignore[arg-type]
    other.restore(snapshot, lambda: setattr(canvas, "selection", OWN))

    assert other.is_showing
    assert other.session.current == answered.session.current
    assert other.step(1) == answered.session.suggestions[2]
    assert canvas.selection == CROPS[2]
    other.dismiss()
    assert canvas.selection == OWN
    assert canvas.reads == []


def test_what_the_user_selects_between_two_processes_is_theirs(
    answered: Preview, canvas: FakeCanvas
):
    canvas.selection = Rect(7, 7, 2, 2)
    snapshot = answered.snapshot()
    assert snapshot is not None
    assert snapshot.shown is None

    other = Preview(canvas, FakeLink())  # type: ignore[arg-type]
    other.restore(snapshot, lambda: None)
    other.dismiss()

    assert canvas.selection == Rect(7, 7, 2, 2)


def test_the_picture_that_was_not_kept_is_read_again_to_be_drawn(
    answered: Preview, canvas: FakeCanvas
):
    snapshot = answered.snapshot()
    assert snapshot is not None
    other = Preview(canvas, FakeLink())  # type: ignore[arg-type]
    other.restore(snapshot, lambda: None)
    canvas.reads.clear()

    other.look()
    other.look()

    assert canvas.reads == ["layer"]
    assert other.session.picture is not None


def test_where_there_are_no_suggestions_nothing_is_left(preview: Preview):
    assert preview.snapshot() is None


def test_without_suggestions_there_is_nothing_to_step_to(preview: Preview):
    with pytest.raises(NothingToCrop, match="no suggestions"):
        preview.step(1)


def test_suggestions_for_another_size_are_neither_shown_nor_applied(
    answered: Preview, canvas: FakeCanvas, client: FakeLink
):
    canvas.size = Size(20, 20)

    for do in (lambda: answered.step(1), lambda: answered.apply("crop")):
        with pytest.raises(NothingToCrop, match="another size"):
            do()
    answered.ask_again(Choices(prompt="a cat"))
    canvas.selection = OWN
    client.answer()
    assert (canvas.selection, canvas.applied) == (OWN, [])


def test_an_answer_for_a_closed_image_goes_nowhere(
    preview: Preview, canvas: FakeCanvas, client: FakeLink
):
    told = []
    preview.on_change = lambda: told.append(preview.session.state)
    preview.ask(SOMETHING)
    canvas.is_open = False
    client.answer()
    assert canvas.selection == OWN

    preview.close()
    assert not preview.is_open
    assert preview.session.suggestions == ()
