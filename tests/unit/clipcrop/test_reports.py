"""Suggestions as JSON and as text."""

from __future__ import annotations

import dataclasses
import json

import pytest

from clipcrop.reports import as_record, as_text
from clipcrop.suggestions import (
    NOTHING_TO_LEAVE_OUT,
    Detection,
    Dropped,
    Suggestion,
    Suggestions,
    Understood,
)

MATCH = Suggestions(
    model="lite",
    kind="match",
    is_well_framed=False,
    matched=(
        Detection("dog", 0.81234567, (0.1, 0.2, 0.3, 0.4)),
        Detection("dog", 0.5, (0.5, 0.5, 0.6, 0.6)),
    ),
    dropped=(Dropped("unicorn", 0.0, "the model does not know this"),),
    excluded=(Detection("car", 0.4, (0.7, 0.7, 0.9, 0.9)),),
    crops=(Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, 320, 480), 0.71),),
    seconds=0.01,
    notes=("not used: rule of thirds",),
    understood=Understood(("dog (left)",), left_out=("car",), aspect="4:5"),
)


def test_the_record_has_what_programs_rely_on():
    record = as_record("photo.jpg", MATCH, {"read": 0.0123, "encode": 0.1, "suggest": 0.01})

    assert json.loads(json.dumps(record)) == {
        "image": "photo.jpg",
        "model": "lite",
        "kind": "match",
        "well_framed": False,
        "matched": [
            {"text": "dog", "score": 0.8123, "box": [0.1, 0.2, 0.3, 0.4], "sure": True},
            {"text": "dog", "score": 0.5, "box": [0.5, 0.5, 0.6, 0.6], "sure": True},
        ],
        "dropped": [
            {
                "text": "unicorn",
                "score": 0.0,
                "reason": "the model does not know this",
                "unknown": True,
            }
        ],
        "excluded": [{"text": "car", "score": 0.4, "box": [0.7, 0.7, 0.9, 0.9], "sure": True}],
        "suggestions": [{"box": [0.0, 0.0, 0.5, 1.0], "box_px": [0, 0, 320, 480], "quality": 0.71}],
        "understood": {
            "line": "kept: dog (left) · left out: car · 4:5",
            "kept": ["dog (left)"],
            "whole": [],
            "left_out": ["car"],
            "aspect": "4:5",
            "width": "",
            "space": [],
            "corrected": [],
        },
        "notes": ["not used: rule of thirds"],
        "seconds": {"read": 0.012, "encode": 0.1, "suggest": 0.01},
    }


def test_the_text_says_what_was_found_what_was_not_and_where_the_crops_are():
    text = as_text("photo.jpg", MATCH)

    assert text.splitlines() == [
        "photo.jpg (lite): found dog x 2 (0.81)",
        "  kept: dog (left) · left out: car · 4:5",
        "  unknown: unicorn (the model does not know this)",
        "  left out where possible: car",
        "  not used: rule of thirds",
        "  1. quality 0.71      320 x 480 px at (0, 0)",
    ]


def test_what_is_perhaps_there_is_not_called_found():
    cat = Detection("cat", 0.4, (0.1, 0.2, 0.3, 0.4), is_sure=False)
    beside_dogs = dataclasses.replace(MATCH, matched=(*MATCH.matched, cat))
    alone = dataclasses.replace(MATCH, matched=(cat,))

    verdicts = [as_text("photo.jpg", one).splitlines()[0] for one in (beside_dogs, alone)]

    assert verdicts[0].endswith("found dog x 2 (0.81); perhaps cat (0.40)")
    assert "perhaps cat (0.40)" in verdicts[1]
    assert "found" not in verdicts[1]
    assert as_record("photo.jpg", alone, {})["matched"][0]["sure"] is False


def test_an_unsure_box_beside_a_sure_one_of_its_text_is_no_doubt():
    unsure = Detection("dog", 0.4, (0.1, 0.2, 0.3, 0.4), is_sure=False)

    text = as_text("photo.jpg", dataclasses.replace(MATCH, matched=(*MATCH.matched, unsure)))

    assert "perhaps" not in text


def test_words_that_the_model_does_not_know_are_no_failure_of_the_photo():
    answer = dataclasses.replace(MATCH, kind="general", matched=())

    text = as_text("photo.jpg", answer)

    assert "the model does not know that" in text
    assert "nothing like that" not in text


def test_a_crop_of_the_decoder_says_so():
    crops = (dataclasses.replace(MATCH.crops[0], source="decoder"), *MATCH.crops)
    answer = dataclasses.replace(MATCH, crops=crops)

    record = as_record("photo.jpg", answer, {})
    lines = as_text("photo.jpg", answer).splitlines()

    assert [crop.get("source") for crop in record["suggestions"]] == ["decoder", None]
    assert [line.endswith("  from the decoder") for line in lines[-2:]] == [True, False]


def test_crops_are_named_by_their_width():
    crops = tuple(dataclasses.replace(MATCH.crops[0], width=width) for width in ("medium", "wide"))
    answer = dataclasses.replace(MATCH, crops=crops)

    record = as_record("photo.jpg", answer, {})
    lines = as_text("photo.jpg", answer).splitlines()

    assert [crop["width"] for crop in record["suggestions"]] == ["medium", "wide"]
    assert [line.split()[1] for line in lines[-2:]] == ["medium", "wide"]


def test_nothing_to_leave_out_is_no_failure():
    answer = dataclasses.replace(
        MATCH, kind="general", matched=(), dropped=(Dropped("people", 0.0, NOTHING_TO_LEAVE_OUT),)
    )

    text = as_text("photo.jpg", answer)

    assert f"people: {NOTHING_TO_LEAVE_OUT}" in text
    assert "nothing like that" not in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param({"kind": "general", "matched": ()}, "these are general crops", id="general"),
        pytest.param(
            {"is_well_framed": True}, "the whole image is as good as any crop", id="well framed"
        ),
    ],
)
def test_the_text_is_honest(change: dict[str, object], sentence: str):
    assert sentence in as_text("photo.jpg", dataclasses.replace(MATCH, **change))  # type: ignore[arg-type]
