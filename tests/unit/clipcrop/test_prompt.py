from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from clipcrop.errors import EmptyPrompt, InputError, LanguageModelMissing
from clipcrop.language import english_pipeline, load_pipeline
from clipcrop.prompt import (
    IMAGE_QUERY,
    MAX_KEYWORDS,
    MAX_PROMPT_CHARACTERS,
    Prompt,
    Text,
    parse_prompt,
)

MANY = None


def keywords(prompt: Prompt) -> list[tuple[str, int | None]]:
    return [(text.text, text.max_count) for text in prompt.keywords]


def exclusions(prompt: Prompt) -> list[tuple[str, int | None]]:
    return [(text.text, text.max_count) for text in prompt.exclusions]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a dog", [("dog", 1)]),
        ("dog", [("dog", 1)]),
        ("DOG", [("dog", 1)]),
        ("TWO DOGS AND A CAT", [("two dogs", 2), ("cat", 1)]),
        ("Dogs", [("dogs", MANY)]),
        ("two dogs", [("two dogs", 2)]),
        ("2 zebras", [("2 zebras", 2)]),
        ("a dozen donuts", [("dozen donuts", 12)]),
        ("all three boys", [("three boys", 3)]),
        ("the players", [("players", MANY)]),
        ("each player", [("player", MANY)]),
        ("several players", [("players", MANY)]),
        ("all the kids", [("kids", MANY)]),
        ("all of the dogs", [("dogs", MANY)]),
        ("one of the dogs", [("dogs", 1)]),
        ("both cats", [("cats", 2)]),
        ("a couple of birds", [("birds", 2)]),
        ("the happy couple", [("happy couple", 2)]),
        ("a group of people", [("people", MANY)]),
        ("a herd of elephants", [("elephants", MANY)]),
        ("lots of balloons", [("balloons", MANY)]),
        ("everyone", [("people", MANY)]),
        ("people", [("people", MANY)]),
        ("the family", [("family", MANY)]),
        ("someone", [("person", 1)]),
        ("sheep", [("sheep", MANY)]),
        ("a sheep", [("sheep", 1)]),
        ("a dog and another dog", [("dog", 2)]),
        ("the woman and her dogs", [("woman", 1), ("dogs", MANY)]),
        ("a man, a woman, and a child", [("man", 1), ("woman", 1), ("child", 1)]),
        ("bride and groom", [("bride", 1), ("groom", 1)]),
        ("horse and rider", [("horse", 1), ("rider", 1)]),
        ("the man on the left of the car", [("man", 1), ("car", 1)]),
        ("woman with a red hat", [("woman", 1), ("red hat", 1)]),
        ("the person on the far right", [("person", 1)]),
        ("a black and white cat", [("black and white cat", 1)]),
        ("the big, brown dog", [("big, brown dog", 1)]),
        ("flowers in a vase", [("flowers", MANY), ("vase", 1)]),
        ("the dog's head", [("dog's head", 1)]),
        ("pink top", [("pink top", 1)]),
        ("surfer", [("surfer", 1)]),
        ("stop sign", [("stop sign", 1)]),
        ("two fire hydrants", [("two fire hydrants", 2)]),
        ("a photo of a dog", [("dog", 1)]),
        ("black and white photo of two horses", [("two horses", 2)]),
        ("close-up of the flower", [("flower", 1)]),
        ("the dog in the background", [("dog", 1)]),
        ("portrait of an old man stock photo", [("old man", 1)]),
        ("the front of the train", [("train", 1)]),
        ("keep the dog", [("dog", 1)]),
        ("crop to the red car", [("red car", 1)]),
        ("crop the photo to the dog", [("dog", 1)]),
        ("focus on the faces", [("faces", MANY)]),
        ("show me the horse", [("horse", 1)]),
        ("please zoom in on the baby's face", [("baby's face", 1)]),
        ("I'd like to see the cat", [("cat", 1)]),
        ("make sure the dog is in the frame", [("dog", 1)]),
        ("don't cut off the dog's legs", [("dog's legs", MANY)]),
        ("nothing but the dog", [("dog", 1)]),
        ("focus on him", [("person", 1)]),
        ("them", [("people", MANY)]),
        ("the no parking sign", [("parking sign", 1)]),
        ("dog\ncat", [("dog", 1), ("cat", 1)]),
        ("dog/cat", [("dog", 1), ("cat", 1)]),
        ("a dog & a cat", [("dog", 1), ("cat", 1)]),
        ('"the dog"!!!', [("dog", 1)]),
        ("\U0001f436", [("dog", 1)]),
        ("\U0001f436\U0001f431", [("dog", 1), ("cat", 1)]),
    ],
)
def test_keywords_are_the_things_with_their_counts(
    prompt: str, expected: list[tuple[str, int | None]]
) -> None:
    parsed = parse_prompt(prompt)

    assert keywords(parsed) == expected
    assert exclusions(parsed) == []


