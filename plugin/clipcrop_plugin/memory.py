"""What is remembered from one run of an editor to the next, in the editor's own store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping, Protocol

from clipcrop_wire.messages import MAX_PROMPT_CHARS

from . import storage
from .choices import Choices

CHOICES, HISTORY = "clipcrop-choices", "clipcrop-history"
"""Names of the notes."""

HISTORY_VERSION = 1
MAX_ENTRIES = 20

_FIELDS = ("prompts", "exclusions")


@dataclass(frozen=True)
class History:
    """What the user asked for before. Make another with `with_prompt` and `with_exclusion`."""

    prompts: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    """What was to be left out, as it was written: several in one text."""

    others: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Fields of a newer version, kept for it."""

    def with_prompt(self, prompt: str) -> History:
        """The same, with this prompt in front."""
        return History(_in_front(prompt, self.prompts), self.exclusions, self.others)

    def with_exclusion(self, text: str) -> History:
        """The same, with this exclusion in front."""
        return History(self.prompts, _in_front(text, self.exclusions), self.others)

    def to_json(self) -> str:
        """For an editor's settings or a file."""
        values = {"prompts": list(self.prompts), "exclusions": list(self.exclusions)}
        return storage.compose(HISTORY_VERSION, values, self.others)

    @classmethod
    def from_json(cls, text: str) -> History:
        """What `to_json` made, or what is left of it."""
        values = storage.parse(text)
        others = {name: values[name] for name in values if name not in _FIELDS}
        return cls(_entries(values.get("prompts")), _entries(values.get("exclusions")), others)


class Notes(Protocol):
    """Where an editor keeps short texts for a plug-in."""

    def read(self, name: str) -> str:
        """One of them; empty if there is none."""

    def write(self, name: str, text: str) -> None:
        """Keep it, also when the editor is started anew.

        Args:
            name: Of the note.
            text: ASCII.
        """


class Memory:
    """The last question and those before it, of all images together."""

    def __init__(self, notes: Notes) -> None:
        """Read nothing yet."""
        self._notes = notes

    def last_choices(self) -> Choices:
        """Of the last question that was asked; the defaults if none was."""
        return Choices.from_json(self._notes.read(CHOICES))

    def history(self) -> History:
        """What was asked for before."""
        return History.from_json(self._notes.read(HISTORY))

    def remember(self, choices: Choices) -> None:
        """Keep them."""
        # What a newer version of the plug-in keeps in the same note stays.
        kept = replace(choices, others=self.last_choices().others)
        self._notes.write(CHOICES, kept.to_json())
        past = self.history().with_prompt(choices.prompt).with_exclusion(choices.exclude_text)
        self._notes.write(HISTORY, past.to_json())


def _in_front(text: str, entries: tuple[str, ...]) -> tuple[str, ...]:
    text = " ".join(text.split())
    if not text or not storage.is_text(text, MAX_PROMPT_CHARS):
        return entries
    return (text, *(entry for entry in entries if entry != text))[:MAX_ENTRIES]


def _entries(raw: object) -> tuple[str, ...]:
    entries: tuple[str, ...] = ()
    if type(raw) is list:
        for entry in reversed(raw[:MAX_ENTRIES]):
            if type(entry) is str:
                entries = _in_front(entry, entries)
    return entries
