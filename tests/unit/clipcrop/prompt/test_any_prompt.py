"""Any text through parsing, grounding and ranking, with the lite model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from clipcrop.errors import InputError
from clipcrop.grounding import GroundingOptions
from clipcrop.predictor import EncodedImage, Predictor
from clipcrop.prompt.parser import MAX_PROMPT_CHARACTERS

WORDS = (
    *("the", "a", "two", "no", "not", "without", "but", "except", "and", "or", "of", "everyone"),
    *("all", "dog", "dogs", "cat", "drop", "zero", "crop", "keep", "photo", "sign", "leave space"),
    *("rule of thirds", "4:5", "x-ray", "u.s.", "st.", "mr.", "5€", "50%", "-cat", "w/o", "w/"),
    *("\u72ac", "\u0441\u043e\u0431\u0430\u043a\u0430", "\u05d4\u05db\u05dc\u05d1", "\ud800"),
    *("\U0001f436", "\U0001f469\u200d\U0001f467", "\x00", "\n", "\t", "1e999", "½", "²", "ᴬ"),
    *("left", "on the left", "second", "from the right", "biggest", "next to", "the one", "of"),
    *("don't cut off", "should not be visible", "make sure", "keep", "out of the frame", "whole"),
    *("1080x1350", "00000x00000", "square", "instagram story", "space above", "tight", "feet"),
    *("umbrela", "without:", "16 by 9", "in full", "\ue000", "-free", "everything but"),
    *("a+", "&", "%", "€", "$", "#", "@", "/", "'", "(", "[", "*", "\\", "0", "12"),
)

PROMPTS = st.one_of(
    st.text(st.characters(), max_size=MAX_PROMPT_CHARACTERS),
    st.builds(
        str.join,
        st.sampled_from(["", " ", ", "]),
        st.lists(st.sampled_from(WORDS) | st.text(st.characters(), max_size=3), max_size=40),
    ).map(lambda text: text[:MAX_PROMPT_CHARACTERS]),
)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load("lite", "cpu", "none")


@pytest.fixture(scope="module")
def encoded(predictor: Predictor, samples: Path) -> EncodedImage:
    return predictor.encode(Image.open(samples / "chelsea.jpg").resize((240, 160)))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(prompt=PROMPTS, exclude=st.lists(PROMPTS, max_size=2), is_strict=st.booleans())
@example(prompt="100%", exclude=["50 % off"], is_strict=False)
@example(prompt="5€", exclude=["%"], is_strict=True)
@example(prompt="% off", exclude=["-"], is_strict=False)
@example(prompt="x-ray", exclude=["e-bike"], is_strict=False)
def test_any_prompt_gives_crops_or_a_sentence(
    predictor: Predictor, encoded: EncodedImage, prompt: str, exclude: list[str], is_strict: bool
) -> None:
    options = GroundingOptions.paper() if is_strict else None
    try:
        answer = predictor.suggest(encoded, prompt, exclude=exclude, count=1, grounding=options)
    except InputError:
        return

    assert answer.crops
    for one in (*answer.matched, *answer.dropped, *answer.excluded):
        assert one.text.strip()
