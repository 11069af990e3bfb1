from __future__ import annotations

import json
import random

import pytest

from clipcrop_plugin import choices as module
from clipcrop_plugin import texts
from clipcrop_plugin.choices import ASPECTS, Choices, parse_aspect, parse_exclude
from clipcrop_plugin.errors import BadChoice
from clipcrop_plugin.geometry import Placement, Rect, Size

WHOLE = Placement.of_canvas(Size(300, 200))


def test_the_defaults_ask_for_a_good_crop_of_anything():
    assert Choices() == Choices(
        prompt="",
        exclude=(),
        aspect="free",
        source="layer",
        apply="selection",
        example="none",
    )


def test_spaces_lines_and_doubles_are_tidied():
    choices = Choices(" the woman\nand  her dogs ", exclude=(" a car", "a car", " ", "signs"))

    assert choices.prompt == "the woman and her dogs"
    assert choices.exclude == ("a car", "signs")
    assert choices.exclude_text == "a car, signs"


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        pytest.param({"prompt": "x" * 513}, "prompt", "513 characters; 512", id="long"),
        pytest.param({"prompt": "a\0b"}, "prompt", "not text", id="control characters"),
        pytest.param({"prompt": "\ud800"}, "prompt", "not text", id="half a character"),
        pytest.param({"exclude": ("x" * 600,)}, "exclude", "600", id="long exclusion"),
        pytest.param({"exclude": tuple("abcdefghi")}, "exclude", "9 things", id="many exclusions"),
        pytest.param({"aspect": "wide"}, "aspect", "“wide” is no", id="aspect"),
        pytest.param({"source": "screen"}, "source", "look at", id="source"),
        pytest.param({"apply": "frame"}, "apply", "done with", id="apply"),
        pytest.param({"example": " "}, "example", "image file", id="no example"),
        pytest.param({"example": "\ud800"}, "example", "image file", id="no path"),
    ],
)
def test_what_cannot_be_is_refused_with_the_field_and_a_sentence(values, field, words):
    with pytest.raises(BadChoice, match=words) as caught:
        Choices(**values)

    assert caught.value.field == field
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("prompt", ["x" * 500, '"quoted" & <b>', "🐕‍🦺 dog", "אישה", "100 %"])
def test_prompts_that_look_odd_are_taken(prompt):
    try:
        assert Choices(prompt).prompt == prompt
    except BadChoice as exc:
        pytest.fail(str(exc))


@pytest.mark.parametrize("aspect", ASPECTS)
def test_every_preset_is_an_aspect_and_has_a_label(aspect):
    assert parse_aspect(aspect) == aspect
    assert module.aspect_label(aspect)


def test_the_presets_are_those_of_the_menu():
    assert ASPECTS[:2] == ("free", "original")
    assert set(ASPECTS[2:]) == {
        "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 16 : 9 ", "16:9"),
        ("FREE", "free"),
        ("Original", "original"),
        ("2.39:1", "2.39:1"),
        ("2,390:1.0", "2.39:1"),
        ("3/2", "3:2"),
        ("3x2", "3:2"),
        ("3\u00d72", "3:2"),
        ("006:4", "6:4"),
        ("100:1", "100:1"),
        ("1:100", "1:100"),
        ("10:100", "10:100"),
    ],
)
def test_a_ratio_may_be_typed_in_many_ways(text, expected):
    assert parse_aspect(text) == expected
    assert parse_aspect(expected) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no aspect ratio"),
        ("3", "no aspect ratio"),
        ("3:2:1", "no aspect ratio"),
        ("a:b", "no aspect ratio"),
        ("-3:2", "no aspect ratio"),
        ("٣:٢", "no aspect ratio"),
        ("1e3:1", "no aspect ratio"),
        ("9999999:1", "no aspect ratio"),
        ("nan:1", "no aspect ratio"),
        ("0:1", "more than 0"),
        ("1:0.0", "more than 0"),
        ("101:1", "between 1:100 and 100:1"),
        ("1:101", "between 1:100 and 100:1"),
    ],
)
def test_what_is_no_ratio_is_refused_clearly(text, words):
    with pytest.raises(BadChoice, match=words):
        parse_aspect(text)


def test_a_long_text_that_is_no_ratio_is_quoted_in_part():
    with pytest.raises(BadChoice) as caught:
        parse_aspect("x" * 10_000)

    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("seed", range(50))
