"""What both plug-ins remember, with a fake of an editor's store."""

from __future__ import annotations

import json

import pytest

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.memory import CHOICES, HISTORY, MAX_ENTRIES, History, Memory


class FakeNotes:
    """An editor's store, as a dict."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def read(self, name: str) -> str:
        return self.texts.get(name, "")

    def write(self, name: str, text: str) -> None:
        self.texts[name] = text


@pytest.fixture
def notes() -> FakeNotes:
    """An empty store."""
    return FakeNotes()


@pytest.fixture
def memory(notes: FakeNotes) -> Memory:
    """Of a user who has asked nothing yet."""
    return Memory(notes)


def test_before_the_first_question_there_are_the_defaults(memory: Memory):
    assert memory.last_choices() == Choices()
    assert memory.history() == History()


def test_the_last_question_and_the_words_of_all_are_kept(memory: Memory, notes: FakeNotes):
    memory.remember(Choices(prompt="a dog", exclude=("a leash", "a car")))
    last = Choices(prompt="a cat", aspect="3:2")

    memory.remember(last)

    after_restart = Memory(notes)
    assert after_restart.last_choices() == last
    assert after_restart.history() == History(("a cat", "a dog"), ("a leash, a car",))


def test_a_question_without_words_is_kept_and_is_no_history(memory: Memory):
    memory.remember(Choices(example="selection"))

    assert memory.last_choices().example == "selection"
    assert memory.history() == History()


def test_notes_are_ascii(memory: Memory, notes: FakeNotes):
    memory.remember(Choices(prompt="größer 🐕"))

    assert all(text.isascii() for text in notes.texts.values())


def test_what_a_newer_version_keeps_stays(memory: Memory, notes: FakeNotes):
    notes.texts[CHOICES] = json.dumps({"version": 99, "mood": "calm"})
    notes.texts[HISTORY] = json.dumps({"version": 99, "places": ["Rome"]})

    memory.remember(Choices(prompt="a dog"))

    assert json.loads(notes.texts[CHOICES])["mood"] == "calm"
    assert json.loads(notes.texts[HISTORY])["places"] == ["Rome"]


def test_the_newest_prompt_comes_first_and_none_twice():
    history = History()

    for prompt in ("a dog", "two birds", "a  dog ", "", "   ", "a dog"):
        history = history.with_prompt(prompt)

    assert history.prompts == ("a dog", "two birds")


def test_exclusions_are_kept_apart_from_prompts():
    history = History().with_prompt("a dog").with_exclusion("a cat, a bird")

    assert history == History(("a dog",), ("a cat, a bird",))


def test_no_more_than_twenty_are_kept():
    history = History()

    for number in range(30):
        history = history.with_prompt(f"dog {number}")

    assert len(history.prompts) == MAX_ENTRIES
    assert history.prompts[0] == "dog 29"


@pytest.mark.parametrize("prompt", ["x" * 513, "\ud800", "a\udfff"])
def test_what_could_not_be_asked_is_not_kept(prompt):
    assert History(("a dog",)).with_prompt(prompt).prompts == ("a dog",)


@pytest.mark.parametrize("prompt", ['"quoted"', "Möwe 🐦", "x" * 500, "אישה", "it's \\ 100%"])
def test_a_history_is_the_same_after_it_was_kept(prompt):
    history = History().with_prompt("older").with_prompt(prompt).with_exclusion(prompt)

    assert History.from_json(history.to_json()) == history


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param("damaged {", (), id="damaged"),
        pytest.param('{"version": 1}', (), id="no prompts"),
        pytest.param('{"prompts": "a dog"}', (), id="of another type"),
        pytest.param('{"prompts": [1, "a dog", null, ["x"], "a dog"]}', ("a dog",), id="mixed"),
        pytest.param('{"prompts": ["\\ud800", "a dog"]}', ("a dog",), id="half a character"),
    ],
)
def test_a_damaged_history_gives_what_is_left_of_it(text, expected):
    assert History.from_json(text).prompts == expected


def test_a_longer_history_of_another_version_is_cut():
    text = json.dumps({"prompts": [f"dog {number}" for number in range(100)]})

    assert History.from_json(text).prompts == tuple(f"dog {number}" for number in range(20))


def test_what_a_newer_version_wrote_is_kept():
    text = json.dumps({"version": 9, "prompts": ["a dog"], "stars": ["a dog"], "folder": {"a": 1}})

    kept = json.loads(History.from_json(text).with_prompt("a cat").with_exclusion("x").to_json())

    assert kept["version"] == 9
    assert kept["stars"] == ["a dog"]
    assert kept["folder"] == {"a": 1}
    assert kept["prompts"] == ["a cat", "a dog"]
