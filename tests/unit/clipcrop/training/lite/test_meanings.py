"""On a made dictionary of a dozen kinds, in WordNet's format."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcrop.encoders.lite_words import NUM_COCO, NUM_CONCEPTS
from clipcrop.errors import InputError
from clipcrop.training.lite.concepts import Concepts, refuse_held_out
from clipcrop.training.lite.meanings import Meanings, find_meanings
from clipcrop.training.lite.wordnet import read_wordnet

DOG, PERSON = 16, 0
BEAGLE, PUG, CANNON, RIFLE, VALLEY = (NUM_COCO + number for number in range(5))
LEMMAS = (("beagle",), ("pug", "pug-dog"), ("cannon",), ("rifle",), ("valley", "vale"))

KINDS = [  # offset, subject, words, offset of the kind above
    (100, 3, ["entity"], None),
    (200, 5, ["dog"], 100),
    (300, 5, ["beagle"], 200),
    (310, 5, ["toy_dog"], 200),
    (320, 5, ["pug", "pug-dog"], 310),
    (330, 5, ["spitz"], 200),
    (400, 6, ["weapon"], 100),
    (410, 6, ["cannon"], 400),
    (420, 6, ["rifle"], 400),
    (430, 6, ["spear"], 400),
    (500, 18, ["person"], 100),
    (510, 18, ["plumber"], 500),
    (520, 18, ["spitz"], 500),
    (600, 17, ["valley", "vale"], 100),
    (700, 7, ["justice"], 100),
]
SENSES = [("plumber", 510, 1, 5), ("spitz", 520, 1, 0), ("spitz", 330, 2, 0)]


@pytest.fixture
def meanings(tmp_path: Path) -> Meanings:
    lines = ["  1 This line is the licence\n"]
    senses = [*SENSES]
    for offset, subject, words, above in KINDS:
        listed = " ".join(f"{word} 0" for word in words)
        pointers = f"001 @ {above:08} n 0000" if above else "000"
        lines.append(f"{offset:08} {subject:02} n {len(words):02x} {listed} {pointers} | what\n")
        listed_senses = {word for word, *_ in SENSES}
        senses += [(word, offset, 1, 1) for word in words if word not in listed_senses]
    (tmp_path / "data.noun").write_text("".join(lines))
    subject_of = {offset: subject for offset, subject, *_ in KINDS}
    (tmp_path / "index.sense").write_text(
        "".join(
            f"{word}%1:{subject_of[offset]:02}:00:: {offset:08} {number} {count}\n"
            for word, offset, number, count in senses
        )
        + "run%2:38:00:: 00000900 1 9\n"
    )
    concepts = Concepts(
        coco_names=("person", *(f"class {number}" for number in range(1, NUM_COCO))),
        imagenet_lemmas=LEMMAS,
        imagenet_synsets=(300, 320, 410, 420, 600),
        names={},
        scene_names={},
        people_names={},
        only_scene=frozenset(),
        groups=(),
        parents={BEAGLE: DOG, PUG: DOG},
        scenes=frozenset({VALLEY}),
        nothing=frozenset(),
        too_general=frozenset({"entity"}),
        coco_senses={DOG: "dog%1:05:00::", PERSON: "person%1:18:00::"},
    )
    return find_meanings(read_wordnet(tmp_path), concepts)


@pytest.mark.parametrize(
    ("word", "targets"),
    [
        pytest.param("dog", {DOG}, id="a concept"),
        pytest.param("plumber", {PERSON}, id="a kind of a concept"),
        pytest.param("toy dog", {PUG}, id="a kind between two concepts means the lower one"),
        pytest.param("spitz", {DOG}, id="a person only if that is what people mean"),
        pytest.param("spear", set(), id="a thing is not looked for as other things"),
        pytest.param("entity", set(), id="too general"),
        pytest.param("valley", set(), id="a scene"),
        pytest.param("justice", set(), id="nothing to be seen"),
        pytest.param("run", None, id="no noun"),
    ],
)
def test_a_word_means_the_nearest_concept(
    meanings: Meanings, word: str, targets: set[int] | None
) -> None:
    found = meanings.of(word)

    assert found == (None if targets is None else frozenset(targets))


def test_a_word_for_several_concepts_means_their_group(meanings: Meanings) -> None:
    (target,) = meanings.of("weapon") or ()

    assert meanings.groups[target - NUM_CONCEPTS] == frozenset({CANNON, RIFLE})


def test_a_folder_without_a_dictionary_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no WordNet database in"):
        read_wordnet(tmp_path)


@pytest.mark.parametrize("word", ["pooch", "Pooches", "poo-ch"])
def test_no_spelling_of_a_word_held_out_for_testing_is_a_name(word: str) -> None:
    extra = {"coco": {"dog": ["mutt", word]}, "imagenet": {}, "groups": {}}

    with pytest.raises(InputError, match="held out for testing"):
        refuse_held_out({"dog": ["pooch"]}, extra)
