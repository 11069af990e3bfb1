from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest

from clipcrop.arrays import FloatArray
from clipcrop.boxes import xyxy_to_cxcywh
from clipcrop.encoders.base import ImageTokens
from clipcrop.grounding import (
    IS_EXCLUDED,
    TOO_WEAK,
    WEAK_BESIDE_OTHERS,
    GroundingOptions,
    ground,
    ground_closely,
    ground_with,
)
from clipcrop.prompt.parser import IMAGE_QUERY, Prompt, Text
from clipcrop.prompt.places import Place
from clipcrop.suggestions import NOTHING_TO_LEAVE_OUT, UNKNOWN, UNKNOWN_TO_LEAVE_OUT

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)

Box = tuple[float, float, float, float]

LEFT: Box = (0.0, 0.25, 0.25, 0.75)
RIGHT: Box = (0.75, 0.25, 1.0, 0.75)
MIDDLE: Box = (0.375, 0.25, 0.625, 0.75)
CORNER: Box = (0.875, 0.875, 1.0, 1.0)
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

DOG, CAT, HAT = range(3)


def made_tokens(*rows: tuple[Box, dict[int, float]], num_masked: int = 0) -> ImageTokens:
    """Made tokens: a box, and how much it is like a dog, a cat or a hat; then masked ones, each
    like everything."""
    count = len(rows) + num_masked
    boxes = floats([row[0] for row in rows] + [WHOLE] * num_masked).reshape(1, count, 4)
    classes = np.zeros((1, count, 3), np.float32)
    for index, (_, scores) in enumerate(rows):
        for thing, score in scores.items():
            classes[0, index, thing] = score
    classes[0, len(rows) :] = 1.0
    mask = np.arange(count)[None] < len(rows)
    return ImageTokens(
        np.zeros((1, count, 4), np.float32),
        classes,
        xyxy_to_cxcywh(boxes),
        np.ones((1, count), np.float32),
        mask,
    )


def like(*things: int | None) -> FloatArray:
    """An embedding for each text: of a thing, or zeros where the encoder knows nothing."""
    rows = np.zeros((len(things), 3), np.float32)
    for row, thing in enumerate(things):
        if thing is not None:
            rows[row, thing] = 1
    return rows


def prompt_of(*texts: Text, without: tuple[Text, ...] = ()) -> Prompt:
    return Prompt("made", texts, without)


def union(box: Box) -> FloatArray:
    return floats(box)


class Doubter:
    """An encoder that is half as sure as its scores."""

    name = "doubter"
    min_score = 0.2
    sure_score = 0.4
    min_query_score = 0.2

    def confidence(
        self, tokens: ImageTokens, text_embeddings: FloatArray, scores: FloatArray
    ) -> FloatArray:
        return scores / 2

    def taken_for(self, text: Text) -> str | None:
        return "any dog" if text.head == "beagle" else None


def test_what_the_encoder_is_less_sure_of_is_perhaps_there() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}), (RIGHT, {CAT: 0.6}), (MIDDLE, {HAT: 0.3}))
    prompt = prompt_of(Text("dog"), Text("cat"), Text("hat"))

    found = ground_with(Doubter(), tokens, like(DOG, CAT, HAT), prompt)  # type: ignore[arg-type]

    assert [(one.text, one.is_sure) for one in found.detections] == [("dog", True), ("cat", False)]
    assert_close([one.score for one in found.detections], [0.45, 0.3])
    assert [(one.text, one.reason) for one in found.dropped] == [("hat", TOO_WEAK)]


def test_what_is_taken_for_something_else_is_never_surely_found() -> None:
    prompt = prompt_of(Text("the beagle", "beagle"), Text("the dog", "dog"))

    found = ground_with(Doubter(), made_tokens((LEFT, {DOG: 1.0})), like(DOG, DOG), prompt)  # type: ignore[arg-type]

    assert [(one.text, one.is_sure) for one in found.detections] == [
        ("the beagle", False),
        ("the dog", True),
    ]


