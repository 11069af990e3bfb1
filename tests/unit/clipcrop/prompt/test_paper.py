"""The paper's reading of a text."""

from __future__ import annotations

import pytest

from clipcrop.errors import EmptyPrompt, InputError
from clipcrop.prompt.paper import paper_prompt


@pytest.mark.parametrize(
    ("text", "keywords"),
    [
        # Of ClipCrop's published texts; the product's reading shortens or drops each of them.
        ("street scene", ["street scene"]),
        ("close up of a hand holding a flower", ["a hand", "a flower"]),
        ("portrait of a young black man", ["portrait", "a young black man"]),
        ("girl in the of the ancient city", ["girl", "the ancient city"]),
        ("a dog without the car", ["a dog", "the car"]),
        ("Two dogs, no cat", ["Two dogs", "no cat"]),
        ("it", []),
    ],
)
def test_the_whole_text_stands_as_it_is_before_its_noun_chunks(text: str, keywords: list[str]):
    prompt = paper_prompt(text)

    assert prompt.texts[0].text == text
    assert prompt.texts[0].is_whole_prompt
    assert [one.text for one in prompt.keywords] == keywords
    assert {one.max_count for one in prompt.texts} == {1}
    assert prompt.exclusions == ()


def test_what_is_excluded_beside_a_text_is_read_as_ever():
    assert [one.text for one in paper_prompt("a dog", ["the car"]).exclusions] == ["car"]


def test_a_blank_text_asks_for_nothing():
    assert paper_prompt(" ").all_texts == ()


@pytest.mark.parametrize(("text", "error"), [("...", EmptyPrompt), ("dog " * 200, InputError)])
def test_a_text_that_cannot_be_a_prompt_is_refused(text: str, error: type[Exception]):
    with pytest.raises(error):
        paper_prompt(text)
