"""The paper's reading of a text: the text as it stands, and the keywords that spaCy finds in it.

The decoder is trained and evaluated with these texts. Nothing of `parser` applies: no word is taken
away, put in the singular, counted or taken for an instruction, so that an annotated text selects
what it would select in the authors' experiments. The paper names spaCy and no rule; noun chunks,
as spaCy gives them, are our reading of "keywords".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .language import english_pipeline
from .parser import Prompt, Text, check_prompt, parse_prompt

if TYPE_CHECKING:
    from spacy.tokens import Span

_NOUNS = frozenset({"NN", "NNS", "NNP", "NNPS"})
"""Tags of a noun chunk's main word; the others are pronouns and fragments ("in the of a city")."""


def paper_prompt(text: str, exclude: Sequence[str] = ()) -> Prompt:
    """The whole text, unchanged, and its noun chunks.

    Head and modifiers are what an encoder of words (``lite``) needs beside the text; a text encoder
    does without.

    Args:
        text: as it was written.
        exclude: as for `parse_prompt`; the paper has no such thing.

    Returns:
        With a blank text, a prompt without texts.

    Raises:
        EmptyPrompt: there is something in it, but no word.
        InputError: it is too long.
        LanguageModelMissing: spaCy's English pipeline is not installed.
    """
    check_prompt(text)
    exclusions = parse_prompt("", exclude).exclusions
    if not text.strip():
        return Prompt(text="", texts=(), exclusions=exclusions)
    text = text.encode("utf-8", "replace").decode("utf-8")  # half a character is no word
    pipeline = english_pipeline()
    with pipeline.memory_zone():
        chunks = [chunk for chunk in pipeline(text).noun_chunks if chunk.root.tag_ in _NOUNS]
        keywords = [_keyword(chunk) for chunk in chunks]
    head, modifiers = (keywords[0].head, keywords[0].modifiers) if keywords else ("", ())
    whole = Text(text, head=head, modifiers=modifiers, is_whole_prompt=True)
    return Prompt(text=text, texts=(whole, *dict.fromkeys(keywords)), exclusions=exclusions)


def _keyword(chunk: Span) -> Text:
    words = [token.lower_ for token in chunk if token.i < chunk.root.i and token.tag_ != "DT"]
    return Text(chunk.text, head=chunk.root.lemma_.lower(), modifiers=tuple(words))
