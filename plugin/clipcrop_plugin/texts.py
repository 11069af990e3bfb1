"""What a user reads, in the user's language; in English where there is no translation.

The language is that of the environment (LANGUAGE, LC_ALL, LC_MESSAGES, LANG), which GIMP sets for
its plug-ins; a shell that knows better calls `use`.
"""

from __future__ import annotations

import gettext
import struct
from pathlib import Path
from typing import Sequence

DOMAIN = "clipcrop"
LOCALE_FOLDER = Path(__file__).with_name("locale")

_RIGHT_TO_LEFT = ("ar", "fa", "he", "ur", "yi")
_ISOLATE, _END = "\u2068", "\u2069"  # first-strong isolate, and its end

_found: gettext.NullTranslations | None = None  # found at the first use: importing does nothing


def use(languages: Sequence[str] | None = None) -> None:
    """Choose the language.

    Args:
        languages: Such as "de_AT" or "he-IL", best first; None for those of the environment.
    """
    global _found
    wanted = None if languages is None else [name.replace("-", "_") for name in languages]
    try:
        _found = gettext.translation(DOMAIN, str(LOCALE_FOLDER), wanted, fallback=True)
    except (OSError, ValueError, struct.error):  # a damaged catalogue
        _found = gettext.NullTranslations()


def _(message: str) -> str:
    """Translate."""
    return _translations().gettext(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Translate, in the form that goes with the number."""
    return _translations().ngettext(singular, plural, number)


def N_(message: str) -> str:  # noqa: N802 - gettext's own name, which tools look for
    """Mark for the catalogues what is translated later."""
    return message


def language() -> str:
    """Of the catalogue in use, such as "de"; "en" where there is none."""
    return _translations().info().get("language", "en")


def is_right_to_left() -> bool:
    """Whether the language in use is written from right to left."""
    return language().partition("_")[0] in _RIGHT_TO_LEFT


def isolated(text: str) -> str:
    """A path or a foreign sentence, such that it stays in one piece in a right-to-left sentence."""
    return f"{_ISOLATE}{text}{_END}" if is_right_to_left() else text


def _translations() -> gettext.NullTranslations:
    if _found is None:
        use()
    assert _found is not None
    return _found
