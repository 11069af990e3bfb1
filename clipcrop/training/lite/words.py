"""``words``: build the table word -> concepts of the lite encoder's text side.

A word means

1. what the names say (class names, their synonyms, our extra names, the declared groups);
2. else what WordNet says: the concept above it, or the concepts below it;
3. else, if it is a noun for an animal, a thing, a food or a plant, what is most like it by
   MiniLM, if that is like it enough;
4. else nothing.

Takes two minutes on one core, most of it in MiniLM.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...encoders.lite_words import (
    FIRST_KIND,
    FIRST_SCENE,
    NUM_COCO,
    NUM_CONCEPTS,
    NUM_IMAGENET,
    PERSON,
    TEMPERATURE,
    singulars,
)
from .concepts import Concepts, read_concepts
from .meanings import SOLID_SUBJECTS, Meanings, find_meanings, without_children
from .minilm import encode, model_folder, whole_words
from .wordnet import read_wordnet

MAX_WORDS_IN_PHRASE = 3
"""Longer phrases only where they are names of concepts."""

MIN_LETTERS = 3
"""Of a dictionary word: shorter ones are mostly abbreviations ("da", the district attorney)."""

MIN_SIMILARITY = 0.80
"""A word less like every concept than this (cosine of centred vectors) means nothing.

High, because words are alike that are used together ("saddle", "seat belt"), not things that look
alike: below it the nearest concept is more often wrong than right.
"""

MIN_WEIGHT = 0.01
"""Of the softmax over similarities: what is below is left out of the table."""

BODY_WORDS = frozenset({"ear", "hip", "chest"})
"""Names of ImageNet classes (of corn, of a rose, a box) that mean a person's first."""

MAX_GUESSES = 32
"""Concepts kept for a word at most."""

