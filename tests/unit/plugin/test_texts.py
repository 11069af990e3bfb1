from __future__ import annotations

import string

import pytest

from clipcrop_plugin import texts

LANGUAGES = sorted(folder.name for folder in texts.LOCALE_FOLDER.iterdir())


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of catalogues in place of ours."""
    monkeypatch.setattr(texts, "LOCALE_FOLDER", tmp_path)
    return tmp_path


def test_there_is_german_and_a_language_from_right_to_left():
    assert LANGUAGES == ["de", "he"]


@pytest.mark.parametrize("name", ["de", "de_AT", "de-CH", "de_DE.UTF-8"])
def test_german_is_found_under_the_names_that_systems_give_it(name):
    texts.use([name])

    assert texts._("Free") == "Frei"
    assert texts.language() == "de"


def test_the_environment_decides_without_an_option_or_a_file(monkeypatch):
    monkeypatch.setenv("LANGUAGE", "de:en")
    monkeypatch.setattr(texts, "_found", None)

    assert texts._("Free") == "Frei"


def test_a_language_without_a_catalogue_is_english():
    texts.use(["tlh"])

    assert texts._("Free") == "Free"
    assert texts.language() == "en"
    assert texts.ngettext("{number} suggestion.", "{number} suggestions.", 2).endswith("s.")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xde\x12\x04\x95", id="cut short"),
        pytest.param(bytes(100), id="zeros"),
        pytest.param(b"\xde\x12\x04\x95" + b"\xff" * 100, id="wild offsets"),
    ],
)
def test_a_damaged_catalogue_is_english(folder, content):
    path = folder / "xx" / "LC_MESSAGES" / "clipcrop.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    texts.use(["xx"])

    assert texts._("Free") == "Free"


def test_plurals_follow_the_language():
    texts.use(["de"])

    said = [texts.ngettext("{number} suggestion.", "{number} suggestions.", n) for n in (1, 2)]

    assert said == ["{number} Vorschlag.", "{number} Vorschläge."]


def test_a_path_is_kept_in_one_piece_where_writing_goes_from_right_to_left():
    texts.use(["he"])
    assert texts.is_right_to_left()
    assert texts.isolated("/a/b") == "\u2068/a/b\u2069"

    texts.use(["de"])
    assert not texts.is_right_to_left()
    assert texts.isolated("/a/b") == "/a/b"


def test_a_marked_text_stays_as_it_is():
    texts.use(["de"])

    assert texts.N_("Free") == "Free"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_translation_has_the_placeholders_of_its_original(language):
    texts.use([language])
    catalogue = dict(texts._translations()._catalog)
    header = catalogue.pop("")

    assert f"Language: {language}" in header
    assert len(catalogue) > 50
    for original, translation in catalogue.items():
        text = original[0] if isinstance(original, tuple) else original
        assert placeholders(translation) == placeholders(text), text
