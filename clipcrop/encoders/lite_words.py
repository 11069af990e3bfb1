"""The text side of the lite encoder: a text -> weights over the concepts, from a table of words.

No network: each entry (a word or a short phrase) has the concepts it means, and how surely. The
table is made by `python -m clipcrop.training.lite words`; the score of an image token is the sum
of its activations, weighted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, softmax
from ..errors import CheckpointError
from ..prompt.parser import Text
from .lite_colours import COLOUR_WORDS

NUM_COCO, NUM_IMAGENET, NUM_SCENE = 80, 1000, 150
FIRST_SCENE = NUM_COCO + NUM_IMAGENET
FACE = FIRST_SCENE + NUM_SCENE
FIRST_KIND = FACE + 1
KINDS = ("man", "woman", "boy", "girl", "child")
NUM_CONCEPTS = FIRST_KIND + len(KINDS)
"""The concepts: COCO's classes, ImageNet-1k's, ADE20K's, a face, kinds of people; E of them."""

PERSON = 0
"""COCO's first class."""

PERSON_SHARE = 0.2
"""What a word for a kind of people gives to any person: one whose kind is in doubt is found too."""

TEMPERATURE = 0.05
"""Of the softmax over similarities; from the experiment that this encoder follows."""

CERTAIN = 254 / 255
"""From this similarity on a word means the concept: no softmax, weight 1."""

HEAD_WEIGHT, MODIFIER_WEIGHT, REST_WEIGHT = 1.0, 0.3, 0.12
"""How much the parts of a text count; from the same experiment."""

PARENT_WEIGHT = 0.5
"""An ImageNet class gives its COCO class this share of its own weight: beagle -> dog."""

CHILD_WEIGHT = 0.3
"""What is left to an ImageNet class beside its COCO class in one meaning: "zebra" is both."""

MAX_IMAGENET_ACTIVATION = 0.5
"""What a token's ImageNet activations are taken to add to COCO's; scores stop at 1 anyway."""

PREPOSITIONS = frozenset(
    {"in", "on", "at", "with", "under", "near", "by", "behind", "beside", "between", "over", "from"}
    | {"above", "below", "inside", "outside", "next", "against", "through", "across", "around"}
    | {"of", "into", "onto", "for", "to", "without", "along", "beneath", "among", "during", "like"}
    | {"that", "which", "who", "whose", "where", "while", "is", "are", "was", "were", "has", "have"}
)
"""The words after which a text does not say any more what it names, but where it is."""

MEASURES = frozenset(
    {"group", "pair", "couple", "bunch", "herd", "flock", "pack", "crowd", "row", "line", "pile"}
    | {"slice", "piece", "kind", "type", "sort", "lot", "set", "stack", "close-up", "closeup"}
    | {"photo", "picture", "image", "view", "portrait", "field", "part", "side", "box", "basket"}
    | {"plate", "can", "school", "swarm", "team", "number", "collection", "loaf", "head", "dozen"}
)
"""Before "of" they count or hold what follows: "a slice of pizza" names a pizza."""

ARTICLES = frozenset({"a", "an", "the", "one", "two", "this", "that", "my"})

ING_NOUNS = frozenset(
    {"building", "ring", "king", "wing", "string", "swing", "painting", "wedding", "earring"}
    | {"ceiling", "clothing", "dining", "duckling", "sibling", "pudding", "dressing", "railing"}
)
"""Other words in -ing are taken for what the thing before them does: "a man riding a horse"."""

IRREGULAR_PLURALS = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "teeth": "tooth",
    "geese": "goose",
    "mice": "mouse",
    "oxen": "ox",
    "people": "person",
    "cacti": "cactus",
    "lice": "louse",
    "dice": "die",
    "halves": "half",
    "firemen": "fireman",
}

BODY_PARTS = frozenset(
    {"face", "head", "eye", "ear", "nose", "mouth", "neck", "leg", "foot", "hair", "body", "back"}
    | {"chest", "belly", "skin", "tail", "paw", "fur", "beak", "snout", "mane", "smile", "hand"}
)
"""Whose they are says more: "the dog's head" is about the dog."""