def test_an_example_is_as_sure_as_it_is_alike() -> None:
    prompt = prompt_of(IMAGE_QUERY)

    found = ground_with(Doubter(), made_tokens((LEFT, {DOG: 0.6})), like(DOG), prompt)  # type: ignore[arg-type]

    assert found.detections[0].score == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("score", "looks"),
    [
        pytest.param(0.9, False, id="found"),
        pytest.param(0.6, True, id="perhaps"),
        pytest.param(0.1, True, id="not found"),
    ],
)
def test_parts_are_looked_at_where_something_is_not_surely_found(score: float, looks: bool) -> None:
    whole, parts = made_tokens((LEFT, {DOG: score})), made_tokens((RIGHT, {DOG: 0.95}))
    looked: list[bool] = []

    def look_closer() -> ImageTokens:
        looked.append(True)
        return parts

    found, tokens = ground_closely(
        Doubter(),  # type: ignore[arg-type]
        whole,
        like(DOG),
        prompt_of(Text("dog")),
        look_closer=look_closer,
    )

    assert bool(looked) is looks
    assert found.best is not None
    assert_close(found.best.box_xyxy, RIGHT if looks else LEFT)
    assert tokens.mask.shape[1] == (2 if looks else 1)


def test_what_is_surely_found_in_the_whole_is_not_looked_for_in_parts() -> None:
    whole = made_tokens((LEFT, {DOG: 0.9}), (MIDDLE, {CAT: 0.5}))
    parts = made_tokens((RIGHT, {DOG: 0.95, CAT: 0.9}))

    found, _ = ground_closely(
        Doubter(),  # type: ignore[arg-type]
        whole,
        like(DOG, CAT),
        prompt_of(Text("dogs", max_count=None), Text("cat")),
        look_closer=lambda: parts,
    )

    assert found.selected.tolist() == [0, 2]
    assert_close([one.box_xyxy for one in found.detections], [LEFT, RIGHT])


def test_parts_cannot_show_what_the_encoder_does_not_know() -> None:
    def look_closer() -> ImageTokens:
        pytest.fail("looked closer")

    ground_closely(
        Doubter(),  # type: ignore[arg-type]
        made_tokens((LEFT, {DOG: 0.9})),
        like(None),
        prompt_of(Text("zorb")),
        look_closer=look_closer,
    )


def test_the_surest_token_is_the_best_whatever_its_score() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}), (RIGHT, {DOG: 0.5}))

    found = ground(tokens, like(DOG), prompt_of(Text("dog")), confidence=floats([[0.3, 0.8]]))

    assert found.selected.tolist() == [1]


SMALL: Box = (0.0, 0.0, 0.1, 0.2)


def test_of_two_about_as_likely_the_larger_and_more_central_one_is_meant() -> None:
    tokens = made_tokens((SMALL, {DOG: 0.9}), (MIDDLE, {DOG: 0.8}))

    found = ground(tokens, like(DOG), prompt_of(Text("dog")))

    assert found.selected.tolist() == [1]


def test_a_large_box_that_is_much_less_likely_is_not_meant() -> None:
    tokens = made_tokens((SMALL, {DOG: 0.9}), (MIDDLE, {DOG: 0.5}))

    found = ground(tokens, like(DOG), prompt_of(Text("dog")))

    assert found.selected.tolist() == [0]


def test_the_one_that_touches_the_other_thing_asked_for_is_meant() -> None:
    hat = (0.05, 0.05, 0.15, 0.1)
    tokens = made_tokens((MIDDLE, {DOG: 0.9}), (SMALL, {DOG: 0.8}), (hat, {HAT: 0.9}))

    found = ground(tokens, like(DOG, HAT), prompt_of(Text("dog"), Text("hat")))

    assert found.selected.tolist() == [1, 2]


def test_a_text_selects_the_box_of_its_best_token() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.6}), (RIGHT, {DOG: 0.9}), (MIDDLE, {CAT: 0.95}))

    found = ground(tokens, like(DOG), prompt_of(Text("dog")))

    assert found.selected.tolist() == [1]
    (detection,) = found.detections
    assert (detection.text, detection.box_xyxy, detection.token) == ("dog", RIGHT, 1)
    assert detection.score == pytest.approx(0.9)
    assert_close(found.union_box_xyxy, union(RIGHT))
    assert found.best == detection