@pytest.mark.parametrize(
    ("prompt", "wanted", "excluded"),
    [
        ("without the car", [], [("car", 1)]),
        ("no cars", [], [("cars", MANY)]),
        ("exclude the bin", [], [("bin", 1)]),
        ("no cars, bins or people", [], [("cars", MANY), ("bins", MANY), ("people", MANY)]),
        ("the woman without the car", [("woman", 1)], [("car", 1)]),
        ("Woman w/o hat", [("woman", 1)], [("hat", MANY)]),
        ("the dog but not the man", [("dog", 1)], [("man", 1)]),
        ("the dog, not the cat", [("dog", 1)], [("cat", 1)]),
        ("everyone except the man on the left", [("people", MANY)], [("man", 1)]),
        ("everything but the car", [], [("car", 1)]),
        ("street minus the cars", [("street", 1)], [("cars", MANY)]),
        ("the house, exclude the cars and the bins", [("house", 1)], [("cars", 0), ("bins", 0)]),
        (
            "the woman and her dogs, without the car, the bin and the man",
            [("woman", 1), ("dogs", MANY)],
            [("car", 1), ("bin", 1), ("man", 1)],
        ),
        ("no cars, just the dog", [("dog", 1)], [("cars", MANY)]),
        ("without cars, the woman", [("woman", 1)], [("cars", MANY)]),
        ("remove the bin and keep the house", [("house", 1)], [("bin", 1)]),
        ("the beach with no one on it", [("beach", 1)], [("people", MANY)]),
        ("don't include the man", [], [("man", 1)]),
        ("the vase without the cup on the table", [("vase", 1)], [("cup", 1)]),
        ("crop out the man", [], [("man", 1)]),
    ],
)
def test_exclusions_are_told_from_what_is_wanted(
    prompt: str, wanted: list[tuple[str, int | None]], excluded: list[tuple[str, int | None]]
) -> None:
    parsed = parse_prompt(prompt)

    assert keywords(parsed) == wanted
    assert exclusions(parsed) == [(text, count or None) for text, count in excluded]


def test_the_whole_prompt_comes_first_without_commands_and_exclusions() -> None:
    parsed = parse_prompt("Please keep the woman and her dogs, without the car")

    assert parsed.text == "Please keep the woman and her dogs, without the car"
    assert parsed.texts[0] == Text(
        "the woman and her dogs", head="woman", max_count=1, is_whole_prompt=True
    )
    assert [text.text for text in parsed.all_texts] == [
        "the woman and her dogs",
        "woman",
        "dogs",
        "car",
    ]


@pytest.mark.parametrize(
    ("prompt", "head", "modifiers"),
    [
        ("two brown dogs", "dog", ("brown",)),
        ("men", "man", ()),
        ("everybody", "person", ()),
        ("the crowd", "person", ()),
        ("fire hydrants", "hydrant", ("fire",)),
        ("the old man's hands", "hand", ("old", "man")),
        ("black and white cat", "cat", ("black", "white")),
    ],
)
def test_head_is_singular_and_modifiers_describe_it(
    prompt: str, head: str, modifiers: tuple[str, ...]
) -> None:
    (keyword,) = parse_prompt(prompt).keywords

    assert (keyword.head, keyword.modifiers) == (head, modifiers)


@pytest.mark.parametrize("prompt", ["background", "the photo", "all", "keep it", "without", "crop"])
def test_prompts_that_name_no_thing_search_for_nothing(prompt: str) -> None:
    assert parse_prompt(prompt).all_texts == ()


@pytest.mark.parametrize("prompt", ["12", "x", "7 + 7"])
def test_what_is_no_english_noun_is_still_searched_for_as_a_whole(prompt: str) -> None:
    whole, *rest = parse_prompt(prompt).texts

    assert whole.is_whole_prompt
    assert rest == []


def test_exclude_field_takes_names_with_or_without_the_words_for_it() -> None:
    parsed = parse_prompt("the dog", exclude=["the car", "bins and people", "without cats", "  "])

    assert exclusions(parsed) == [("car", 1), ("bins", MANY), ("people", MANY), ("cats", MANY)]


