"""What is remembered from one run to the next, in GIMP's own store for such notes."""

from __future__ import annotations

from dataclasses import replace

from gi.repository import Gimp

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.history import History

CHOICES, HISTORY = "clipcrop-choices", "clipcrop-history"


def last_choices() -> Choices:
    """Of the last question that was asked, in whichever image; the defaults if none was."""
    return Choices.from_json(_read(CHOICES))


def history() -> History:
    """What was asked for before."""
    return History.from_json(_read(HISTORY))


def remember(choices: Choices) -> None:
    """Keep them, also when GIMP is started anew."""
    # What a newer version of the plug-in keeps in the same note stays.
    kept = replace(choices, others=last_choices().others)
    _write(CHOICES, kept.to_json())
    past = history()
    if choices.prompt:
        past = past.with_prompt(choices.prompt)
    if choices.exclude:
        past = past.with_exclusion(choices.exclude_text)
    _write(HISTORY, past.to_json())


def _read(name: str) -> str:
    parasite = Gimp.get_parasite(name)
    return "" if parasite is None else bytes(parasite.get_data()).decode("ascii", "replace")


def _write(name: str, text: str) -> None:
    data = list(text.encode("ascii"))
    Gimp.attach_parasite(Gimp.Parasite.new(name, Gimp.PARASITE_PERSISTENT, data))
