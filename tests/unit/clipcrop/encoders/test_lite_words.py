from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from clipcrop.arrays import FloatArray
from clipcrop.encoders.lite_words import (
    FACE,
    FIRST_KIND,
    FIRST_SCENE,
    KINDS,
    NUM_CONCEPTS,
    WordTable,
    split_words,
)
from clipcrop.errors import CheckpointError
from clipcrop.prompt.parser import Text

floats = partial(np.array, dtype=np.float32)

PERSON, BICYCLE, CAR, BIRD, CAT, DOG, ZEBRA = 0, 1, 2, 14, 15, 16, 22
BEAGLE, TABBY, FROG, ZEBRA_OF_IMAGENET = 80 + 162, 80 + 281, 80 + 30, 80 + 340
ANIMAL = NUM_CONCEPTS  # the group in the made table

ENTRIES: dict[str, dict[int, int]] = {
    "animal": {ANIMAL: 255},
    "beagle": {BEAGLE: 255},
    "bicycle": {BICYCLE: 255},
    "bird": {BIRD: 255},
    "car": {CAR: 255},
    "cat": {CAT: 255},
    "critter": {DOG: 153, CAT: 153, FROG: 140},
    "dog": {DOG: 255},
    "face": {PERSON: 255},
    "frog": {FROG: 255},
    "gray dog": {DOG: 255},
    "harbor": {},
    "hot dog": {52: 255},
    "knife": {43: 255},
    "orange": {49: 255},
    "other": {},
    "person": {PERSON: 255},
    "pizza": {53: 255},
    "police car": {CAR: 255},
    "sky": {},
    "slice": {},
    "house": {},
    "woman": {PERSON: 255},
    "zebra": {ZEBRA: 255, ZEBRA_OF_IMAGENET: 255},
}


def made_tensors() -> dict[str, FloatArray]:
    words = sorted(ENTRIES)
    offsets, targets, similarities = [0], [], []
    for word in words:
        targets += list(ENTRIES[word])
        similarities += list(ENTRIES[word].values())
        offsets.append(len(targets))
    parents = np.full(1000, -1, np.int16)
    for child, parent in ((BEAGLE, DOG), (TABBY, CAT), (ZEBRA_OF_IMAGENET, ZEBRA)):
        parents[child - 80] = parent
    return {
        "words": floats(list("\n".join(words).encode()), dtype=np.uint8),
        "target_offsets": np.array(offsets, dtype=np.int32),
        "targets": np.array(targets, dtype=np.int16),
        "similarities": np.array(similarities, dtype=np.uint8),
        "group_offsets": np.array([0, 4], dtype=np.int32),
        "group_members": np.array([BIRD, CAT, DOG, FROG], dtype=np.int16),
        "parents": parents,
    }


@pytest.fixture
def made_table() -> WordTable:
    """A table of some twenty words."""
    return WordTable(made_tensors())


def weights_of(embedding: FloatArray) -> dict[int, float]:
    return {int(i): round(float(embedding[i]), 3) for i in np.flatnonzero(embedding)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("dog", {DOG: 1.0}, id="a name"),
        pytest.param("Dogs", {DOG: 1.0}, id="a plural"),
        pytest.param("knives", {43: 1.0}, id="an irregular plural"),
        pytest.param("women", {PERSON: 1.0}, id="a plural with another vowel"),
        pytest.param("the dog's", {DOG: 1.0}, id="a possessive"),
        pytest.param("police-car", {CAR: 1.0}, id="a hyphen for a space"),
        pytest.param("housefrogs", {FROG: 1.0}, id="an unknown compound counts as its last part"),
        pytest.param("slice of pizza", {53: 1.0}, id="a measure"),
        pytest.param("grey dogs", {DOG: 1.0}, id="British spelling"),
        pytest.param("sky", {}, id="a word for nothing that could be found"),
        pytest.param("harbours", {}, id="the same in British spelling"),
        pytest.param("skyscraper", {}, id="no guess from the start of a word"),
        pytest.param("xylophonist", {}, id="an unknown word"),
        pytest.param("собака 狗 🐕", {}, id="other languages"),
        pytest.param("", {}, id="nothing at all"),
        pytest.param("another", {}, id="no guess from a function word"),
    ],
)
def test_a_single_thing_weighs_what_it_means(
    made_table: WordTable, text: str, expected: dict[int, float]
) -> None:
    assert weights_of(made_table.embed(Text(text))) == expected


