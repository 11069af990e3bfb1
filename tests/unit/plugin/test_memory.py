"""What both plug-ins remember, with a fake of an editor's store."""

from __future__ import annotations

import json

import pytest

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.history import History
from clipcrop_plugin.memory import CHOICES, HISTORY, Memory


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