PERSON_WORDS = frozenset(
    {"person", "people", "human", "man", "woman", "boy", "girl", "child", "kid", "baby", "infant"}
    | {
        "lady",
        "gentleman",
        "guy",
        "adult",
        "someone",
        "somebody",
        "everyone",
        "everybody",
        "toddler",
    }
    | {"anyone", "anybody", "individual", "teenager", "couple", "crowd", "family", "group"}
    | {"figure", "face", "passer-by", "newborn"}
)
"""Other words for people say what they do or are: roles."""

MIN_COMPOUND_TAIL, MIN_COMPOUND_START = 4, 3
"""Letters of an unknown compound's last part, and of what stands before it: snow|mobile.

English names the kind last; no word is guessed by how it begins.
"""


@dataclass(frozen=True)
class Span:
    """Words of a text that form one entry of the table."""

    first: int
    """Its first word."""

    end: int
    """One past its last word."""

    weights: FloatArray
    """[E] over the concepts."""


class WordTable:
    """Words and phrases, and the concepts they mean.

    Args:
        tensors: as the training command writes them. V entries, G groups of concepts:
            ``words`` uint8, the entries as UTF-8 with a line feed between them;
            ``target_offsets`` [V + 1] int32, where each entry's targets begin in ``targets``
            int16, a concept (below E) or a group (E + g), and ``similarities`` uint8 (255 is 1.0);
            an entry without targets names nothing that could be found;
            ``group_offsets`` [G + 1] int32 and ``group_members`` int16, concepts;
            ``parents`` [1000] int16, the COCO class of each ImageNet class, or -1.

    Raises:
        CheckpointError: tensors are missing or do not fit each other.
    """

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        try:
            entries = tensors["words"].tobytes().decode("utf-8").split("\n")
            self._offsets: list[int] = tensors["target_offsets"].tolist()
            self._targets: list[int] = tensors["targets"].tolist()
            self._similarities = tensors["similarities"].astype(np.float32) / 255
            groups: list[int] = tensors["group_offsets"].tolist()
            members = tensors["group_members"].astype(np.int64)
            parents = tensors["parents"].astype(np.int64)
            self._parents = np.where(parents < 0, NUM_COCO, parents)  # one place for "none"
        except (KeyError, UnicodeDecodeError) as exc:
            raise CheckpointError(
                f"the table of words is damaged ({exc}); install it anew"
            ) from exc
        fits = (
            len(self._offsets) == len(entries) + 1
            and self._offsets[-1] == len(self._targets) == len(self._similarities)
            and groups[-1] == len(members)
            and max(self._targets, default=0) < NUM_CONCEPTS + len(groups) - 1
            and len(self._parents) == NUM_IMAGENET
        )
        if not fits:
            raise CheckpointError("the table of words is damaged (sizes differ); install it anew")
        self._row = {entry: row for row, entry in enumerate(entries)}
        self._groups = [members[a:b] for a, b in pairwise(groups)]
        self._longest = max(entry.count(" ") for entry in entries) + 1

    @classmethod
    def read(cls, file: Path) -> WordTable:
        """Read a table from a safetensors file."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return cls(load_file(file))
        except (OSError, SafetensorError) as exc:
            raise CheckpointError(f"no table of words at {file} ({exc}); install it anew") from exc

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._row)

    def embed(self, text: Text) -> FloatArray:
        """The weights of a text.

        Returns:
            [E] weights, at least 0, such that weights · activations is at most about 1; all 0 if
            the table knows nothing in the text that could be found.
        """
        words = split_words(text.text)
        spans = self._spans(words, text)
        if not spans:
            return self._meaning_of_head(text)
        head = _head_position(words, text)
        owner = self._owner(words, head, spans)
        if owner is not None:
            spans = [span for span in spans if not span.first <= head < span.end]
            head = owner.first
        total = 0.0
        weights = np.zeros(NUM_CONCEPTS, np.float32)
        for span in spans:
            if span.first <= head < span.end:
                role = HEAD_WEIGHT
            elif not span.weights[:FIRST_SCENE].any():
                continue  # "a dog on the beach" is not to be found as the beach
            elif set(words[span.first : span.end]) & set(text.modifiers) or (
                not text.modifiers and span.end == head
            ):
                role = MODIFIER_WEIGHT
            else:
                role = REST_WEIGHT
            weights += np.float32(role) * span.weights
            total += role
        result: FloatArray = weights / np.float32(total or 1)
        return result

    def is_role(self, text: Text) -> bool:
        """Whether a text names a person by what they do or are ("rider"), not just a person."""
        words = split_words(text.head or text.text)
        if not words or PERSON_WORDS.intersection(singulars(words[-1])):
            return False
        weights = self.embed_phrase(" ".join(words))
        if weights is None or not weights[PERSON]:
            return False
        below = NUM_COCO + np.flatnonzero(self._parents == PERSON)
        kinds = FIRST_KIND + np.arange(len(KINDS))
        return not np.delete(weights, [PERSON, *below, *kinds]).any()

    def embed_phrase(self, phrase: str) -> FloatArray | None:
        """The weights of one word or phrase.

        Returns:
            [E] weights, all 0 if it names nothing that could be found; None if it is unknown.
        """
        row = self._find_row(split_words(phrase))
        return None if row is None else self._weights(row)

    @staticmethod
    def _owner(words: list[str], head: int, spans: list[Span]) -> Span | None:
        """Whose body part the head is, if the text says it before it or after an "of".

        None for a person's face, which is found as such.
        """
        if not 0 <= head < len(words) or not BODY_PARTS.intersection(singulars(words[head])):
            return None
        before = [span for span in spans if span.end == head]
        after = [span for span in spans if span.first > head and "of" in words[head : span.first]]
        owner = next(iter([*before, *after]), None)
        is_face = any(span.first <= head < span.end and span.weights[FACE] for span in spans)
        return None if owner and is_face and owner.weights[PERSON] else owner

    def _meaning_of_head(self, text: Text) -> FloatArray:
        """For a text whose head the grammar put another word for: "a crowd" is about a person."""
        is_in_text = text.head and any(
            text.head in singulars(word) for word in split_words(text.text)
        )
        found = None if not text.head or is_in_text else self.embed_phrase(text.head)
        return np.zeros(NUM_CONCEPTS, np.float32) if found is None else found

    def _spans(self, words: list[str], text: Text) -> list[Span]:
        """The known parts of a text, longest match first; parts that mean nothing are left out."""
        spans: list[Span] = []
        head = _head_position(words, text)
        at = 0
        while at < len(words):
            end, row = self._longest_match(words, at)
            is_measure = words[at] in MEASURES and words[end : end + 1] == ["of"]
            is_colour = end == at + 1 and words[at] in COLOUR_WORDS and at != head
            if row is not None and not is_colour and not is_measure:
                weights = self._weights(row)
                if weights.any():
                    spans.append(Span(at, end, weights))
            at = end
        return spans

    def _longest_match(self, words: list[str], at: int) -> tuple[int, int | None]:
        for end in range(min(len(words), at + self._longest), at + 1, -1):
            row = self._find_row(words[at:end])
            if row is not None:
                return end, row
        row = self._find_row(words[at : at + 1])
        return at + 1, self._compound_row(words[at]) if row is None else row

    def _find_row(self, words: list[str]) -> int | None:
        for phrase in _spellings(words) if words else ():
            row = self._row.get(phrase)
            if row is not None:
                return row
        return None

    def _compound_row(self, word: str) -> int | None:
        """The entry that an unknown compound ends with: English names the kind last."""
        for start in range(MIN_COMPOUND_START, len(word) - MIN_COMPOUND_TAIL + 1):
            row = self._find_row([word[start:]])
            if row is not None:
                return row if self._find_row([word[:start]]) is not None else None
        return None

    def _weights(self, row: int) -> FloatArray:
        first, end = self._offsets[row], self._offsets[row + 1]
        weights = np.zeros(NUM_CONCEPTS, np.float32)
        if first == end:
            return weights
        similarities = self._similarities[first:end]
        certain = similarities >= CERTAIN
        if certain.any():
            shares = certain.astype(np.float32)
        else:
            shares = softmax(similarities / TEMPERATURE)
        for target, share in zip(self._targets[first:end], shares, strict=True):
            # Concepts exclude each other, so the members of a group share no weight: a dog is as
            # much an animal as it is a dog.
            members = [target] if target < NUM_CONCEPTS else self._group(target)
            weights[members] = np.maximum(weights[members], share)
        return self._with_parents(weights)

    def _group(self, target: int) -> IntArray:
        return self._groups[target - NUM_CONCEPTS]

    def _with_parents(self, weights: FloatArray) -> FloatArray:
        """Add to the COCO classes of ImageNet classes; keep what a token can score below 1."""
        coco, imagenet, scene, kinds = np.split(weights, [NUM_COCO, FIRST_SCENE, FIRST_KIND])
        coco[PERSON] = max(coco[PERSON], PERSON_SHARE * kinds.max())
        kinds = (1 - np.float32(PERSON_SHARE)) * kinds
        beside = np.append(coco, np.float32(0))[self._parents] >= imagenet
        imagenet = np.where(beside, np.float32(CHILD_WEIGHT) * imagenet, imagenet)
        below = np.zeros(NUM_COCO + 1, np.float32)
        np.maximum.at(below, self._parents, imagenet)
        coco = np.maximum(coco, PARENT_WEIGHT * below[:NUM_COCO])
        highest = max(float((coco + MAX_IMAGENET_ACTIVATION * below[:NUM_COCO]).max()), 1.0)
        scale = np.float32(1 / highest)
        result: FloatArray = np.concatenate([coco * scale, imagenet * scale, scene, kinds])
        return result


def split_words(text: str) -> list[str]:
    """A text as lower-case words without accents; hyphens and apostrophes stay inside words."""
    plain = unicodedata.normalize("NFKD", text.lower()).replace(
        "\N{RIGHT SINGLE QUOTATION MARK}", "'"
    )
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.findall(r"[^\W_]+(?:['-][^\W_]+)*", plain)


def _spellings(words: list[str]) -> Iterator[str]:
    """A phrase as it may stand in the table: as it is, in the singular, spelled otherwise."""
    *start, last = words
    for singular in singulars(last):
        phrase = " ".join([*start, singular])
        yield phrase
        if "grey" in phrase:
            yield phrase.replace("grey", "gray")
        if "our" in phrase:
            yield phrase.replace("our", "or")
        if "-" in phrase:
            yield phrase.replace("-", " ")
            yield phrase.replace("-", "")
        elif " " in phrase:
            yield phrase.replace(" ", "-")
            yield phrase.replace(" ", "")


def singulars(word: str) -> Iterator[str]:
    """The word, then what it may be the plural or the possessive of."""
    yield word
    word = word.removesuffix("'s").removesuffix("'")
    yield word
    if word in IRREGULAR_PLURALS:
        yield IRREGULAR_PLURALS[word]
    elif word.endswith("men") and len(word) > len("women"):
        yield word.removesuffix("men") + "man"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        yield word[:-1]
        if word.endswith("ies"):
            yield word[:-3] + "y"
        elif word.endswith("ves"):
            yield word[:-3] + "f"
            yield word[:-3] + "fe"
        elif word.endswith("es"):
            yield word[:-2]


def _head_position(words: list[str], text: Text) -> int:
    """Which word names what the text is about: -1 if there is none."""
    if text.head:
        *_, head = split_words(text.head) or [""]
        for at, word in enumerate(words):
            if head in singulars(word):
                return at
    start = 0
    while "of" in words[start:]:
        of = words.index("of", start)
        if of == 0 or not MEASURES & set(singulars(words[of - 1])):
            break
        start = of + 1
    for at in range(start + 1, len(words)):
        is_verb = words[at].endswith("ing") and words[at] not in ING_NOUNS and at + 1 < len(words)
        if words[at] in PREPOSITIONS or (is_verb and words[at - 1] not in ARTICLES):
            return at - 1
    return len(words) - 1
