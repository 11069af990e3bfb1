"""What the user asks for: checked with sentences, remembered as JSON."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, fields
from typing import Any, Mapping

from clipcrop_wire.messages import MAX_EXCLUSIONS, MAX_PROMPT_CHARS

from . import storage
from .errors import BadChoice
from .geometry import Placement
from .texts import _, isolated, ngettext

VERSION = 1

FREE, ORIGINAL = "free", "original"
ASPECTS = (FREE, ORIGINAL, "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16")
"""Presets, in the order of a menu; any other "width:height" may be typed."""

SOURCES = ("layer", "visible")
APPLIES = ("selection", "crop", "canvas", "guides", "new_image")
NO_EXAMPLE, SELECTION_EXAMPLE = "none", "selection"

MAX_ASPECT = 100.0
"""Crops more elongated than this are no pictures."""

_MAX_PATH_CHARS = 4096
_SIDE = r"([0-9]{1,6}(?:[.,][0-9]{1,6})?)"
_RATIO = re.compile(rf"{_SIDE}\s*[:/x\u00d7]\s*{_SIDE}")


@dataclass(frozen=True)
class Choices:
    """One question, without the picture. Spaces are tidied; what cannot be is refused.

    Raises:
        BadChoice: with the field and a sentence.
    """

    prompt: str = ""
    """What the crop should show; empty for a good crop of anything."""

    exclude: tuple[str, ...] = ()
    """What it should leave out."""

    aspect: str = FREE
    """One of `ASPECTS`, or any other "width:height"."""

    source: str = "layer"
    """What to look at: the chosen "layer", or all that is "visible"."""

    apply: str = "selection"
    """What becomes of the crop: a "selection", a "crop" of the image, a crop of its "canvas" only
    (layers keep what lies beyond), "guides", a "new_image"."""

    example: str = NO_EXAMPLE
    """Shows what to look for: "none", the "selection", or the path of an image file."""

    others: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Fields of a newer version, kept for it."""

    def __post_init__(self) -> None:
        """Tidy and check."""
        _set(self, prompt=_tidy(self.prompt), aspect=parse_aspect(self.aspect))
        tidied = (_tidy(text) for text in self.exclude)
        _set(self, exclude=tuple(dict.fromkeys(text for text in tidied if text)))
        _check_prompt("prompt", self.prompt)
        for text in self.exclude:
            _check_prompt("exclude", text)
        if len(self.exclude) > MAX_EXCLUSIONS:
            raise BadChoice("exclude", _too_many_exclusions(len(self.exclude)))
        if self.source not in SOURCES:
            raise BadChoice("source", _("Choose the layer or the visible image to look at."))
        if self.apply not in APPLIES:
            raise BadChoice("apply", _("Choose what is to be done with the crop."))
        if not self.example.strip() or not storage.is_text(self.example, _MAX_PATH_CHARS):
            raise BadChoice("example", _("The example must be an image file, or the selection."))

    @property
    def exclude_text(self) -> str:
        """What to leave out, as a user writes it in one line; `parse_exclude` reads it."""
        return ", ".join(self.exclude)

    @property
    def headline(self) -> str:
        """What is asked for, for people."""
        if self.prompt:
            return self.prompt
        return _("A good crop of anything") if self.example == NO_EXAMPLE else _("Like the example")

    @property
    def example_file(self) -> str:
        """The path of the example; empty if it is not a file."""
        return "" if self.example in (NO_EXAMPLE, SELECTION_EXAMPLE) else self.example

    def needs_other_pixels(self, before: Choices) -> bool:
        """Whether a shell must read the canvas or the example again to ask this."""
        if self.example == NO_EXAMPLE:
            return self.source != before.source
        return (self.source, self.example) != (before.source, before.example)

    def wire_aspect(self, placement: Placement) -> str | float | None:
        """As `SuggestRequest.aspect`; the image's own is the canvas's, whatever is looked at.

        Raises:
            BadChoice: the canvas is too elongated for a picture.
        """
        if self.aspect == FREE:
            return None
        if self.aspect != ORIGINAL:
            return _ratio(self.aspect)
        if placement.is_whole_canvas:
            return ORIGINAL
        ratio = placement.canvas.width_px / placement.canvas.height_px
        if not 1 / MAX_ASPECT <= ratio <= MAX_ASPECT:
            raise BadChoice("aspect", _too_elongated())
        return ratio

    def to_json(self) -> str:
        """For an editor's settings, a file, or a note in the image: ASCII."""
        values = {name: getattr(self, name) for name in _NAMES}
        others = dict(self.others)
        for name in _NAMES:
            # A value that only a newer version understands, not changed here.
            if name in others and values[name] == getattr(Choices, name):
                del values[name]
        return storage.compose(VERSION, values, others)

    @classmethod
    def from_json(cls, text: str) -> Choices:
        """What `to_json` made; what is missing or cannot be is as by default."""
        values = storage.parse(text)
        others = {name: values[name] for name in values if name not in _NAMES}
        known: dict[str, Any] = {}
        for name in _NAMES:
            if name not in values:
                continue
            try:
                known[name] = _checked(name, values[name])
            except BadChoice:
                others[name] = values[name]
        return cls(**known, others=others)