def test_the_head_weighs_most_then_its_modifiers_then_the_rest(made_table: WordTable) -> None:
    text = Text("a dog bicycle with a cat", head="bicycle", modifiers=("dog",))

    weights = made_table.embed(text)

    assert weights[BICYCLE] == pytest.approx(1 / 1.42)
    assert weights[DOG] == pytest.approx(0.3 / 1.42)
    assert weights[CAT] == pytest.approx(0.12 / 1.42)


def test_without_grammar_the_head_stands_before_the_first_preposition(
    made_table: WordTable,
) -> None:
    weights = made_table.embed(Text("woman on a bicycle"))

    assert weights[PERSON] == pytest.approx(1 / 1.12)
    assert weights[BICYCLE] == pytest.approx(0.12 / 1.12)


def test_without_grammar_the_head_stands_before_what_it_does(made_table: WordTable) -> None:
    weights = made_table.embed(Text("a woman riding a bicycle"))

    assert weights[PERSON] > 5 * weights[BICYCLE] > 0


def test_a_scene_as_the_head_leaves_the_things_in_it(made_table: WordTable) -> None:
    weights = made_table.embed(Text("the sky over a car", head="sky"))

    assert weights_of(weights) == {CAR: 1.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(Text("the dog's face", "face", ("dog",)), {DOG: 1.0}, id="before it"),
        pytest.param(Text("the face of a cat", "face"), {CAT: 1.0}, id="after an of"),
        pytest.param(Text("her face", "face"), {PERSON: 1.0}, id="of nobody that is named"),
    ],
)
def test_a_part_of_a_body_is_about_whose_it_is(
    made_table: WordTable, text: Text, expected: dict[int, float]
) -> None:
    assert weights_of(made_table.embed(text)) == expected


def test_a_colour_is_no_fruit_unless_it_is_the_head(made_table: WordTable) -> None:
    orange_car = made_table.embed(Text("the orange car", head="car", modifiers=("orange",)))
    orange = made_table.embed(Text("the orange", head="orange"))

    assert weights_of(orange_car) == {CAR: 1.0}
    assert weights_of(orange) == {49: 1.0}


def test_phrases_match_before_their_words(made_table: WordTable) -> None:
    assert weights_of(made_table.embed(Text("hot dog", head="dog"))) == {52: 1.0}


def test_a_head_that_stands_for_another_word_is_used(made_table: WordTable) -> None:
    assert weights_of(made_table.embed(Text("the posse", head="person"))) == {PERSON: 1.0}


def test_a_breed_is_looked_for_as_its_kind_too(made_table: WordTable) -> None:
    assert weights_of(made_table.embed(Text("beagle"))) == {BEAGLE: 1.0, DOG: 0.5}


def test_a_dog_is_as_much_an_animal_as_a_dog(made_table: WordTable) -> None:
    weights = made_table.embed(Text("animals"))

    assert weights_of(weights) == {BIRD: 1.0, CAT: 1.0, DOG: 1.0, FROG: 1.0}


def test_a_guess_is_shared_among_what_is_alike(made_table: WordTable) -> None:
    weights = made_table.embed(Text("critter"))

    assert weights.sum() == pytest.approx(1.0)
    assert weights[DOG] == weights[CAT] > weights[FROG] > 0


def test_a_thing_seen_in_full_scores_at_most_one(made_table: WordTable) -> None:
    activations = np.zeros(NUM_CONCEPTS, np.float32)
    activations[ZEBRA], activations[ZEBRA_OF_IMAGENET] = 1.0, 0.5

    score = made_table.embed(Text("zebra")) @ activations

    assert score == pytest.approx(1.0)


