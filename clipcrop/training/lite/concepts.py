"""The concepts of the lite encoder, and the words that name them.

E = 1,236 concepts: COCO's 80 classes in COCO's order, ImageNet-1k's classes in their order,
ADE20K's 150 (scenery, rooms and what stands in them), faces, five kinds of people. The names come
from the file given on the command line, with COCO's and ImageNet's classes and their synonyms, and
from three beside this module: `extra_names.json`, with further everyday names, `scene_names.json`,
with those of ADE20K, and `people_names.json`, with those of the kinds of people.

A *target* is what a word can mean: a concept (its index), or a group of them (E and above).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...encoders.lite_words import (
    FACE,
    FIRST_KIND,
    FIRST_SCENE,
    KINDS,
    NUM_COCO,
    NUM_IMAGENET,
    PERSON,
)
from ...errors import InputError

PEOPLE_NAMES = Path(__file__).with_name("people_names.json")
SCENE_NAMES = Path(__file__).with_name("scene_names.json")
EXTRA_NAMES = Path(__file__).with_name("extra_names.json")


@dataclass(frozen=True)
class Group:
    """Several concepts under one word, such as "fruit"."""

    names: tuple[str, ...]
    """The words for it."""

    members: frozenset[int]
    """Concept indexes."""


@dataclass(frozen=True)
class Concepts:
    """What the encoder can find, and how it is called."""

    coco_names: tuple[str, ...]
    """The 80 class names."""

    imagenet_lemmas: tuple[tuple[str, ...], ...]
    """The names of each of the 1,000 classes, the usual one first."""

    imagenet_synsets: tuple[int, ...]
    """Each class's offset in WordNet 3.0."""

    names: Mapping[str, frozenset[int]]
    """Word or phrase -> the concepts it names; without the lemmas of ImageNet."""

    scene_names: Mapping[str, frozenset[int]]
    """Word or phrase -> the concepts of scenery, rooms and faces that it names."""

    people_names: Mapping[str, int]
    """Word or phrase -> the kind of people that it names, whatever else it may name."""

    only_scene: frozenset[int]
    """Concepts of scenery and faces that a word means alone, whatever else it may name: a van has a
    region of its own, which is better than the box of a car."""

    groups: tuple[Group, ...]
    """The groups with names of their own."""

    parents: Mapping[int, int]
    """Concept of an ImageNet class or a kind of people -> concept of its COCO class."""

    scenes: frozenset[int]
    """Concepts that fill a photo instead of standing in it (a valley, a library). Every box in such
    a photo looks like them, so that nothing is found by them: "valley" would find the hiker."""

    nothing: frozenset[str]
    """Words that name nothing which could be found."""

    too_general: frozenset[str]
    """WordNet's words for kinds with nothing to see in common ("artifact", "device")."""

    coco_senses: Mapping[int, str]
    """Concept of a COCO class or a kind of people -> WordNet's sense key for it."""


def read_concepts(names_file: Path) -> Concepts:
    """Join the file of class names with the extra names.

    Raises:
        InputError: the file cannot be read or has other content, or one of the words that it
            holds out for testing is among the extra names.
    """
    try:
        given = json.loads(names_file.read_text(encoding="utf-8"))
        extra = json.loads(EXTRA_NAMES.read_text(encoding="utf-8"))
        scene = json.loads(SCENE_NAMES.read_text(encoding="utf-8"))
        people = json.loads(PEOPLE_NAMES.read_text(encoding="utf-8"))
        refuse_held_out(given["coco_heldout"], {**extra, "people": people})
        return _join(given, extra, scene, people)
    except InputError:
        raise
    except (OSError, ValueError, KeyError) as exc:
        message = f"no class names in {names_file} ({exc}): give the JSON file of concept names"
        raise InputError(message) from exc