def test_union_box_holds_all_keywords() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.8}), (MIDDLE, {CAT: 0.5}), (RIGHT, {HAT: 0.9}))

    found = ground(tokens, like(DOG, CAT), prompt_of(Text("dog"), Text("cat")))

    assert_close(found.union_box_xyxy, union((0.0, 0.25, 0.625, 0.75)))


@pytest.mark.parametrize(
    ("score", "embedding", "reason"),
    [
        pytest.param(0.05, CAT, TOO_WEAK, id="below the floor"),
        pytest.param(0.15, CAT, WEAK_BESIDE_OTHERS, id="below a share of the best text"),
        pytest.param(0.0, None, UNKNOWN, id="unknown to the encoder"),
    ],
)
def test_a_text_that_is_not_there_is_dropped_and_named(
    score: float, embedding: int | None, reason: str
) -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}), (RIGHT, {CAT: score}))

    found = ground(tokens, like(DOG, embedding), prompt_of(Text("dog"), Text("cat")))

    (dropped,) = found.dropped
    assert (dropped.text, dropped.reason) == ("cat", reason)
    assert dropped.score == pytest.approx(score)
    assert_close(found.union_box_xyxy, union(LEFT))


def test_nothing_found_has_no_union_box_but_still_a_best_box_to_measure() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.04}), (RIGHT, {DOG: 0.03}))

    found = ground(
        tokens, like(DOG, DOG), prompt_of(Text("the dog", is_whole_prompt=True), Text("dog"))
    )

    assert found.union_box_xyxy is None
    assert (found.detections, found.selected.tolist()) == ((), [])
    assert [dropped.text for dropped in found.dropped] == ["dog"]
    assert found.best is not None
    assert found.best.box_xyxy == LEFT


def test_a_prompt_without_texts_finds_nothing() -> None:
    found = ground(made_tokens((LEFT, {DOG: 1.0})), np.zeros((0, 3), np.float32), prompt_of())

    assert (found.union_box_xyxy, found.best, found.dropped) == (None, None, ())


def test_masked_tokens_are_never_selected() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.5}), num_masked=3)

    found = ground(tokens, like(DOG), prompt_of(Text("dogs", max_count=None)))

    assert found.selected.tolist() == [0]


def test_an_image_of_masked_tokens_alone_is_general() -> None:
    found = ground(made_tokens(num_masked=2), like(DOG), prompt_of(Text("dog")))

    assert found.union_box_xyxy is None
    assert found.best is None


@pytest.mark.parametrize(
    ("max_count", "expected"),
    [
        pytest.param(1, [0], id="a dog"),
        pytest.param(2, [0, 2], id="two dogs"),
        pytest.param(None, [0, 2, 3], id="dogs"),
        pytest.param(9, [0, 2, 3, 4], id="nine dogs"),
    ],
)
def test_counts_limit_how_many_distinct_boxes_are_taken(
    max_count: int | None, expected: list[int]
) -> None:
    nearly_left = (0.0, 0.25, 0.24, 0.75)  # IoU .96 with the left one
    tokens = made_tokens(
        (LEFT, {DOG: 0.8}),
        (nearly_left, {DOG: 0.75}),
        (RIGHT, {DOG: 0.6}),
        (MIDDLE, {DOG: 0.4}),  # half of the best
        (CORNER, {DOG: 0.3}),  # less than that
    )

    found = ground(tokens, like(DOG), prompt_of(Text("dogs", max_count=max_count)))

    assert found.selected.tolist() == expected


def test_a_count_finds_what_scores_less_than_the_floor() -> None:
    # Three dogs as OWL-ViT scores them; without the count the weakest are not there.
    tokens = made_tokens((LEFT, {DOG: 0.31}), (RIGHT, {DOG: 0.18}), (MIDDLE, {DOG: 0.075}))
    counted, uncounted = Text("dogs", max_count=3), Text("dogs", max_count=None)

    assert ground(tokens, like(DOG), prompt_of(counted)).selected.tolist() == [0, 1, 2]
    assert ground(tokens, like(DOG), prompt_of(uncounted)).selected.tolist() == [0, 1]