def test_words_are_split_without_case_accents_and_marks() -> None:
    assert split_words("A Café, the T-shirt & the dog\u2019s 2 toys!") == [
        *("a", "cafe", "the", "t-shirt", "the", "dog's", "2", "toys")
    ]


@pytest.mark.parametrize("name", sorted(made_tensors()))
def test_a_table_without_one_of_its_tensors_is_refused(name: str) -> None:
    tensors = made_tensors()
    del tensors[name]

    with pytest.raises(CheckpointError, match="the table of words is damaged"):
        WordTable(tensors)


@pytest.mark.parametrize("name", ["target_offsets", "targets", "similarities", "group_members"])
def test_a_table_whose_tensors_do_not_fit_is_refused(name: str) -> None:
    tensors = made_tensors()
    tensors[name] = tensors[name][:-1]

    with pytest.raises(CheckpointError, match="sizes differ"):
        WordTable(tensors)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no table of words at"):
        WordTable.read(tmp_path / "gone.safetensors")


# The table that is shipped.


def indexes(numbered: str) -> dict[str, int]:
    """The classes of a list such as "0 person, 1 bicycle" by name."""
    pairs = (item.split(" ", 1) for item in numbered.split(", "))
    return {name: int(number) for number, name in pairs}


COCO = indexes(
    "0 person, 1 bicycle, 2 car, 3 motorcycle, 4 airplane, 5 bus, 6 train, 7 truck, 8 boat, "
    "9 traffic light, 10 fire hydrant, 13 bench, 14 bird, 15 cat, 16 dog, 17 horse, "
    "18 sheep, 19 cow, 20 elephant, 21 bear, 22 zebra, 23 giraffe, 24 backpack, 25 umbrella, "
    "26 handbag, 27 tie, 28 suitcase, 29 frisbee, 32 sports ball, 33 kite, 34 baseball bat, "
    "36 skateboard, 37 surfboard, 39 bottle, 40 wine glass, 41 cup, 43 knife, 45 bowl, "
    "46 banana, 48 sandwich, 49 orange, 54 donut, 55 cake, 56 chair, 57 couch, "
    "58 potted plant, 59 bed, 60 dining table, 61 toilet, 62 tv, 63 laptop, 64 mouse, "
    "65 remote, 67 cell phone, 69 oven, 71 sink, 72 refrigerator, 73 book, 74 clock, "
    "75 vase, 77 teddy bear"
)
IMAGENET = indexes(
    "1 goldfish, 38 gecko, 61 boa, 105 koala, 113 snail, 122 lobster, 162 beagle, "
    "208 labrador, 291 lion, 309 bee, 335 squirrel, 341 pig, 355 llama, 366 gorilla, "
    "388 panda, 401 accordion, 402 guitar, 417 balloon, 470 candle, 483 castle, 497 church, "
    "541 drum, 587 hammer, 437 lighthouse, 650 microphone, 643 mask, 812 shuttle, "
    "889 violin, 759 camera, 562 fountain, 949 strawberry, 985 daisy"
)


@pytest.fixture(scope="module")
def table() -> WordTable:
    """The table inside the package."""
    import clipcrop.encoders

    folder = Path(clipcrop.encoders.__path__[0])
    return WordTable.read(folder / "lite_words.safetensors")