def parse_aspect(text: str) -> str:
    """Read "free", "original" or "width:height", as people write it -> its usual form.

    Raises:
        BadChoice: it is none of these.
    """
    word = text.strip().lower()
    if word in (FREE, ORIGINAL):
        return word
    match = _RATIO.fullmatch(word)
    if not match:
        raise BadChoice(
            "aspect",
            _("“{text}” is no aspect ratio. Write width and height, as in 3:2.").format(
                text=isolated(text.strip()[:40])
            ),
        )
    width, height = (part.replace(",", ".") for part in match.groups())
    if not float(width) or not float(height):
        raise BadChoice("aspect", _("Both sides of an aspect ratio must be more than 0."))
    if not 1 / MAX_ASPECT <= float(width) / float(height) <= MAX_ASPECT:
        raise BadChoice("aspect", _too_elongated())
    return f"{_number(width)}:{_number(height)}"


def parse_exclude(text: str) -> tuple[str, ...]:
    """What to leave out, from one line: commas, semicolons or lines between."""
    return tuple(part.strip() for part in re.split(r"[,;\n]", text) if part.strip())


def aspect_label(aspect: str) -> str:
    """What a menu says."""
    if aspect == FREE:
        return _("Free")
    if aspect == ORIGINAL:
        return _("Same as the image")
    return isolated(aspect)


def source_label(source: str) -> str:
    """What a menu says."""
    return {"layer": _("Current layer"), "visible": _("Visible image")}[source]


def apply_label(apply: str) -> str:
    """What a menu says."""
    return {
        "selection": _("Select it"),
        "crop": _("Crop the image to it"),
        "canvas": _("Crop the canvas only"),
        "guides": _("Put guides around it"),
        "new_image": _("Make a new image of it"),
    }[apply]


_NAMES = tuple(one.name for one in fields(Choices) if one.name != "others")


def _set(choices: Choices, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(choices, name, value)


def _tidy(text: str) -> str:
    return " ".join(text.split())


def _number(text: str) -> str:
    return f"{float(text):.6f}".rstrip("0").rstrip(".")


def _ratio(aspect: str) -> float:
    width, _colon, height = aspect.partition(":")
    return float(width) / float(height)


def _checked(name: str, raw: Any) -> Any:
    """A value of JSON -> the field's, if it can be."""
    if name == "exclude":
        is_good = type(raw) is list and all(type(text) is str for text in raw)
        raw = tuple(raw) if is_good else None
    elif type(raw) is not str:
        raw = None
    if raw is None:
        raise BadChoice(name, "")
    one: dict[str, Any] = {name: raw}
    return getattr(Choices(**one), name)


def _check_prompt(name: str, text: str) -> None:
    if len(text) > MAX_PROMPT_CHARS:
        raise BadChoice(
            name,
            _("This description has {number} characters; {limit} is the most.").format(
                number=len(text), limit=MAX_PROMPT_CHARS
            ),
        )
    if not storage.is_text(text, MAX_PROMPT_CHARS) or _has_control_characters(text):
        raise BadChoice(name, _("This description has characters in it that are not text."))


def _has_control_characters(text: str) -> bool:
    """Formatting characters are fine: emoji and right-to-left text need them."""
    return any(unicodedata.category(character) == "Cc" for character in text)


def _too_many_exclusions(number: int) -> str:
    return ngettext(
        "{number} thing to leave out; {limit} are the most.",
        "{number} things to leave out; {limit} are the most.",
        number,
    ).format(number=number, limit=MAX_EXCLUSIONS)


def _too_elongated() -> str:
    return _("An aspect ratio must be between {low} and {high}.").format(
        low=isolated("1:100"), high=isolated("100:1")
    )