@pytest.mark.parametrize(("score", "is_found"), [(0.59, False), (0.61, True)])
def test_an_example_image_has_a_floor_of_its_own(score: float, is_found: bool) -> None:
    tokens = made_tokens((LEFT, {DOG: score}), (RIGHT, {CAT: 0.2}))
    options = GroundingOptions(min_score=0.1, min_query_score=0.6)

    found = ground(tokens, like(DOG, CAT), prompt_of(IMAGE_QUERY, Text("cat")), options)

    texts = [one.text for one in found.detections]
    assert texts == (["image query", "cat"] if is_found else ["cat"])


def test_a_plural_leaves_out_parts_of_what_it_has() -> None:
    head = (0.05, 0.25, 0.15, 0.35)
    tokens = made_tokens((LEFT, {DOG: 0.8}), (head, {DOG: 0.7}), (RIGHT, {DOG: 0.6}))

    found = ground(tokens, like(DOG), prompt_of(Text("dogs", max_count=None)))

    assert found.selected.tolist() == [0, 2]


def test_a_plural_keeps_the_whole_of_what_it_had_a_part_of() -> None:
    head = (0.05, 0.25, 0.15, 0.35)
    tokens = made_tokens((head, {DOG: 0.8}), (LEFT, {DOG: 0.7}))

    found = ground(tokens, like(DOG), prompt_of(Text("dogs", max_count=None)))

    assert_close(found.union_box_xyxy, union(LEFT))


def test_a_plural_finds_a_second_thing_behind_hundreds_of_tokens_of_the_first() -> None:
    first = [((0.0, 0.25, 0.25 + step / 10_000, 0.75), {DOG: 0.9}) for step in range(300)]
    tokens = made_tokens(*first, (RIGHT, {DOG: 0.6}))

    found = ground(tokens, like(DOG), prompt_of(Text("dogs", max_count=None)))

    assert found.selected.tolist() == [0, 300]


def test_boxes_without_area_do_not_keep_it_from_ending() -> None:
    point = (0.5, 0.5, 0.5, 0.5)
    tokens = made_tokens((point, {DOG: 0.9}), (point, {DOG: 0.8}))

    found = ground(tokens, like(DOG), prompt_of(Text("dogs", max_count=None)))

    assert found.selected.tolist() == [0, 1]


def test_a_plural_is_capped() -> None:
    boxes = [(x / 20, 0.0, (x + 1) / 20, 1.0) for x in range(20)]
    tokens = made_tokens(*((box, {DOG: 0.5}) for box in boxes))

    found = ground(tokens, like(DOG), prompt_of(Text("dogs", max_count=None)))

    assert len(found.detections) == GroundingOptions().max_plural == 12


WHOLE_PROMPT = Text("the dog and the cat", is_whole_prompt=True)


def test_the_whole_prompt_does_not_blow_up_what_its_keywords_found() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.8}), (WHOLE, {HAT: 0.9}))

    found = ground(tokens, like(HAT, DOG), prompt_of(WHOLE_PROMPT, Text("dog")))

    assert_close(found.union_box_xyxy, union(LEFT))
    assert [detection.text for detection in found.detections] == ["dog"]


def test_the_whole_prompt_selects_where_no_keyword_does() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.01}), (RIGHT, {HAT: 0.9}))

    found = ground(tokens, like(HAT, DOG), prompt_of(WHOLE_PROMPT, Text("dog")))

    assert_close(found.union_box_xyxy, union(RIGHT))
    assert [detection.text for detection in found.detections] == ["the dog and the cat"]
    assert [dropped.text for dropped in found.dropped] == ["dog"]


def test_the_whole_prompt_counts_for_the_tokens_but_is_not_reported_twice() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.8}))

    found = ground(
        tokens, like(DOG, DOG), prompt_of(Text("dog", is_whole_prompt=True), Text("dog"))
    )

    assert found.selected.tolist() == [0, 0]
    assert len(found.detections) == 1


