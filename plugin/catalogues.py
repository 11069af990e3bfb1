"""Brings the plug-ins' catalogues up to date with the code: ``python plugin/catalogues.py``.

Takes the strings of `clipcrop_plugin` and of the shells, puts new ones into every .po (empty, for
a translator), drops those that are gone, and compiles the .mo that ships. The names of the
languages are the folders of `clipcrop_plugin/locale`; a new one begins as an empty folder.
"""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PLUGIN = Path(__file__).parent
LOCALE = PLUGIN / "clipcrop_plugin" / "locale"
SOURCES = ("clipcrop_plugin", "gimp", "krita")
DOMAIN = "clipcrop"

_WIDTH = 100
_METHODS = [("**.py", "python")]
_KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}


def languages() -> list[str]:
    """Those that there are catalogues of."""
    return sorted(folder.name for folder in LOCALE.iterdir() if folder.is_dir())


def catalogue_file(language: str, suffix: str) -> Path:
    """Its .po or .mo."""
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}{suffix}"


def template() -> Catalog:
    """Every string of the code, untranslated."""
    found = Catalog(domain=DOMAIN)
    for source in SOURCES:
        folder = PLUGIN / source
        if not folder.is_dir():
            continue
        for _file, _line, message, _comments, _context in extract_from_dir(
            str(folder), _METHODS, keywords=_KEYWORDS, strip_comment_tags=True
        ):
            found.add(message)
    return found


def read_catalogue(language: str) -> Catalog:
    """What the translator wrote."""
    path = catalogue_file(language, ".po")
    if not path.exists():
        return Catalog(locale=language, domain=DOMAIN)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def compiled(catalogue: Catalog) -> bytes:
    """The .mo of a catalogue."""
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def update(language: str, strings: Catalog) -> None:
    """Bring one language up to date."""
    catalogue = read_catalogue(language)
    strings.creation_date = catalogue.creation_date  # a date would change with every run
    catalogue.update(strings, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    path = catalogue_file(language, ".po")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=_WIDTH, no_location=True, sort_output=True)
    catalogue_file(language, ".mo").write_bytes(compiled(read_catalogue(language)))


if __name__ == "__main__":
    for name in languages():
        update(name, template())