Entries = dict[str, dict[int, float]]
"""Entry -> target -> similarity; no target for words that mean nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--names", type=Path, required=True, help="JSON file of concept names")
    parser.add_argument(
        "--wordnet", type=Path, required=True, help="folder with WordNet's data.noun, index.sense"
    )
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")


def run(options: argparse.Namespace) -> None:
    """Build the table and write it."""
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    concepts = read_concepts(options.names)
    meanings = find_meanings(read_wordnet(options.wordnet), concepts)
    entries = named_entries(concepts, meanings)
    entries.update(guessed_entries(concepts, meanings, entries))
    groups = [
        *meanings.groups,
        *(without_children(group.members, concepts) for group in concepts.groups),
    ]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(pack(entries, groups, concepts.parents), options.output)


def named_entries(concepts: Concepts, meanings: Meanings) -> Entries:
    """The words with a meaning by name or by WordNet, and those known to mean nothing."""
    entries: Entries = {}
    for word in _phrases(meanings.net.senses):
        found = meanings.of(word)
        if found and len(word) >= MIN_LETTERS:
            entries[word] = dict.fromkeys(found, 1.0)
    for index, lemmas in enumerate(concepts.imagenet_lemmas):
        concept = NUM_COCO + index
        if concept in concepts.scenes:
            for word in lemmas:
                if meanings.of(word) in (None, frozenset()):
                    entries[word] = {}
            continue
        for place, word in enumerate(lemmas):
            # The first name is what the class is called; others are often something else too
            # ("painter" is a cougar), and WordNet knows how often.
            is_likely = place == 0 or " " in word or word not in entries
            is_nothing = place > 0 and meanings.of(word) == frozenset()
            if is_likely and not is_nothing:
                entries.setdefault(word, {})[concept] = 1.0
    for word, found in concepts.names.items():
        known = next((entries[w] for w in singulars(word) if entries.get(w)), {})
        entries[word] = dict.fromkeys(_sharpened(word, found, known, concepts, meanings), 1.0)
    first = NUM_CONCEPTS + len(meanings.groups)
    for number, group in enumerate(concepts.groups):
        for word in group.names:
            entries[word] = {first + number: 1.0}
    for word in concepts.nothing:
        entries[word] = {}
    for word, found in concepts.scene_names.items():
        known = {} if found & concepts.only_scene else entries.get(word, {})
        entries[word] = known | dict.fromkeys(found, 1.0)
    for word, kind in concepts.people_names.items():
        entries[word] = {kind: 1.0}
    return entries


def _sharpened(
    word: str,
    found: frozenset[int],
    otherwise: Iterable[int],
    concepts: Concepts,
    meanings: Meanings,
) -> frozenset[int]:
    """What a name means if WordNet or ImageNet know it more exactly: a poodle, not just a dog."""

    def is_below(target: int) -> bool:
        members = {target} if target < NUM_CONCEPTS else meanings.groups[target - NUM_CONCEPTS]
        return all(concepts.parents.get(member) in found for member in members)

    below = frozenset(target for target in otherwise if target not in found and is_below(target))
    if PERSON in otherwise:  # a nurse may be a woman, but that is not what the word says
        below = frozenset(target for target in below if not FIRST_KIND <= target < NUM_CONCEPTS)
    same_thing = {
        target
        for target in below
        if target < FIRST_SCENE
        and concepts.coco_names[concepts.parents[target]]
        in concepts.imagenet_lemmas[target - NUM_COCO]
    }
    if word in concepts.coco_names or same_thing:
        return found | same_thing
    called_so = {
        NUM_COCO + index
        for index, lemmas in enumerate(concepts.imagenet_lemmas)
        if lemmas[0] == word and word not in BODY_WORDS
    }
    return (below or found) | (called_so - concepts.scenes)


def guessed_entries(concepts: Concepts, meanings: Meanings, known: Mapping[str, object]) -> Entries:
    """What MiniLM makes of the remaining nouns for things."""
    folder = model_folder()
    # Only whole words of its vocabulary: what it makes of rare words in pieces is worse.
    everything = whole_words(folder)
    every_tenth = everything[::10]
    vocabulary = [word for word in everything if not any(w in known for w in singulars(word))]
    words = [word for word in vocabulary if is_thing(word, meanings)]
    nothing: Entries = {word: {} for word in vocabulary}
    return nothing | similar(words, concept_names(concepts), every_tenth, folder)


def is_thing(word: str, meanings: Meanings) -> bool:
    """Whether the main meaning of a noun is a thing that stands in a photo."""
    return meanings.of(word) == frozenset() and meanings.subjects(word) <= SOLID_SUBJECTS


def concept_names(concepts: Concepts) -> list[tuple[str, int]]:
    """All (name, concept) but those of scenes."""
    pairs = {(word, concept) for word, found in concepts.names.items() for concept in found}
    for index, lemmas in enumerate(concepts.imagenet_lemmas):
        pairs.update((word, NUM_COCO + index) for word in lemmas)
    return sorted(pair for pair in pairs if pair[1] not in concepts.scenes)


def similar(
    words: list[str], names: list[tuple[str, int]], sample: list[str], folder: Path
) -> Entries:
    """Words -> concepts by the best cosine over the concept's names.

    Vectors count from the mean of a sample of all words.
    """
    order = {word: row for row, word in enumerate(dict.fromkeys([*sample, *words]))}
    for name, _ in names:
        order.setdefault(name, len(order))
    vectors = encode(list(order), folder)
    vectors = vectors - vectors[: len(sample)].mean(dim=0)
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    name_vectors = vectors[[order[name] for name, _ in names]]
    name_concepts = torch.tensor([concept for _, concept in names])
    entries: Entries = {}
    for word in words:
        cosines = name_vectors @ vectors[order[word]]
        best = torch.full((NUM_CONCEPTS,), -1.0).scatter_reduce(0, name_concepts, cosines, "amax")
        entries[word] = _kept(best)
    return entries


def _kept(similarities: Tensor) -> dict[int, float]:
    """The concepts that matter to the weights of a word, with their similarity."""
    best, concepts = similarities.topk(MAX_GUESSES)
    if best[0] < MIN_SIMILARITY:
        return {}
    weights = torch.softmax(best / TEMPERATURE, dim=0)
    return {
        int(concept): float(value)
        for concept, value, weight in zip(concepts, best, weights, strict=True)
        if weight >= MIN_WEIGHT
    }


def _phrases(words: Iterable[str]) -> list[str]:
    """Those that can be typed and are not too long."""
    return [
        word
        for word in words
        if re.fullmatch(r"[a-z][a-z' -]*[a-z]", word) and word.count(" ") < MAX_WORDS_IN_PHRASE
    ]


def pack(
    entries: Entries, groups: list[frozenset[int]], parents: Mapping[int, int]
) -> dict[str, Tensor]:
    """The tensors that `clipcrop.encoders.lite_words.WordTable` describes."""
    words = sorted(entries)
    offsets, targets, similarities = [0], [], []
    for word in words:
        for target, similarity in sorted(entries[word].items()):
            targets.append(target)
            similarities.append(round(255 * min(similarity, 1.0)))
        offsets.append(len(targets))
    group_offsets, members = [0], []
    for group in groups:
        members.extend(sorted(group))
        group_offsets.append(len(members))
    of_imagenet = [parents.get(NUM_COCO + index, -1) for index in range(NUM_IMAGENET)]
    return {
        "words": torch.tensor(list("\n".join(words).encode("utf-8")), dtype=torch.uint8),
        "target_offsets": torch.tensor(offsets, dtype=torch.int32),
        "targets": torch.tensor(targets, dtype=torch.int16),
        "similarities": torch.tensor(similarities, dtype=torch.uint8),
        "group_offsets": torch.tensor(group_offsets, dtype=torch.int32),
        "group_members": torch.tensor(members, dtype=torch.int16),
        "parents": torch.tensor(of_imagenet, dtype=torch.int16),
    }