@pytest.mark.parametrize(
    ("variant", "expected"), [("main", [2]), ("key", [0, 1]), ("both", [2, 0, 1])]
)
def test_the_papers_way_takes_one_token_for_each_text_and_drops_nothing(
    variant: str, expected: list[int]
) -> None:
    tokens = made_tokens(
        (LEFT, {DOG: 0.9}), (MIDDLE, {CAT: 0.01}), (CORNER, {HAT: 0.5}), (RIGHT, {DOG: 0.8})
    )
    texts = (WHOLE_PROMPT, Text("dogs", max_count=None), Text("cat"))

    found = ground(
        tokens,
        like(HAT, DOG, CAT),
        prompt_of(*texts),
        GroundingOptions.paper(variant),  # type: ignore[arg-type]
    )

    # The whole prompt is the first text, so its token comes first.
    assert found.selected.tolist() == expected
    assert found.dropped == ()


def test_the_papers_union_box_holds_every_initial_box() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}), (MIDDLE, {CAT: 0.01}), (CORNER, {HAT: 0.5}))

    found = ground(
        tokens,
        like(HAT, DOG, CAT),
        prompt_of(WHOLE_PROMPT, Text("dog"), Text("cat")),
        GroundingOptions.paper(),
    )

    assert_close(found.union_box_xyxy, union((0.0, 0.25, 1.0, 1.0)))


def test_a_variant_without_texts_of_its_kind_takes_the_others() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}))

    found = ground(
        tokens,
        like(DOG),
        prompt_of(Text("12", is_whole_prompt=True)),
        GroundingOptions.paper("key"),
    )

    assert found.selected.tolist() == [0]


def test_exclusions_are_found_and_are_no_part_of_the_union() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}), (RIGHT, {CAT: 0.8}), (CORNER, {CAT: 0.7}))
    cats = (Text("cats", max_count=None),)

    found = ground(tokens, like(DOG, CAT), prompt_of(Text("dog"), without=cats))

    assert [detection.box_xyxy for detection in found.excluded] == [RIGHT, CORNER]
    assert_close(found.union_box_xyxy, union(LEFT))


def test_an_exclusion_that_is_not_there_excludes_nothing() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}), (RIGHT, {CAT: 0.05}))

    found = ground(tokens, like(DOG, CAT), prompt_of(Text("dog"), without=(Text("cat"),)))

    assert found.excluded == ()
    assert [(one.text, one.reason) for one in found.dropped] == [("cat", NOTHING_TO_LEAVE_OUT)]


def test_an_exclusion_that_the_encoder_does_not_know_is_named() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}))

    found = ground(tokens, like(DOG, None), prompt_of(Text("dog"), without=(Text("zorb"),)))

    assert [(dropped.text, dropped.reason) for dropped in found.dropped] == [
        ("zorb", UNKNOWN_TO_LEAVE_OUT)
    ]


def test_what_is_asked_for_is_kept_where_the_encoder_cannot_tell_it_from_the_exclusion() -> None:
    """To the lite encoder, man and woman are both a person."""
    tokens = made_tokens((LEFT, {DOG: 0.9}), (RIGHT, {DOG: 0.8}))

    found = ground(tokens, like(DOG, DOG), prompt_of(Text("woman"), without=(Text("man"),)))

    assert_close(found.union_box_xyxy, union(LEFT))
    assert [detection.box_xyxy for detection in found.excluded] == [RIGHT]


def test_a_box_that_is_more_like_the_exclusion_is_given_up() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.3, CAT: 0.8}))

    found = ground(tokens, like(DOG, CAT), prompt_of(Text("dog"), without=(Text("cat"),)))

    assert found.union_box_xyxy is None
    assert [(dropped.text, dropped.reason) for dropped in found.dropped] == [("dog", IS_EXCLUDED)]
    assert [detection.text for detection in found.excluded] == ["cat"]


def test_an_exclusion_alone_is_general_and_knows_what_to_avoid() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}), (RIGHT, {CAT: 0.8}))

    found = ground(tokens, like(CAT), prompt_of(without=(Text("cat"),)))

    assert found.union_box_xyxy is None
    assert [detection.box_xyxy for detection in found.excluded] == [RIGHT]


