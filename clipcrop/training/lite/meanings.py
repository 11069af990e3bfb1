"""What a word means, by WordNet: a concept, a group of concepts, or nothing that can be found."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from statistics import median_low

from ...encoders.lite_words import NUM_COCO, NUM_CONCEPTS
from .concepts import Concepts
from .wordnet import WordNet

ANIMAL, ARTIFACT, FOOD, PERSON, PLANT = 5, 6, 13, 18, 20
"""Subjects (lexicographer files) of WordNet."""

SOLID_SUBJECTS = frozenset({ANIMAL, ARTIFACT, FOOD, PLANT})
"""What words other than those for people are about, if it can be seen and stands in a photo."""

MIN_SHARE = 0.3
"""A meaning counts if it is at least this share as frequent as the word's main meaning."""

MAX_NOTHING = 0.7
"""A word means nothing if that much of its use is about nothing that can be found."""

UNSEEN_COUNT = 0.5
"""Counted for a word's first meaning beyond the corpus, half of it for the second, ..."""

MIN_PERSON_COUNT = 2
"""Seldom is a person meant by a word that also names an animal or a thing (shrimp, toaster, whale):
only if the corpus has it so more often than this."""

MAX_COUSINS = 20
"""An animal without a concept above it is looked for as its nearest relatives, if they are few:
a trout as the other fish, but no bat as all mammals."""


@dataclass
class Meanings:
    """WordNet's kinds as targets."""

    net: WordNet
    """The dictionary."""

    targets: dict[int, int | None] = field(default_factory=dict)
    """Offset of a kind -> concept (0 to E - 1), group (E and above), None for nothing."""

    groups: list[frozenset[int]] = field(default_factory=list)
    """Members of each group; group g is the target E + g."""

    def of(self, word: str) -> frozenset[int] | None:
        """The targets of a noun; empty if nothing can be found by it, None if it is no noun."""
        senses = [
            (offset, count + UNSEEN_COUNT / rank)
            for rank, (offset, count) in enumerate(self.net.senses.get(word, ()), start=1)
            if not self.net.kinds[offset].is_instance
        ]
        if not senses:
            return None
        if any(self.net.kinds[offset].subject in SOLID_SUBJECTS for offset, _ in senses):
            senses = [
                (offset, count)
                for offset, count in senses
                if self.net.kinds[offset].subject != PERSON or count > MIN_PERSON_COUNT
            ]
        shares: dict[int | None, float] = defaultdict(float)
        for offset, count in senses:
            shares[self.targets.get(offset)] += count
        total, nothing = sum(shares.values()), shares.pop(None, 0.0)
        if nothing > MAX_NOTHING * total:
            return frozenset()
        best = max(shares.values())
        return frozenset(t for t, s in shares.items() if t is not None and s >= MIN_SHARE * best)

    def subjects(self, word: str) -> frozenset[int]:
        """The subjects of a noun's main meaning and of those nearly as frequent."""
        senses = self.net.senses.get(word, ())
        counts = [count + UNSEEN_COUNT / rank for rank, (_, count) in enumerate(senses, start=1)]
        return frozenset(
            self.net.kinds[offset].subject
            for (offset, _), count in zip(senses, counts, strict=True)
            if count >= MIN_SHARE * max(counts)
        )


def find_meanings(net: WordNet, concepts: Concepts) -> Meanings:
    """Give every kind of WordNet its target.

    A kind is looked for as the nearest concept above it (a kingfisher as a bird), else as the
    concepts below it (a weapon as the rifle, the cannon, ...), else, if it is an animal, as its
    nearest relatives.
    """
    concept_of = dict(_imagenet_kinds(net, concepts))
    for concept, key in concepts.coco_senses.items():
        if key in net.keys:
            concept_of[net.keys[key]] = concept
    return _Search(net, concepts, concept_of).meanings()


class _Search:
    """Looks up and down from each kind for concepts."""

    def __init__(self, net: WordNet, concepts: Concepts, concept_of: Mapping[int, int]) -> None:
        self._net = net
        self._concepts = concepts
        self._concept_of = concept_of
        self._numbers: dict[frozenset[int], int] = {}
        self._below: dict[int, set[int]] = defaultdict(set)
        for offset, concept in concept_of.items():
            if concept not in concepts.scenes:
                for above, _ in net.above(offset):
                    self._below[above].add(concept)

    def meanings(self) -> Meanings:
        targets = {
            offset: self._target(offset)
            for offset, kind in self._net.kinds.items()
            if not kind.is_instance
        }
        return Meanings(self._net, targets, list(self._numbers))

    def _target(self, offset: int) -> int | None:
        above = list(self._net.above(offset))
        found = next((pair for pair in above if pair[0] in self._concept_of), None)
        if found is not None:
            concept, steps = self._concept_of[found[0]], found[1]
            if concept in self._concepts.scenes:
                return None
            own = self._below.get(offset, set()) - {concept} if steps else set()
            return self._number(own) if own else concept
        is_animal = self._net.kinds[offset].subject == ANIMAL
        for relative, steps in above if is_animal else above[:1]:
            members = self._below.get(relative, set())
            if members and not self._is_general(relative):
                if steps == 0 or len(members) <= MAX_COUSINS:
                    return self._number(members)
                return None
        return None

    def _is_general(self, offset: int) -> bool:
        return self._net.kinds[offset].lemmas[0] in self._concepts.too_general

    def _number(self, members: set[int]) -> int:
        """One concept, or a group; classes under a COCO class in it add nothing to it."""
        kept = without_children(members, self._concepts)
        if len(kept) == 1:
            return next(iter(kept))
        return NUM_CONCEPTS + self._numbers.setdefault(kept, len(self._numbers))


def without_children(members: Collection[int], concepts: Concepts) -> frozenset[int]:
    """A group without the kinds of what is in it as a whole: they would count twice."""
    return frozenset(member for member in members if concepts.parents.get(member) not in members)


def _imagenet_kinds(net: WordNet, concepts: Concepts) -> Mapping[int, int]:
    """Offset -> concept of the ImageNet classes.

    Their synsets are offsets in WordNet 3.0. A newer version has the same kinds in the same order
    at other offsets, so a class is found by its names, and, where several kinds have them, by the
    shift of the classes around it.
    """
    candidates: list[list[int]] = []
    shifts: list[tuple[int, int]] = []
    for lemmas, synset in zip(concepts.imagenet_lemmas, concepts.imagenet_synsets, strict=True):
        words = set(lemmas)
        likeness = {
            offset: len(words & set(net.kinds[offset].lemmas))
            / len(words | set(net.kinds[offset].lemmas))
            for word in lemmas
            for offset, _ in net.senses.get(word, ())
        }
        best = max(likeness.values(), default=0.0)
        # Names have been added and dropped between versions, hence the tolerance.
        candidates.append([offset for offset, same in likeness.items() if same >= best - 0.35])
        exact = [offset for offset, same in likeness.items() if same == 1.0]
        if len(exact) == 1:
            shifts.append((synset, exact[0] - synset))
    shifts.sort()
    kinds: dict[int, int] = {}
    for index, (synset, found) in enumerate(
        zip(concepts.imagenet_synsets, candidates, strict=True)
    ):
        if found:
            at = bisect.bisect(shifts, (synset, 0))
            shift = median_low(s for _, s in shifts[max(0, at - 4) : at + 5])
            nearest = min(found, key=lambda offset: abs(offset - synset - shift))
            kinds.setdefault(nearest, NUM_COCO + index)
    return kinds
