"""Suggestions: the answer to a prompt, from the library or the daemon.

Plain values, which need no PyTorch: the predictor makes them, and so does what asks the daemon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["frame", "decoder"]
"""Where a crop comes from: the frames that are tried round the union box, or a trained decoder."""

Width = Literal["close", "medium", "wide"]
"""How much of its surroundings a crop shows beside what was asked for."""

WIDTHS: tuple[Width, ...] = ("close", "medium", "wide")


@dataclass(frozen=True)
class Detection:
    """A box that was found for a text."""

    text: str
    """What it was found for."""

    score: float
    """The encoder's confidence, 0 to 1."""

    box_xyxy: tuple[float, float, float, float]
    """Where, within the image."""

    is_sure: bool = True
    """Whether it counts as found; else it is perhaps what was asked for."""


UNKNOWN = "the model does not know this"
NOTHING_TO_LEAVE_OUT = "to be left out, but nothing in the image is like it"
UNKNOWN_TO_LEAVE_OUT = "to be left out, but the model does not know it"


@dataclass(frozen=True)
class Dropped:
    """A text that selects nothing, or that nothing is left out for."""

    text: str
    """What was asked for."""

    score: float
    """Of its best token; 0 where the encoder knows nothing of the text."""

    reason: str
    """Why, for people."""

    @property
    def was_wanted(self) -> bool:
        """Whether it was asked for; else it was to be left out."""
        return self.reason not in (NOTHING_TO_LEAVE_OUT, UNKNOWN_TO_LEAVE_OUT)

    @property
    def is_unknown(self) -> bool:
        """Whether the model does not know the text; else nothing in the image is like it."""
        return self.reason in (UNKNOWN, UNKNOWN_TO_LEAVE_OUT)


@dataclass(frozen=True)
class Suggestion:
    """One crop."""

    crop_xyxy: tuple[float, float, float, float]
    """Exactly ``crop_px``, normalised."""

    crop_px: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels of the upright original."""

    quality: float
    """0 to 1; comparable between the suggestions of one image."""

    source: Source | None = None
    """What proposed it; None where the answer does not say."""

    width: Width | None = None
    """None for general crops: nothing was asked for that they could show more or less of."""


@dataclass(frozen=True)
class Understood:
    """What was understood of a prompt, and done; empty fields where it says nothing of that."""

    kept: tuple[str, ...] = ()
    """What was found, with its place: "woman (left)"."""

    whole: tuple[str, ...] = ()
    """What must not be cut off, beside what is kept anyway."""

    left_out: tuple[str, ...] = ()
    """What was found and is avoided."""

    aspect: str = ""
    """The ratio that the prompt asks for: "4:5", "portrait", "landscape"."""

    width: str = ""
    """"close", "medium" or "wide"."""

    space: tuple[str, ...] = ()
    """Sides with more room: "above", "below", "left", "right"."""

    corrected: tuple[tuple[str, str], ...] = ()
    """Misspelled words, and how they were read."""

    def __str__(self) -> str:
        """In one line: "kept: woman (left), dog · left out: car · 4:5"."""
        named = {"kept": self.kept, "whole": self.whole, "left out": self.left_out}
        parts = [f"{what}: {', '.join(texts)}" for what, texts in named.items() if texts]
        parts += [said for said in (self.aspect, self.width) if said]
        if self.space:
            parts.append(f"space: {', '.join(self.space)}")
        parts += [f'"{typed}" read as "{meant}"' for typed, meant in self.corrected]
        return " · ".join(parts)


@dataclass(frozen=True)
class Suggestions:
    """The answer to a prompt."""

    model: str
    """Name of the encoder that answered."""

    kind: Literal["match", "general"]
    """"general" when nothing of the prompt was found, or it is blank: good crops of anything."""

    is_well_framed: bool
    """The image needs no crop: as it is, it is as good as the best one."""

    matched: tuple[Detection, ...]
    """What was found or is perhaps there, with score and box."""

    dropped: tuple[Dropped, ...]
    """What was asked for, or was to be left out, and was not found; and why."""

    excluded: tuple[Detection, ...]
    """What was found and is avoided."""

    crops: tuple[Suggestion, ...]
    """Best first."""

    seconds: float
    """What this prompt took, encoding the image not counted."""

    notes: tuple[str, ...] = ()
    """What else there is to say about the prompt, for people: what of it was not used."""

    understood: Understood = Understood()
    """What was understood of the prompt."""

    @property
    def perhaps(self) -> tuple[Detection, ...]:
        """What is perhaps there, of the texts that nothing is surely found for."""
        found = {one.text for one in self.matched if one.is_sure}
        return tuple(one for one in self.matched if one.text not in found)
