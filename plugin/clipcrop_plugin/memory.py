"""What is remembered from one run of an editor to the next, in the editor's own store."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from .choices import Choices
from .history import History

CHOICES, HISTORY = "clipcrop-choices", "clipcrop-history"
"""Names of the notes."""


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
