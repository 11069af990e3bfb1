"""What is left of a preview for the next process, as a note beside the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import storage
from .choices import Choices
from .geometry import Rect, Size
from .session import Suggestion

VERSION = 2


@dataclass(frozen=True)
class Snapshot:
    """Suggestions, and which one the canvas shows."""

    choices: Choices
    """What was asked."""

    canvas: Size
    """Of the image, when it was asked about."""

    suggestions: tuple[Suggestion, ...]
    """Best first; at least one."""

    index: int
    """Of the current one."""

    shown: Rect | None
    """What was selected to be looked at; None: nothing of ours is selected."""

    def to_json(self) -> str:
        """For a note of an editor."""
        values = {
            "choices": self.choices.to_json(),
            "canvas": list(self.canvas),
            "suggestions": [[*one.rect, one.quality, one.width] for one in self.suggestions],
            "index": self.index,
            "shown": self.shown and list(self.shown),
        }
        return storage.compose(VERSION, values, {})

    @classmethod
    def from_json(cls, text: str) -> Snapshot | None:
        """What `to_json` made; None for anything else, such as what another version made."""
        values = storage.parse(text)
        if values.get("version") != VERSION:
            return None
        try:
            return cls._of(values)
        except (KeyError, TypeError, ValueError):
            return None

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Snapshot:
        suggestions = tuple(
            Suggestion(_rect(sides), float(quality), str(width))
            for *sides, quality, width in values["suggestions"]
        )
        index = int(values["index"])
        if not 0 <= index < len(suggestions):
            raise ValueError(f"no suggestion {index} of {len(suggestions)}")
        shown = values["shown"]
        return cls(
            Choices.from_json(values["choices"]),
            Size(*map(int, values["canvas"])),
            suggestions,
            index,
            shown and _rect(shown),
        )


def _rect(sides: list[Any]) -> Rect:
    return Rect(*map(int, sides))
