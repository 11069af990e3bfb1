"""What is remembered from one start of Krita to the next, in Krita's own settings."""

from __future__ import annotations

from dataclasses import replace

from clipcrop_plugin.choices import Choices
from clipcrop_plugin.history import History
from krita import Krita

GROUP, CHOICES, HISTORY = "clipcrop", "choices", "history"


def last_choices() -> Choices:
    """Of the last question that was asked, in whichever document; the defaults if none was."""
    return Choices.from_json(_read(CHOICES))


def history() -> History:
    """What was asked for before."""
    return History.from_json(_read(HISTORY))


def remember(choices: Choices) -> None:
    """Keep them, also when Krita is started anew."""
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
    return str(Krita.instance().readSetting(GROUP, name, "") or "")


def _write(name: str, text: str) -> None:
    Krita.instance().writeSetting(GROUP, name, text)