def test_exclude_field_keeps_words_that_are_no_nouns() -> None:
    parsed = parse_prompt("the dog", exclude=["\u72ac"])

    assert exclusions(parsed) == [("\u72ac", MANY)]


def test_blank_prompt_is_allowed_where_something_is_excluded() -> None:
    parsed = parse_prompt(" ", exclude=["the car"])

    assert parsed.texts == ()
    assert exclusions(parsed) == [("car", 1)]


@pytest.mark.parametrize("prompt", ["???", "...", "\u200d\ufe0f", "\ud800"])
def test_prompt_without_a_word_is_refused(prompt: str) -> None:
    with pytest.raises(EmptyPrompt, match="name what the crop should show"):
        parse_prompt(prompt)


@pytest.mark.parametrize("prompt", ["", "  \n\t"])
def test_blank_prompt_asks_for_nothing(prompt: str) -> None:
    parsed = parse_prompt(prompt)

    assert (parsed.text, parsed.texts, parsed.exclusions) == ("", (), ())


def test_longest_prompt_is_read_and_a_longer_one_refused() -> None:
    longest = ("dog " * MAX_PROMPT_CHARACTERS)[:MAX_PROMPT_CHARACTERS]

    assert parse_prompt(longest).texts
    with pytest.raises(InputError, match="prompt of 513 characters is too long; use at most 512"):
        parse_prompt(longest + "s")
    with pytest.raises(InputError, match="exclusion of 513 characters"):
        parse_prompt("dog", exclude=[longest + "s"])


def test_number_of_keywords_is_limited() -> None:
    names = ("cat", "dog", "cow", "pig", "hen", "fox", "owl", "bee", "ant", "bat")
    prompt = ", ".join(f"the {name}" for name in names)

    assert len(parse_prompt(prompt).keywords) == MAX_KEYWORDS


def test_image_query_joins_a_prompt_or_stands_alone() -> None:
    joined = parse_prompt("the dog without the car").with_image_query()
    alone = parse_prompt("", exclude=["the car"]).with_image_query()

    assert joined.texts[-1] is IMAGE_QUERY
    assert [text.text for text in joined.exclusions] == ["car"]
    assert (alone.texts, exclusions(alone)) == ((IMAGE_QUERY,), [("car", 1)])


def test_missing_pipeline_says_what_to_install() -> None:
    with pytest.raises(LanguageModelMissing, match=r"no_such_pipeline: not found.*pip install"):
        load_pipeline(["no_such_pipeline"])


def test_pipeline_is_loaded_once() -> None:
    assert english_pipeline() is english_pipeline()


def test_importing_prompts_does_not_load_spacy() -> None:
    program = "import sys, clipcrop.prompt; print('spacy' in sys.modules)"

    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "False"


def test_no_random_text_is_a_bug() -> None:
    random_source = random.Random(20)
    words = [
        "the",
        "a",
        "two",
        "no",
        "not",
        "without",
        "but",
        "except",
        "and",
        "or",
        "of",
        "everyone",
    ]
    words += [
        "dog",
        "dogs",
        "crop",
        "keep",
        "photo",
        "\u72ac",
        "\u0441\u043e\u0431\u0430\u043a\u0430",
    ]
    words += [
        "\u05d4\u05db\u05dc\u05d1",
        "\U0001f436",
        "\U0001f469\u200d\U0001f467",
        "\ud800",
        "\x00",
        "\n",
        "\t",
    ]
    words += list(",.!?'\"-([*\\0129")

    for _ in range(150):
        parts = [
            random_source.choice(words)
            if random_source.random() < 0.8
            else chr(random_source.randrange(0x110000))
            for _ in range(random_source.randrange(1, 40))
        ]
        text = random_source.choice(["", " "]).join(parts)
        try:
            parsed = parse_prompt(text, exclude=[random_source.choice(parts)])
        except InputError:
            continue
        assert all(text.text.strip() for text in parsed.all_texts), text


def test_a_prompt_of_nothing_but_cues_is_read_in_no_time() -> None:
    started = time.process_time()

    parse_prompt(("no " * 200)[:MAX_PROMPT_CHARACTERS])
    parse_prompt(("but not, " * 200)[:MAX_PROMPT_CHARACTERS])

    assert time.process_time() - started < 5  # a pattern that backtracks takes minutes