def test_boxes_that_stick_out_are_cut_at_the_image() -> None:
    tokens = made_tokens(((-0.25, 0.5, 0.5, 1.5), {DOG: 0.9}))

    found = ground(tokens, like(DOG), prompt_of(Text("dog")))

    assert found.detections[0].box_xyxy == (0.0, 0.5, 0.5, 1.0)


def test_options_refuse_what_selects_nothing() -> None:
    with pytest.raises(ValueError, match="no such variant: 'all'"):
        GroundingOptions(variant="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="min_box_share must be between 0 and 1, got 2"):
        GroundingOptions(min_box_share=2)
    with pytest.raises(ValueError, match="max_iou must be above 0"):
        GroundingOptions(max_iou=0)
    with pytest.raises(ValueError, match="max_plural must be at least 1, got 0"):
        GroundingOptions(max_plural=0)


def test_embeddings_must_fit_the_texts() -> None:
    with pytest.raises(ValueError, match="2 embeddings for the 1 texts"):
        ground(made_tokens((LEFT, {DOG: 1.0})), like(DOG, CAT), prompt_of(Text("dog")))


def test_a_full_size_image_is_grounded_without_comparing_all_boxes() -> None:
    draw = np.random.default_rng(0)
    count, width = 1_100, 1_080
    tokens = ImageTokens(
        np.zeros((1, count, 8), np.float32),
        draw.random((1, count, width), np.float32),
        draw.random((1, count, 4), np.float32) / 2,
        np.ones((1, count), np.float32),
        np.ones((1, count), bool),
    )
    embeddings = draw.random((5, width), np.float32) / width
    prompt = prompt_of(*(Text(str(number), max_count=None) for number in range(5)))

    durations_s = []
    for _ in range(10):
        started = time.process_time()
        ground(tokens, embeddings, prompt)
        durations_s.append(time.process_time() - started)

    assert min(durations_s) < 0.05  # about 3 ms; comparing all boxes takes longer than this


def test_what_is_given_up_is_named_once() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.3, CAT: 0.8}))
    wanted = (Text("dog", is_whole_prompt=True), Text("dog"))

    found = ground(tokens, like(DOG, DOG, CAT), prompt_of(*wanted, without=(Text("cat"),)))

    assert [dropped.text for dropped in found.dropped] == ["dog"]


def test_an_exclusion_that_is_only_what_was_asked_for_is_named_and_stays() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.9}))

    found = ground(tokens, like(DOG, DOG), prompt_of(Text("woman"), without=(Text("man"),)))

    assert_close(found.union_box_xyxy, union(LEFT))
    assert (found.kept, found.dropped, found.excluded) == (("man",), (), ())


def test_a_place_chooses_among_what_was_found() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.5}), (RIGHT, {DOG: 0.9}), (MIDDLE, {DOG: 0.1}))
    dog = Text("dog", places=(Place(("left",)),))

    found = ground(tokens, like(DOG), prompt_of(dog))

    assert [one.box_xyxy for one in found.detections] == [LEFT]
    assert found.unplaced == ()


def test_too_few_to_choose_among_gives_the_surest_and_says_so() -> None:
    tokens = made_tokens((LEFT, {DOG: 0.5}), (RIGHT, {DOG: 0.9}))
    dog = Text("dog", places=(Place(("left",), rank=3),))

    found = ground(tokens, like(DOG), prompt_of(dog))

    assert [one.box_xyxy for one in found.detections] == [RIGHT]
    assert found.unplaced == ("dog (third from the left)",)


@pytest.mark.parametrize("count", [1, None])
def test_one_of_several_is_left_out_by_its_place(count: int | None) -> None:
    tokens = made_tokens((LEFT, {DOG: 0.6}), (RIGHT, {DOG: 0.9}))
    right = Text("dog", places=(Place(("right",)),))

    found = ground(
        tokens, like(DOG, DOG), prompt_of(Text("dog", max_count=count), without=(right,))
    )

    assert [one.box_xyxy for one in found.detections] == [LEFT]
    assert [one.box_xyxy for one in found.excluded] == [RIGHT]
