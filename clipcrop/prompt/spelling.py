"""Misspelled words of a prompt, read as the words that they are nearest to.

A word is known if spaCy's own lists of English words have it, which are loaded with its pipeline
anyway. Only for one that is not, what there is to choose from is read: the words that the lite
encoder understands, and those that this package reads as grammar.
"""

from __future__ import annotations

import functools
import logging
import re
from bisect import bisect_left, bisect_right
from importlib import resources
from typing import Any

from .language import english_pipeline
from .places import ORDINALS, RELATIONS, SIDES, SIZES
from .words import EVERYONE, FUNCTION_WORDS, NUMBERS, PAIRS, QUANTIFIERS, SCENE_WORDS

MIN_LETTERS = 4  # also in `_WORD`
"""Shorter words have too many neighbours."""

MIN_LETTERS_FOR_TWO = 7
"""From here on two letters may be wrong."""

logger = logging.getLogger(__name__)

_GRAMMAR = frozenset(
    {"without", "except", "exclude", "excluding", "remove", "avoid", "ignore", "please", "square"}
    | {"portrait", "landscape", "everything", "children", "women", "between", "behind", "above"}
    | {"below", "should", "don't", "shouldnt", "thats", "whats", "dont", "doesnt", "isnt", "arent"}
    | {"instagram", "youtube", "tiktok", "selfie", "closeup", "headroom", "widescreen", "avatar"}
    | {"wallpaper", "thumbnail", "linkedin", "pinterest", "facebook", "twitter", "cropped"}
    | FUNCTION_WORDS
    | EVERYONE
    | QUANTIFIERS
    | SCENE_WORDS
    | PAIRS
    | NUMBERS.keys()
    | SIDES.keys()
    | SIZES.keys()
    | ORDINALS.keys()
    | {word for phrase in RELATIONS for word in phrase.split()}
)
_WORD = re.compile(r"(?<![\w.'&/+-])[a-z]{4,}(?![\w'&/+-]|\.\w)")


def correct(line: str, prompt: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Correct the misspelled words of a line.

    Args:
        line: a prompt after `clauses.normalise`.
        prompt: as the user typed it; words with a capital inside it are names.

    Returns:
        The line, and each corrected word with what it was read as.
    """
    names = {word.lower() for word in re.findall(r"(?<=[\w,] )[A-Z][a-z]\w*", prompt)}
    corrections: dict[str, str] = {}
    for word in dict.fromkeys(_WORD.findall(line)):
        if word not in names and not _is_known(word) and (right := _nearest(word)):
            corrections[word] = right
    if corrections:
        line = _WORD.sub(lambda match: corrections.get(match[0], match[0]), line)
    return line, tuple(corrections.items())


def _is_known(word: str) -> bool:
    """Whether English has the word, or one that it is an inflected form of."""
    if word in _GRAMMAR:
        return True
    pipeline = english_pipeline()
    if word in pipeline.Defaults.stop_words:
        return True
    lookups: Any = pipeline.get_pipe("lemmatizer").lookups  # type: ignore[attr-defined]
    index, exceptions, rules = (
        lookups.get_table(f"lemma_{name}") for name in ("index", "exc", "rules")
    )
    nouns = index["noun"]  # most words of a prompt, and sorted; the other lists are not
    if nouns[bisect_left(nouns, word) : bisect_right(nouns, word)]:
        return True
    for kind, words in index.items():
        if word in words or word in exceptions.get(kind, ()):
            return True
        for ending, stem in rules.get(kind, ()):
            if word.endswith(ending) and word[: len(word) - len(ending)] + stem in words:
                return True
    return False


def _nearest(word: str) -> str:
    """The word that this one is most likely meant for; empty if it is like none."""
    try:
        from rapidfuzz import process
        from rapidfuzz.distance import OSA
    except ImportError:  # an environment that is older than this dependency
        logger.warning("spelling.off reason='rapidfuzz is not installed'")
        return ""
    vocabulary = _vocabulary()
    if word in vocabulary:
        return ""
    far = 2 if len(word) >= MIN_LETTERS_FOR_TWO else 1
    plural = "s" if word.endswith("s") and not word.endswith("ss") else ""
    stem = word.removesuffix(plural) if plural else word
    if stem in vocabulary:
        return ""
    best: tuple[float, str] = (float("inf"), "")
    for form, ending in {word: "", stem: plural}.items():
        for candidate, distance, _ in process.extract(
            form, vocabulary, scorer=OSA.distance, score_cutoff=far, limit=50
        ):
            if cost := _cost(form, candidate, distance):
                best = min(best, (cost, candidate + ending))
    return best[1]


def _cost(word: str, candidate: str, distance: float) -> float:
    """How unlikely a slip is; 0 for one that is none.

    Letters are swapped, doubled or forgotten more often than taken for others, and the first one
    is seldom wrong.
    """
    if distance == 0 or len(candidate) < MIN_LETTERS:
        return 0.0
    is_swapped = sorted(word) == sorted(candidate)
    if word[0] != candidate[0] and not (is_swapped and distance == 1):
        return 0.0
    is_same_length = len(word) == len(candidate)
    if len(word) == MIN_LETTERS and is_same_length and not is_swapped:
        return 0.0
    if _sound(word) == _sound(candidate):
        return 0.5
    kind = 0.0 if is_swapped else 0.3 if len(candidate) > len(word) else 0.4
    kind = 0.6 if is_same_length and not is_swapped else kind
    return distance + kind + (0.1 if word[-1] != candidate[-1] else 0.0)


def _sound(word: str) -> str:
    """The word with one letter for each sound that English spells in several ways."""
    for letters, sound in (("ph", "f"), ("ck", "k"), ("c", "k"), ("y", "i"), ("z", "s")):
        word = word.replace(letters, sound)
    return re.sub(r"(.)\1", r"\1", word)


@functools.lru_cache(maxsize=1)
def _vocabulary() -> tuple[str, ...]:
    """Single words that things are called by."""
    from safetensors.numpy import load

    file = resources.files("clipcrop.encoders") / "lite_words.safetensors"
    entries = load(file.read_bytes())["words"].tobytes().decode("utf-8").split("\n")
    words = {entry for entry in entries if entry.isascii() and entry.isalpha()}
    return tuple(sorted(words | {word for word in _GRAMMAR if word.isalpha()}))
