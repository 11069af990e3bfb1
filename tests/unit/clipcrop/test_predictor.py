"""The whole way from pixels and words to suggestions, with the embedded weights."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipcrop import Constraints, EncodedImage, GroundingOptions, Predictor
from clipcrop.boxes import coverage
from clipcrop.errors import EmptyPrompt, InputError
from clipcrop.imaging.images import load_image
from clipcrop.prompt.parser import parse_prompt

floats = partial(np.array, dtype=np.float32)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """The lite encoder on the CPU."""
    return Predictor.load("lite", "cpu")


@pytest.fixture(scope="module")
def cat(predictor: Predictor, samples: Path) -> EncodedImage:
    """The sample photo of a cat."""
    return predictor.encode(load_image(samples / "chelsea.jpg"))


@pytest.mark.parametrize(("prompt", "looks"), [("the cat", False), ("the car", True), ("", False)])
def test_a_closer_look_is_told_where_something_is_not_surely_found(
    predictor: Predictor, cat: EncodedImage, prompt: str, looks: bool
):
    told: list[str] = []

    predictor.suggest(cat, prompt, on_closer_look=lambda: told.append("closer"))

    assert bool(told) is looks


def test_crops_keep_what_was_asked_for(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(cat, "the cat")

    assert answer.kind == "match"
    assert [found.text for found in answer.matched] == ["cat"]
    subject = floats([answer.matched[0].box_xyxy])
    crops = floats([crop.crop_xyxy for crop in answer.crops])
    assert coverage(subject, crops).min() > 0.97
    qualities = [crop.quality for crop in answer.crops]
    assert qualities == sorted(qualities, reverse=True)


def test_pixels_are_those_of_the_original_and_agree_with_the_shares(
    predictor: Predictor, samples: Path
):
    original = Image.open(samples / "chelsea.jpg").convert("RGB").resize((3000, 2000))

    answer = predictor.suggest(predictor.encode(original), "the cat")

    assert max(side for crop in answer.crops for side in crop.crop_px) > 1024
    for crop in answer.crops:
        x0, y0, x1, y1 = crop.crop_px
        assert 0 <= x0 < x1 <= 3000
        assert 0 <= y0 < y1 <= 2000
        expected = (x0 / 3000, y0 / 2000, x1 / 3000, y1 / 2000)
        assert crop.crop_xyxy == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 16 / 9, 4 / 5])
def test_an_aspect_ratio_is_kept(predictor: Predictor, cat: EncodedImage, ratio: float):
    answer = predictor.suggest(cat, "the cat", constraints=Constraints(aspect=ratio))

    for crop in answer.crops:
        x0, y0, x1, y1 = crop.crop_px
        assert (x1 - x0) / (y1 - y0) == pytest.approx(ratio, rel=0.01)


def test_what_is_not_there_gives_general_crops_and_names_it(
    predictor: Predictor, cat: EncodedImage
):
    answer = predictor.suggest(cat, "the school bus")

    assert answer.kind == "general"
    assert answer.matched == ()
    assert "bus" in answer.dropped[0].text
    assert answer.crops


@pytest.mark.parametrize(
    ("prompt", "width"),
    [
        ("the rocket", "medium"),
        ("a close-up of the rocket", "close"),
        ("the rocket with lots of air", "wide"),
    ],
)
def test_words_choose_how_wide_the_first_crop_is(
    predictor: Predictor, samples: Path, prompt: str, width: str
):
    rocket = predictor.encode(load_image(samples / "rocket.jpg"))

    assert predictor.suggest(rocket, prompt).crops[0].width == width


def test_what_does_not_fit_the_ratio_is_named(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(cat, "the cat", constraints=Constraints(aspect=0.3))

    assert any(note.endswith(": cat") for note in answer.notes)


def test_an_example_image_stands_for_words(predictor: Predictor, cat: EncodedImage, samples: Path):
    example = Image.open(samples / "chelsea.jpg").convert("RGB").crop((60, 0, 400, 300))

    answer = predictor.suggest(cat, image_query=example)

    assert answer.kind == "match"
    assert [found.text for found in answer.matched] == ["image query"]


def test_the_papers_grounding_drops_nothing(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(
        cat, "the cat and the bicycle", grounding=GroundingOptions.paper("both")
    )

    texts = {"the cat and the bicycle", "the cat", "the bicycle"}
    assert {found.text for found in answer.matched} == texts
    assert answer.dropped == ()


def test_the_same_request_gives_the_same_answer(predictor: Predictor, cat: EncodedImage):
    first, second = (predictor.suggest(cat, "the cat's eyes") for _ in range(2))

    assert first.crops == second.crops


@pytest.mark.parametrize(
    "size_px", [(1, 1), (1, 10_000), (10_000, 1), (2, 3)], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_extreme_images_give_crops_inside_them(predictor: Predictor, size_px: tuple[int, int]):
    answer = predictor.suggest(predictor.encode(Image.new("RGB", size_px, "grey")), "the dog")

    assert answer.crops
    for crop in answer.crops:
        x0, y0, x1, y1 = crop.crop_px
        assert 0 <= x0 < x1 <= size_px[0]
        assert 0 <= y0 < y1 <= size_px[1]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_images_of_any_mode_are_taken(predictor: Predictor, mode: str):
    image = (
        Image.new("L", (60, 40), 120).convert(mode) if mode != "I;16" else Image.new(mode, (60, 40))
    )

    assert predictor.suggest(predictor.encode(image), "a bird").crops


def test_a_prompt_without_a_word_is_refused(predictor: Predictor, cat: EncodedImage):
    with pytest.raises(EmptyPrompt):
        predictor.suggest(cat, "!?")


def test_without_a_prompt_there_are_good_crops_of_anything(predictor: Predictor, cat: EncodedImage):
    found = predictor.suggest(cat, " ")

    assert (found.kind, found.matched, found.dropped) == ("general", (), ())
    assert found.crops


def test_without_a_prompt_things_are_left_out_all_the_same(predictor: Predictor, cat: EncodedImage):
    found = predictor.suggest(cat, "", exclude=["the cat"])

    assert found.kind == "general"
    assert [one.text for one in found.excluded] == ["cat"]


def test_a_minimum_size_beyond_the_image_is_refused(predictor: Predictor, cat: EncodedImage):
    with pytest.raises(InputError, match="does not fit"):
        predictor.suggest(cat, "the cat", constraints=Constraints(min_width_px=100_000))


def test_what_of_a_prompt_is_not_used_is_noted(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(cat, "the cat, rule of thirds", exclude=["the cat"])

    assert answer.kind == "match"
    assert answer.dropped == ()
    contradiction, unused = answer.notes
    assert "asked for and excluded" in contradiction
    assert contradiction.endswith("cat")
    assert unused.endswith("rule of thirds")


def test_a_prompt_that_was_read_before_gives_the_same_crops(
    predictor: Predictor, cat: EncodedImage
):
    read = predictor.suggest(cat, parse_prompt("the cat, 4:5", ["the sofa"]))
    written = predictor.suggest(cat, "the cat, 4:5", exclude=["the sofa"])

    assert dataclasses.replace(read, seconds=0) == dataclasses.replace(written, seconds=0)


def test_instructions_of_the_prompt_are_obeyed_and_told(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(cat, "the cat, square, no umbrela")

    x0, y0, x1, y1 = answer.crops[0].crop_px
    assert x1 - x0 == y1 - y0
    assert answer.understood.kept == ("cat",)
    assert answer.understood.aspect == "1:1"
    assert answer.understood.corrected == (("umbrela", "umbrella"),)
    assert str(answer.understood).startswith("kept: cat · 1:1")


def test_an_option_wins_over_the_prompt(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(cat, "the cat, square", constraints=Constraints(aspect=1.5))

    assert answer.understood.aspect == ""
    assert any("1:1" in note for note in answer.notes)


def test_of_an_unknown_part_the_whole_is_kept(predictor: Predictor, cat: EncodedImage):
    with_cat = predictor.suggest(cat, "the cat, don't cut off the ears")
    alone = predictor.suggest(cat, "don't cut off the cat's ears")

    assert [found.text for found in with_cat.matched] == ["cat"]
    assert any("whole cat" in note for note in with_cat.notes)
    assert {found.text for found in alone.matched} == {"cat"}
    assert alone.understood.whole == ("cat",)


def test_an_exclusion_never_leaves_a_scrap(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(cat, "without the cat", min_share=0.6)

    x0, y0, x1, y1 = answer.crops[0].crop_xyxy
    assert (x1 - x0) * (y1 - y0) >= 0.59
    assert any("scrap" in note for note in answer.notes)


def test_a_place_that_too_few_are_found_for_is_named_and_not_told_as_done(
    predictor: Predictor, cat: EncodedImage
):
    answer = predictor.suggest(cat, "the third cat from the left")

    assert answer.understood.kept == ("cat",)
    assert [note for note in answer.notes if "third from the left" in note] == [
        note for note in answer.notes if "not used" in note
    ]
    assert len(answer.notes) == 1


def test_a_width_that_the_first_crop_lacks_is_not_told_as_done(
    predictor: Predictor, cat: EncodedImage
):
    answer = predictor.suggest(cat, "a unicorn, tight")

    assert answer.understood.width == ""
    assert any("close" in note for note in answer.notes)