@pytest.mark.parametrize(
    ("word", "concept"),
    [
        *[(name, name) for name in sorted(COCO)],
        *[("toddler", "person"), ("bride", "person"), ("cyclist", "person"), ("nurse", "person")],
        *[("everyone", "person"), ("the crowd", "person")],
        *[("grandmother", "person"), ("firefighters", "person"), ("plumber", "person")],
        *[("an astronaut", "person"), ("my family", "person"), ("hands", "person")],
        *[("children", "person"), ("ballerina", "person"), ("chess player", "person")],
        *[("bikes", "bicycle"), ("motorbike", "motorcycle"), ("convertible", "car")],
        *[("ferrari", "car"), ("lorry", "truck"), ("double-decker bus", "bus")],
        *[("biplane", "airplane"), ("ferry", "boat"), ("kayak", "boat"), ("tram", "train")],
        *[("kingfisher", "bird"), ("owl", "bird"), ("penguins", "bird"), ("kitten", "cat")],
        *[("dachshund", "dog"), ("foal", "horse"), ("lambs", "sheep"), ("heifer", "cow")],
        *[("rucksack", "backpack"), ("parasol", "umbrella"), ("briefcase", "suitcase")],
        *[("soccer ball", "sports ball"), ("flask", "bottle"), ("champagne flute", "wine glass")],
        *[("mug", "cup"), ("cappuccino", "cup"), ("knives", "knife"), ("burger", "sandwich")],
        *[("doughnut", "donut"), ("birthday cake", "cake"), ("armchair", "chair")],
        *[("sofa", "couch"), ("cactus", "potted plant"), ("desk", "dining table")],
        *[
            ("television", "tv"),
            ("iphone", "cell phone"),
            ("stove", "oven"),
            ("fridge", "refrigerator"),
        ],
        *[("paperback", "book"), ("alarm clock", "clock"), ("teddy", "teddy bear")],
    ],
)
def test_an_everyday_word_finds_its_coco_class(table: WordTable, word: str, concept: str) -> None:
    weights = table.embed(Text(word))

    assert int(weights[:80].argmax()) == COCO[concept]
    assert weights[:80].max() + weights[FIRST_KIND:].max() >= 0.49


@pytest.mark.parametrize(
    ("word", "concept"),
    [
        *[("goldfish", "goldfish"), ("gecko", "gecko"), ("boa constrictor", "boa")],
        *[("koalas", "koala"), ("snail", "snail"), ("lobster", "lobster"), ("beagles", "beagle")],
        *[("labrador", "labrador"), ("lioness", "lion"), ("bumblebee", "bee")],
        *[
            ("squirrel", "squirrel"),
            ("piglet", "pig"),
            ("alpaca", "llama"),
            ("gorillas", "gorilla"),
        ],
        *[("giant panda", "panda"), ("accordion", "accordion"), ("guitar", "guitar")],
        *[("hot-air balloon", "balloon"), ("candles", "candle"), ("castle", "castle")],
        *[("cathedral", "church"), ("drums", "drum"), ("hammer", "hammer")],
        *[("lighthouse", "lighthouse"), ("microphone", "microphone"), ("masks", "mask")],
        *[("rocket", "shuttle"), ("fiddle", "violin"), ("camera", "camera")],
        *[("fountain", "fountain"), ("strawberries", "strawberry"), ("sunflower", "daisy")],
    ],
)
def test_an_everyday_word_finds_its_imagenet_class(
    table: WordTable, word: str, concept: str
) -> None:
    weights = table.embed(Text(word))[80:]

    assert weights[IMAGENET[concept]] == weights.max() > 0.5


@pytest.mark.parametrize(
    "word",
    [
        *("glacier", "snow", "valley", "the landscape"),
        *("justice", "happiness", "freedom", "love", "music", "time", "mathematics", "economy"),
        *("the", "with", "very", "running", "beautiful", "another", "left", "something"),
        *("shadow", "reflection", "texture", "wallpaper", "glaciers", "xqzzt", "der Hund da"),
    ],
)
def test_a_word_without_a_concept_finds_nothing(table: WordTable, word: str) -> None:
    assert not table.embed(Text(word)).any()


@pytest.mark.parametrize(
    ("word", "numbers"),
    [
        *[("sky", {3}), ("sunset", {3}), ("clouds", {3}), ("river", {61}), ("mountains", {17})],
        *[("the beach", {47}), ("the ocean", {27}), ("forest", {5}), ("a street", {7})],
        *[("city skyline", {49}), ("house", {26}), ("windows", {9}), ("the old red door", {15})],
    ],
)
def test_a_word_of_scenery_finds_its_ade20k_class(
    table: WordTable, word: str, numbers: set[int]
) -> None:
    weights = table.embed(Text(word))[FIRST_SCENE:]

    assert set((np.flatnonzero(weights == 1.0) + 1).tolist()) == numbers


