"""What users read: the code, the translators' files and what ships agree."""

from __future__ import annotations

import gettext
import importlib.util
import io
from pathlib import Path
from types import ModuleType

import pytest

CATALOGUES = Path(__file__).parents[2] / "plugin" / "catalogues.py"


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("catalogues", CATALOGUES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()
ADVICE = "run: python plugin/catalogues.py, and translate what is new"


def untranslated(language: str) -> list[object]:
    """The strings whose translation, or one of its plural forms, is empty."""
    return [
        message.id
        for message in script.read_catalogue(language)
        if message.id
        and not (all(message.string) if isinstance(message.string, tuple) else message.string)
    ]


def strings(path: Path) -> dict[object, str]:
    """What a compiled catalogue holds, its header too."""
    with path.open("rb") as file:
        return dict(gettext.GNUTranslations(file)._catalog)  # type: ignore[attr-defined]


def test_the_strings_of_the_code_are_found():
    found = {message.id for message in script.template()}

    assert "Cancelled." in found  # of a table, marked there
    assert "Free" in found
    assert ("{number} suggestion.", "{number} suggestions.") in found


@pytest.mark.parametrize("language", script.languages())
def test_a_catalogue_has_every_string_of_the_code_and_no_other(language: str):
    catalogue = script.read_catalogue(language)

    in_code = {message.id for message in script.template() if message.id}
    translated = {message.id for message in catalogue if message.id}

    assert translated - in_code == set(), f"stale; {ADVICE}"
    assert in_code - translated == set(), f"missing; {ADVICE}"
    assert untranslated(language) == [], ADVICE
    assert not [message.id for message in catalogue if message.fuzzy], "not sure"


@pytest.mark.parametrize("language", script.languages())
def test_what_ships_is_made_of_what_translators_wrote(language: str):
    made = gettext.GNUTranslations(io.BytesIO(script.compiled(script.read_catalogue(language))))
    expected = dict(made._catalog)  # type: ignore[attr-defined]

    shipped = strings(script.catalogue_file(language, ".mo"))

    del expected[""], shipped[""]  # the header names the tool that made it
    assert shipped == expected, ADVICE


@pytest.mark.parametrize("language", script.languages())
def test_placeholders_are_those_of_the_original(language: str):
    wrong = [(message.id, list(message.check())) for message in script.read_catalogue(language)]

    assert [(text, errors) for text, errors in wrong if errors] == []


def test_bringing_them_up_to_date_changes_nothing_that_is_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(script, "LOCALE", tmp_path)
    (tmp_path / "de").mkdir()
    template = script.template()
    script.update("de", template)
    first = script.catalogue_file("de", ".po").read_bytes()

    script.update("de", template)

    assert script.languages() == ["de"]
    assert script.catalogue_file("de", ".po").read_bytes() == first
    assert len(untranslated("de")) > 50
