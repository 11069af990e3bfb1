"""The last prompts and exclusions: newest first, none twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from clipcrop_wire.messages import MAX_PROMPT_CHARS

from . import storage

VERSION = 1
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
        return storage.compose(VERSION, values, self.others)

    @classmethod
    def from_json(cls, text: str) -> History:
        """What `to_json` made, or what is left of it."""
        values = storage.parse(text)
        others = {name: values[name] for name in values if name not in _FIELDS}
        return cls(_entries(values.get("prompts")), _entries(values.get("exclusions")), others)


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