def test_scenery_beside_what_is_asked_for_is_not_asked_for(table: WordTable) -> None:
    on_the_beach = table.embed(Text("a dog on the beach", "dog"))

    assert not on_the_beach[FIRST_SCENE:].any()
    assert np.array_equal(on_the_beach, table.embed(Text("a dog", "dog")))


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        pytest.param(Text("her face", "face"), FACE, id="a face"),
        pytest.param(Text("the woman's face", "face", ("woman",)), FACE, id="a person's"),
        pytest.param(Text("the dog's face", "face", ("dog",)), COCO["dog"], id="an animal's"),
    ],
)
def test_a_face_is_a_persons_and_an_animals_is_the_animal(
    table: WordTable, text: Text, concept: int
) -> None:
    assert int(table.embed(text).argmax()) == concept


@pytest.mark.parametrize(
    ("word", "member"),
    [
        *[("animal", "dog"), ("animals", "zebra"), ("pet", "cat"), ("pets", "dog")],
        *[("vehicle", "car"), ("vehicles", "truck"), ("fruit", "banana"), ("food", "cake")],
        *[("furniture", "couch"), ("flowers", "potted plant"), ("luggage", "suitcase")],
        *[("livestock", "cow"), ("cutlery", "knife"), ("drinks", "cup"), ("bike", "motorcycle")],
    ],
)
def test_a_member_counts_in_its_group_as_by_its_own_name(
    table: WordTable, word: str, member: str
) -> None:
    weights = table.embed(Text(word))

    assert weights[COCO[member]] == 1.0
    assert weights.max() == 1.0


def test_a_breed_is_preferred_and_its_kind_is_accepted(table: WordTable) -> None:
    weights = table.embed(Text("the poodle", head="poodle"))

    assert weights[80 + 265 : 80 + 268].tolist() == [1.0, 1.0, 1.0]
    assert weights[COCO["dog"]] == 0.5


def test_a_kite_is_no_bird_of_prey(table: WordTable) -> None:
    weights = table.embed(Text("kite"))

    assert weights[COCO["kite"]] == 1.0
    assert weights[COCO["bird"]] == weights[80 + 21] == 0.0


def test_a_phrase_of_an_everyday_prompt_is_about_its_head(table: WordTable) -> None:
    weights = table.embed(
        Text("the old man with a dog on the beach", head="man", modifiers=("old",))
    )

    man = weights[COCO["person"]] + weights[FIRST_KIND + KINDS.index("man")]
    assert man == pytest.approx(1 / 1.12)
    assert weights[COCO["dog"]] == pytest.approx(0.12 / 1.12)


def test_the_shipped_table_is_small() -> None:
    import clipcrop.encoders

    file = Path(clipcrop.encoders.__path__[0]) / "lite_words.safetensors"

    assert file.stat().st_size < 5_000_000


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["man", "the old man", "guys", "groom", "grandpa", "gentleman"], "man"),
        (["woman", "ladies", "bride", "the tall woman", "my mother", "nuns"], "woman"),
        (["boys", "a little boy", "schoolboy"], "boy"),
        (["girl", "two girls", "the little girl in the corner"], "girl"),
        (["baby", "toddlers", "kids", "children"], "child"),
    ],
)
def test_a_word_for_a_kind_of_people_asks_for_that_kind_and_a_little_for_anyone(
    table: WordTable, words: list[str], kind: str
):
    for word in words:
        weights = table.embed(Text(word))

        assert np.flatnonzero(weights[FIRST_KIND:]).tolist() == [KINDS.index(kind)], word
        assert 0 < weights[PERSON] < weights[FIRST_KIND:].max()


@pytest.mark.parametrize("word", ["person", "people", "crowd", "nurse", "doctor", "cyclist"])
def test_a_word_for_anyone_asks_for_no_kind_of_people(table: WordTable, word: str):
    weights = table.embed(Text(word))

    assert weights[PERSON] > 0.4
    assert not weights[FIRST_KIND:].any()