def _join(
    given: Mapping[str, Any],
    extra: Mapping[str, Any],
    scene: Mapping[str, Any],
    people: Mapping[str, Iterable[str]],
) -> Concepts:
    coco_names = tuple(given["coco"])
    index_of = {name: index for index, name in enumerate(coco_names)}
    names: dict[str, set[int]] = {}
    for name, index in index_of.items():
        for word in (name, *given["coco"][name], *extra["coco"].get(name, ())):
            names.setdefault(word.lower(), set()).add(index)
    for number, words in extra["imagenet"].items():
        for word in words:
            names.setdefault(word.lower(), set()).add(NUM_COCO + int(number))
    groups = tuple(
        Group(
            tuple(word.lower() for word in group["names"]),
            frozenset(_members(group["members"], index_of)),
        )
        for group in extra["groups"].values()
    )
    for group in groups:  # a group's name says more than a list of synonyms does
        for word in group.names:
            names.pop(word, None)
    parents = {**given["imagenet_to_coco"], **extra["parents"]}
    lemmas = tuple(
        tuple(word.strip().lower() for word in line.split(",")) for line in given["imagenet_names"]
    )
    if len(coco_names) != NUM_COCO or len(lemmas) != NUM_IMAGENET:
        raise ValueError(f"{len(coco_names)} + {len(lemmas)} classes instead of 80 + 1,000")
    return Concepts(
        coco_names=coco_names,
        imagenet_lemmas=lemmas,
        imagenet_synsets=tuple(int(synset[1:]) for synset in given["imagenet_synsets"]),
        names={word: frozenset(found) for word, found in names.items()},
        scene_names=_scene_names(scene),
        people_names={
            word: FIRST_KIND + KINDS.index(kind) for kind, words in people.items() for word in words
        },
        only_scene=frozenset({FACE, *(FIRST_SCENE + int(n) - 1 for n in scene["only"])}),
        groups=groups,
        parents={
            **{NUM_COCO + int(child): index_of[name] for child, name in parents.items()},
            **dict.fromkeys(range(FIRST_KIND, FIRST_KIND + len(KINDS)), PERSON),
        },
        scenes=frozenset(_members(extra["scenes"], index_of)),
        nothing=frozenset(extra["nothing"]) - names.keys() - _scene_names(scene).keys(),
        too_general=frozenset(extra["too_general"]),
        coco_senses={
            FIRST_KIND + KINDS.index(name) if name in KINDS else index_of[name]: key
            for name, key in extra["senses"].items()
        },
    )


def _scene_names(scene: Mapping[str, Any]) -> dict[str, frozenset[int]]:
    """Word -> the concepts of scenery and faces that it names."""
    names: dict[str, set[int]] = {word: {FACE} for word in scene["face"]}
    for number, words in scene["classes"].items():
        for word in words:
            names.setdefault(word, set()).add(FIRST_SCENE + int(number) - 1)
    return {word: frozenset(found) for word, found in names.items()}


def _members(items: Iterable[str], index_of: Mapping[str, int]) -> Iterable[int]:
    """COCO names, ImageNet numbers ("333") and ranges ("330-332", both ends in) as concepts."""
    for item in items:
        if re.fullmatch(r"\d+(-\d+)?", item):
            first, _, last = item.partition("-")
            yield from range(NUM_COCO + int(first), NUM_COCO + int(last or first) + 1)
        else:
            yield index_of[item]


def refuse_held_out(held_out: Mapping[str, Iterable[str]], extra: Mapping[str, Any]) -> None:
    """See that no word kept for testing was written into the extra names, in any spelling.

    Raises:
        InputError: one was.
    """
    kept = {_fold(word) for words in held_out.values() for word in words}
    ours = [
        word
        for part in ("coco", "imagenet", "people")
        for words in extra.get(part, {}).values()
        for word in words
    ]
    ours += [word for group in extra["groups"].values() for word in group["names"]]
    found = sorted(word for word in ours if _fold(word) in kept)
    if found:
        raise InputError(f"held out for testing, but in {EXTRA_NAMES.name}: {', '.join(found)}")


def _fold(word: str) -> str:
    """Spelling without hyphens, spaces and plural."""
    return re.sub(r"(ies|es|s|y)$", "", re.sub(r"[^a-z]", "", word.lower()))