def test_any_text_is_a_ratio_or_refused(seed):
    chance = random.Random(seed)
    text = "".join(chance.choice("0123456789:.,/x -e\u00d7\n") for _ in range(chance.randint(0, 9)))

    try:
        aspect = parse_aspect(text)
    except BadChoice:
        return

    assert 0.01 <= Choices(aspect=aspect).wire_aspect(WHOLE) <= 100


def test_what_to_leave_out_is_read_from_one_line():
    assert parse_exclude("a car, signs ;the street\n, ,") == ("a car", "signs", "the street")
    assert parse_exclude("") == ()


@pytest.mark.parametrize(
    ("aspect", "placement", "expected"),
    [
        pytest.param("free", WHOLE, None, id="free"),
        pytest.param("16:9", WHOLE, 16 / 9, id="ratio"),
        pytest.param("original", WHOLE, "original", id="the image's"),
        pytest.param(
            "original", Placement(Rect(0, 0, 10, 10), Size(300, 200)), 1.5, id="of a small layer"
        ),
    ],
)
def test_the_daemon_is_told_the_ratio_of_the_image(aspect, placement, expected):
    assert Choices(aspect=aspect).wire_aspect(placement) == expected


def test_the_ratio_of_a_thread_of_an_image_is_refused():
    placement = Placement(Rect(0, 0, 10, 1), Size(1000, 1))

    with pytest.raises(BadChoice, match="between"):
        Choices(aspect="original").wire_aspect(placement)


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, False),
        ({"prompt": "other", "aspect": "1:1", "exclude": ("x",), "apply": "crop"}, False),
        ({"source": "visible"}, True),
        ({"example": "none"}, False),
        ({"example": "/b.jpg"}, True),
    ],
)
def test_other_pixels_are_needed_only_where_something_else_is_looked_at(changes, needs):
    before = Choices(example="selection")
    values = {"example": "selection"}
    values.update(changes)

    assert Choices(**values).needs_other_pixels(before) is needs


def test_an_example_may_be_a_file():
    assert Choices(example="/home/me/dog.jpg").example_file == "/home/me/dog.jpg"
    assert Choices(example="selection").example_file == ""
    assert Choices().example_file == ""


FULL = Choices(
    'the "woman" 🐕', ("a car", "it's"), "2.39:1", "visible", "guides", "/home/me/Hündin.jpg"
)


def test_choices_are_the_same_after_they_were_kept():
    assert Choices.from_json(FULL.to_json()) == FULL
    assert FULL.to_json().isascii()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 10_000, "x" * 100_000])
def test_damaged_choices_are_the_defaults(text):
    assert Choices.from_json(text) == Choices()


def test_an_older_version_that_knew_less_is_read():
    assert Choices.from_json('{"version": 0, "prompt": "a dog"}') == Choices("a dog")


@pytest.mark.parametrize("seed", range(100))
def test_hostile_values_never_come_through(seed):
    chance = random.Random(seed)
    odd = [None, True, 10**30, -1, "", "x" * 9999, [], ["x"] * 99, [None], {}, {"a": []}, "\ud800"]
    names = ["prompt", "exclude", "aspect", "source", "apply", "example", "version", "others", "x"]
    text = json.dumps({name: chance.choice(odd) for name in names})

    choices = Choices.from_json(text)

    assert Choices.from_json(choices.to_json()) == choices


def test_what_a_newer_version_wrote_is_kept():
    newer = {"version": 3, "prompt": "a dog", "mood": "calm", "aspect": "golden", "exclude": 5}

    choices = Choices.from_json(json.dumps(newer))

    assert choices == Choices("a dog")
    assert {**json.loads(choices.to_json()), **newer} == json.loads(choices.to_json())


def test_a_value_of_a_newer_version_gives_way_to_the_users_choice():
    import dataclasses

    choices = Choices.from_json('{"aspect": "golden"}')

    changed = dataclasses.replace(choices, aspect="3:2")

    assert json.loads(changed.to_json())["aspect"] == "3:2"


@pytest.mark.parametrize("language", ["en", "de", "he"])
def test_every_choice_of_a_menu_has_its_own_label(language):
    texts.use([language])

    for label, values in (
        (module.aspect_label, module.ASPECTS),
        (module.source_label, module.SOURCES),
        (module.apply_label, module.APPLIES),
    ):
        assert len({label(value) for value in values}) == len(values)
