"""WordNet's nouns: which kinds a word is, and which kinds lie under it.

Reads the database files of WordNet 3.0 or 3.1 (``data.noun``, ``index.sense``); needs no package.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError

NOUN_SENSE = "1"
"""The part of speech in a sense key: 1 is a noun."""


@dataclass(frozen=True)
class Synset:
    """A synset: one meaning, with the words for it."""

    lemmas: tuple[str, ...]
    """In lower case, with spaces: ``("dog", "domestic dog", "canis familiaris")``."""

    subject: int
    """The lexicographer file: 5 animal, 6 artifact, 13 food, 17 natural object, 18 person ..."""

    parents: tuple[int, ...]
    """Offsets of the kinds above."""

    is_instance: bool
    """True for a thing with a proper name (a town, a poet), which has no kinds below it."""


@dataclass
class WordNet:
    """The nouns of WordNet."""

    kinds: dict[int, Synset] = field(default_factory=dict)
    """By the offset in ``data.noun``."""

    senses: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Word -> its meanings, most frequent first, as (offset, count in a tagged corpus)."""

    keys: dict[str, int] = field(default_factory=dict)
    """Sense key (``"dog%1:05:00::"``) -> offset; keys are the same in every version."""

    def above(self, offset: int) -> Iterator[tuple[int, int]]:
        """The kind itself and all kinds above it, nearest first, as (offset, steps up)."""
        seen = {offset}
        level, steps = [offset], 0
        while level:
            yield from ((each, steps) for each in level)
            above = [up for each in level for up in self.kinds[each].parents]
            level = [up for up in dict.fromkeys(above) if up not in seen]
            seen.update(level)
            steps += 1


def read_wordnet(folder: Path) -> WordNet:
    """Read the noun files of a WordNet database folder (the one with ``data.noun`` in it)."""
    net = WordNet()
    senses: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    try:
        with (folder / "data.noun").open(encoding="utf-8") as lines:
            net.kinds.update(_kind(line) for line in lines if not line.startswith("  "))
        with (folder / "index.sense").open(encoding="utf-8") as lines:
            for line in lines:
                key, offset_text, number, count = line.split()
                lemma, _, rest = key.partition("%")
                if rest.split(":", 1)[0] == NOUN_SENSE:
                    offset = int(offset_text)
                    net.keys[key] = offset
                    senses[lemma.replace("_", " ")].append((int(number), offset, int(count)))
    except OSError as exc:
        message = f"no WordNet database in {folder} ({exc.strerror}): give the folder of data.noun"
        raise InputError(message) from exc
    net.senses = {
        lemma: [(offset, count) for _, offset, count in sorted(found)]
        for lemma, found in senses.items()
    }
    return net


def _kind(line: str) -> tuple[int, Synset]:
    fields = line.split(" | ", 1)[0].split()
    word_count = int(fields[3], 16)
    lemmas = tuple(w.replace("_", " ").lower() for w in fields[4 : 4 + 2 * word_count : 2])
    pointers = fields[5 + 2 * word_count :]
    links = [(pointers[i], int(pointers[i + 1])) for i in range(0, len(pointers) - 3, 4)]
    parents = tuple(offset for symbol, offset in links if symbol in {"@", "@i"})
    instance = any(symbol == "@i" for symbol, _ in links)
    return int(fields[0]), Synset(lemmas, int(fields[1]), parents, instance)
