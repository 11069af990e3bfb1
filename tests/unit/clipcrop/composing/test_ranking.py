from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest

from clipcrop.boxes import area, coverage, iou
from clipcrop.composing.composition import CompositionScorer
from clipcrop.composing.ranking import (
    MAX_IOUS,
    Proposals,
    Surroundings,
    judge,
    pick_different,
    rank,
    views,
)
from clipcrop.constraints import Constraints
from clipcrop.errors import InputError

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)

NOTHING = np.zeros((0, 4), np.float32)
PERSON = floats([[0.4, 0.3, 0.55, 0.8]])


class SizeScorer:
    """The larger the frame in what it is shown, the better; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def score(self, frames_xyxy, objects_xyxy, num_subjects, image_aspect):
        self.asked.append((frames_xyxy, objects_xyxy, num_subjects, image_aspect))
        return area(frames_xyxy)


class SmallnessScorer(SizeScorer):
    """The smaller the better."""

    def score(self, frames_xyxy, objects_xyxy, num_subjects, image_aspect):
        return 1 - super().score(frames_xyxy, objects_xyxy, num_subjects, image_aspect)


class ConstantScorer(SizeScorer):
    """All frames are as good."""

    def score(self, frames_xyxy, objects_xyxy, num_subjects, image_aspect):
        return np.full(len(frames_xyxy), 0.5, np.float32)


@pytest.fixture(scope="module")
def scorer():
    """The embedded composition score."""
    return CompositionScorer.load()


def suggest(scorer, subjects=PERSON, objects=NOTHING, excluded=NOTHING, **other):
    union = (
        np.concatenate([subjects[:, :2].min(0), subjects[:, 2:].max(0)]) if len(subjects) else None
    )
    constraints = other.pop("constraints", Constraints())
    width_px, height_px = other.pop("size_px", (1200, 800))
    return rank(
        union, subjects, objects, excluded, constraints, width_px, height_px, scorer, **other
    )


def test_suggestions_are_different_ranked_and_inside_the_image(scorer):
    ranking = suggest(scorer)

    overlaps = iou(ranking.frames_xyxy, ranking.frames_xyxy) - np.eye(8)
    assert len(ranking.frames_px) == 8
    assert float(overlaps.max()) <= MAX_IOUS[-1] + 0.01
    assert bool((np.diff(ranking.quality) <= 0).all())
    assert bool(((ranking.frames_xyxy >= 0) & (ranking.frames_xyxy <= 1)).all())


def test_what_the_quality_of_each_suggestion_is_made_of_is_logged(scorer, caplog):
    with caplog.at_level("DEBUG", "clipcrop.composing.ranking"):
        ranking = suggest(scorer)

    parts = [
        dict(part.split("=") for part in record.message.split()[1:]) for record in caplog.records
    ]
    assert [int(one["number"]) for one in parts] == list(range(1, len(ranking.quality) + 1))
    for one in parts:
        product = float(one["composition"]) * float(one["surround"]) * (1 - float(one["lost"]))
        assert float(one["quality"]) == pytest.approx(product, abs=0.003)
    assert {float(one["surround"]) for one in parts} != {1.0}


def test_pixels_and_normalised_frames_are_the_same_frames(scorer):
    ranking = suggest(scorer)

    size = floats([1200, 800, 1200, 800])
    assert_close(ranking.frames_xyxy * size, ranking.frames_px.astype(np.float32))


def test_every_suggestion_keeps_the_subject(scorer):
    ranking = suggest(scorer)

    assert float(coverage(PERSON, ranking.frames_xyxy).min()) > 0.999


def test_the_same_question_has_the_same_answer(scorer):
    first, second = suggest(scorer), suggest(scorer)

    assert first.frames_px.tolist() == second.frames_px.tolist()


def test_as_many_suggestions_come_as_are_asked_for(scorer):
    assert [len(suggest(scorer, count=count).frames_px) for count in (1, 3, 12)] == [1, 3, 12]


def test_nothing_asked_for_gives_general_crops(scorer):
    ranking = suggest(scorer, subjects=NOTHING, objects=PERSON)

    assert len(ranking.frames_px) == 8
    assert float(area(ranking.frames_xyxy).min()) > 0.1


@pytest.mark.parametrize("aspect", ["1:1", "16:9", "4:5", "original"])
def test_suggestions_have_the_ratio_that_was_asked_for(scorer, aspect):
    constraints = Constraints.parse(aspect)

    frames_px = suggest(scorer, constraints=constraints).frames_px

    size_px = (frames_px[:, 2:] - frames_px[:, :2]).astype(np.float32)
    ratio = np.full(len(frames_px), constraints.ratio(1200, 800))
    assert_close(size_px[:, 0] / size_px[:, 1], ratio, rtol=5e-3, atol=0)


def test_suggestions_are_at_least_the_minimum_size(scorer):
    constraints = Constraints(min_width_px=700, min_height_px=600)

    frames_px = suggest(scorer, constraints=constraints).frames_px

    assert bool((frames_px[:, 2:] - frames_px[:, :2] >= floats([700, 600])).all())


def test_a_minimum_size_larger_than_the_image_is_refused(scorer):
    with pytest.raises(InputError, match="does not fit"):
        suggest(scorer, constraints=Constraints(min_width_px=1201))


def test_a_frame_without_the_excluded_thing_beats_every_frame_with_it():
    car = floats([[0.75, 0.5, 0.95, 0.9]])

    ranking = suggest(SizeScorer(), excluded=car)

    visible = coverage(car, ranking.frames_xyxy)[0] > 0.02
    assert not bool(visible[0])
    assert bool((np.diff(visible.astype(int)) >= 0).all())
    assert float(coverage(PERSON, ranking.frames_xyxy)[0, 0]) > 0.99


def test_two_excluded_things_on_two_sides_are_both_left_out():
    cars = floats([[0.75, 0.5, 0.95, 0.9], [0.05, 0.5, 0.2, 0.9]])

    ranking = suggest(SizeScorer(), excluded=cars)

    assert float(coverage(cars, ranking.frames_xyxy[:1]).max()) <= 0.02


def test_the_subject_is_kept_though_the_excluded_thing_lies_on_it():
    hat = floats([[0.45, 0.35, 0.5, 0.4]])

    ranking = suggest(SizeScorer(), excluded=hat)

    assert float(coverage(PERSON, ranking.frames_xyxy).min()) > 0.99
    assert float(ranking.quality.max()) <= 0.5


def test_quality_never_rises_along_the_list_when_something_is_excluded(scorer):
    ranking = suggest(scorer, excluded=floats([[0.6, 0.3, 0.9, 0.8]]), count=20)

    assert bool((np.diff(ranking.quality) <= 0).all())


def test_where_the_ratio_forces_a_choice_subjects_are_kept_whole():
    people = floats([[0.02, 0.2, 0.2, 0.9], [0.4, 0.2, 0.6, 0.9], [0.8, 0.2, 0.98, 0.9]])

    ranking = suggest(
        SizeScorer(), subjects=people, constraints=Constraints(aspect=1.0), size_px=(1200, 600)
    )

    kept = coverage(people, ranking.frames_xyxy[:1])[:, 0]
    assert len(ranking.frames_px)
    assert int((kept > 0.98).sum()) >= 1


@pytest.mark.parametrize(
    ("scorer_class", "expected"), [(SizeScorer, True), (SmallnessScorer, False)]
)
def test_well_framed_means_that_no_frame_is_better_than_the_whole(scorer_class, expected):
    large = floats([[0.05, 0.05, 0.95, 0.95]])

    assert suggest(scorer_class(), subjects=large).is_well_framed is expected


def test_a_ratio_that_the_image_does_not_have_is_never_well_framed():
    assert not suggest(SizeScorer(), constraints=Constraints(aspect=1.0)).is_well_framed


def test_an_image_that_shows_what_was_excluded_is_not_well_framed():
    car = floats([[0.75, 0.5, 0.95, 0.9]])

    assert not suggest(SizeScorer(), excluded=car).is_well_framed


def test_a_small_subject_is_not_lost_in_the_background(scorer):
    bird = floats([[0.6, 0.4, 0.68, 0.52]])

    ranking = suggest(scorer, subjects=bird)

    assert not ranking.is_well_framed
    assert float(area(ranking.frames_xyxy)[0]) < 0.35


@pytest.mark.parametrize(
    ("side", "least_times", "most_times"), [(0.07, 6, 12), (0.1, 4, 9), (0.3, 1.7, 3.5)]
)
def test_the_first_crop_is_a_few_times_its_subject_and_more_for_a_small_one(
    scorer, side, least_times, most_times
):
    thing = floats([[0.4, 0.4, 0.4 + side, 0.4 + side]])

    first = suggest(scorer, subjects=thing).frames_xyxy[0]

    assert least_times < float(area(first)) / float(area(thing[0])) < most_times


def test_even_a_scorer_that_likes_large_frames_does_not_give_a_small_thing_the_photo():
    first = suggest(SizeScorer(), subjects=floats([[0.4, 0.4, 0.6, 0.6]])).frames_xyxy[0]

    assert float(area(first)) < 0.35


def test_a_thing_that_fills_the_photo_keeps_it(scorer):
    bus = floats([[0.03, 0.04, 0.98, 0.97]])

    assert float(area(suggest(scorer, subjects=bus).frames_xyxy[0])) > 0.9


def test_a_thing_that_is_nearly_as_high_as_the_photo_has_several_suggestions(scorer):
    person = floats([[0.05, 0.01, 0.73, 0.97]])

    assert len(suggest(scorer, subjects=person, size_px=(512, 512)).frames_px) >= 3


def test_several_things_are_whole_at_every_rank(scorer):
    things = floats([[0.1, 0.3, 0.2, 0.5], [0.4, 0.2, 0.5, 0.9], [0.7, 0.5, 0.95, 0.7]])

    ranking = suggest(scorer, subjects=things, count=20)

    assert float(coverage(things, ranking.frames_xyxy).min()) > 0.98


def test_close_medium_and_wide_are_among_the_first_four(scorer):
    ranking = suggest(scorer, subjects=floats([[0.4, 0.35, 0.6, 0.75]]))

    assert ranking.widths[0] == "medium"
    assert set(ranking.widths[:4]) == {"close", "medium", "wide"}
    assert bool((np.diff(ranking.quality) <= 0).all())
    sizes = dict(zip(ranking.widths[3::-1], area(ranking.frames_xyxy[3::-1]), strict=True))
    assert sizes["close"] * 1.25 < sizes["medium"] < sizes["wide"] / 1.25


@pytest.mark.parametrize("aspect", [None, 1.0, 16 / 9])
@pytest.mark.parametrize("width", ["close", "medium", "wide"])
def test_the_width_that_is_asked_for_is_the_first(scorer, width, aspect):
    thing = floats([[0.4, 0.3, 0.62, 0.5]])

    found = suggest(scorer, subjects=thing, constraints=Constraints(aspect=aspect), width=width)

    assert found.widths[0] == width
    assert bool((np.diff(found.quality) <= 0).all())


def test_a_clearly_better_wide_frame_is_the_first_unless_another_width_is_asked_for():
    thing = floats([[0.4, 0.4, 0.6, 0.6]])

    class WideScorer(SizeScorer):
        def score(self, frames_xyxy, objects_xyxy, num_subjects, image_aspect):
            sides = objects_xyxy[0, 2:] - objects_xyxy[0, :2]
            return np.where(area(frames_xyxy) > 6 * sides.prod(), 1.0, 0.2).astype(np.float32)

    assert suggest(WideScorer(), subjects=thing).widths[0] == "wide"
    assert suggest(WideScorer(), subjects=thing, width="medium").widths[0] == "medium"


def test_the_first_frame_does_not_behead_a_bystander():
    bicycle, rider = floats([[0.4, 0.5, 0.6, 0.8]]), floats([[0.42, 0.33, 0.55, 0.78]])

    ranking = suggest(ConstantScorer(), subjects=bicycle, surroundings=Surroundings(NOTHING, rider))

    assert float(coverage(rider, ranking.frames_xyxy[:1])[0, 0]) > 0.98


def test_a_width_that_would_show_what_is_excluded_does_not_come_first():
    car = floats([[0.56, 0.3, 0.8, 0.8]])

    ranking = suggest(SizeScorer(), excluded=car, width="wide")

    assert float(coverage(car, ranking.frames_xyxy[:1]).max()) <= 0.02


def test_general_crops_have_no_width(scorer):
    assert suggest(scorer, subjects=NOTHING, width="close").widths == ()


@pytest.mark.parametrize("side", [0.1, 0.2, 0.4])
def test_one_of_the_list_is_like_the_subject_grown_to_twice_its_area(scorer, side):
    thing = floats([[0.4, 0.3, 0.4 + side, 0.3 + side]])
    grown = floats([[0.4 - 0.21 * side, 0.3 - 0.21 * side, 0.4 + 1.21 * side, 0.3 + 1.21 * side]])

    ranking = suggest(scorer, subjects=thing)

    assert float(iou(grown, ranking.frames_xyxy).max()) > 0.75


def test_a_face_keeps_its_hair_ears_and_chin_at_every_rank(scorer):
    face = floats([[0.45, 0.3, 0.55, 0.45]])
    head = floats([[0.43, 0.25, 0.57, 0.475]])

    found = suggest(scorer, subjects=face, surroundings=Surroundings(face, NOTHING), count=20)

    assert float(coverage(head, found.frames_xyxy).min()) > 0.98


def test_of_a_person_that_does_not_fit_the_face_is_kept_wherever_it_is(scorer):
    lying = floats([[0.1, 0.2, 0.9, 0.8]])
    face = floats([[0.75, 0.6, 0.85, 0.75]])

    found = suggest(
        scorer,
        subjects=lying,
        surroundings=Surroundings(face, NOTHING),
        constraints=Constraints(aspect=3.0),
    )

    assert found.is_cut.all()
    assert float(coverage(face, found.frames_xyxy).min()) > 0.98


def test_of_two_things_that_do_not_fit_the_one_that_is_cut_is_told(scorer):
    men = floats([[0.02, 0.2, 0.3, 0.9], [0.7, 0.2, 0.98, 0.9]])

    found = suggest(scorer, subjects=men, constraints=Constraints(aspect=0.8))

    assert sorted(found.is_cut.tolist()) == [False, True]
    assert not suggest(scorer, subjects=men).is_cut.any()


def test_the_first_frame_does_not_end_in_the_middle_of_a_bystander():
    bystander = floats([[0.57, 0.3, 0.68, 0.85]])

    def shown_of_bystander(surroundings: Surroundings) -> float:
        ranking = suggest(ConstantScorer(), surroundings=surroundings)
        return float(coverage(bystander, ranking.frames_xyxy[:1])[0, 0])

    assert 0.2 < shown_of_bystander(Surroundings(NOTHING, NOTHING)) < 0.8
    shown = shown_of_bystander(Surroundings(NOTHING, bystander))
    assert shown < 0.15 or shown > 0.9


def test_views_grow_from_round_a_small_subject_to_the_whole_image():
    found = views(floats([0.02, 0.5, 0.12, 0.6]))

    sides = [[round(float(side), 3) for side in view[2:] - view[:2]] for view in found]
    assert sides == [[0.4, 0.4], [0.8, 0.8], [1.0, 1.0]]
    assert all(bool(((view >= 0) & (view <= 1)).all()) for view in found)


def test_a_large_subject_is_judged_in_the_whole_image_only():
    assert [view.tolist() for view in views(floats([0.2, 0.2, 0.8, 0.9]))] == [[0, 0, 1, 1]]


def test_a_frame_is_judged_in_the_smallest_view_that_holds_it():
    scorer = SizeScorer()
    bird = floats([[0.5, 0.5, 0.6, 0.6]])
    far_away = floats([[0.0, 0.0, 0.1, 0.1]])
    frames = floats([[0.45, 0.45, 0.65, 0.65], [0.0, 0.0, 1.0, 1.0]])

    judge(frames, bird[0], np.concatenate([bird, far_away]), 1, 1.5, scorer)

    (near, near_objects, *_), (whole, whole_objects, *_) = scorer.asked
    assert_close(near, floats([[0.25, 0.25, 0.75, 0.75]]))
    assert_close(near_objects, floats([[0.375, 0.375, 0.625, 0.625]]))
    assert_close(whole, frames[1:])
    assert len(whole_objects) == 2


def test_an_object_that_is_the_subject_is_not_counted_twice():
    scorer = SizeScorer()

    suggest(scorer, objects=np.concatenate([PERSON + 0.005, floats([[0.7, 0.1, 0.9, 0.3]])]))

    assert scorer.asked[-1][1].shape == (2, 4)


def test_picking_skips_near_duplicates_and_keeps_the_order_of_equals():
    frames = floats([[0.0, 0, 0.5, 1], [0.01, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 1, 0.3]])

    picked = pick_different(frames, floats([0.9, 0.8, 0.5, 0.5]), count=3)

    assert picked.tolist() == [0, 2, 3]


def test_picking_takes_near_duplicates_rather_than_too_few():
    frames = floats([[0.0, 0, 0.5, 1], [0.05, 0, 0.5, 1], [0.0, 0, 0.5001, 1]])

    picked = pick_different(frames, floats([0.9, 0.8, 0.7]), count=3)

    assert picked.tolist() == [0, 1]


@pytest.mark.parametrize("size_px", [(1, 1), (1, 10_000), (10_000, 1), (2, 3)])
@pytest.mark.parametrize("subjects", [NOTHING, PERSON], ids=["none", "one"])
def test_degenerate_images_get_a_suggestion(scorer, size_px, subjects):
    ranking = suggest(scorer, subjects=subjects, size_px=size_px)

    assert len(ranking.frames_px)
    assert bool((ranking.frames_px[:, 2:] > ranking.frames_px[:, :2]).all())
    assert bool(np.isfinite(ranking.quality).all())


def test_a_crowd_of_everything_is_ranked_without_delay(scorer):
    corner = np.random.default_rng(0).random((40, 2), np.float32) * 0.8
    crowd = np.concatenate([corner, corner + 0.1], axis=1)

    start = time.process_time()
    ranking = suggest(scorer, subjects=crowd[:5], objects=crowd, excluded=crowd[30:])

    assert len(ranking.frames_px)
    assert time.process_time() - start < 1.0


def test_of_a_person_too_tall_for_the_ratio_the_head_is_kept(scorer):
    standing = floats([[0.2, 0.1, 0.8, 1.0]])

    ranking = suggest(
        scorer, subjects=standing, constraints=Constraints(aspect=16 / 9), size_px=(800, 1200)
    )

    left, top, right, bottom = ranking.frames_xyxy[0].tolist()
    assert top <= 0.1
    assert bottom >= 0.1 + 0.3 * 0.9
    assert left <= 0.2 < 0.8 <= right


CROP = floats([[0.33, 0.2, 0.62, 0.87]])


def test_proposals_join_the_frames_and_are_told_apart(scorer):
    found = suggest(scorer, proposals=Proposals(CROP, floats([1.0])))

    assert bool(found.is_proposed[0])
    assert_close(found.frames_xyxy[:1], CROP, atol=1e-3, rtol=0)
    assert not suggest(scorer).is_proposed.any()


def test_a_proposal_that_its_maker_thinks_little_of_ranks_lower(scorer):
    def quality_of(quality: float) -> float:
        found = suggest(scorer, proposals=Proposals(CROP, floats([quality])), count=100)
        return max(found.quality[found.is_proposed].tolist(), default=0.0)

    assert quality_of(0.9) > quality_of(0.7) + 0.05


def test_a_proposal_that_loses_the_subject_is_left_out(scorer):
    beside = floats([[0.6, 0.1, 0.95, 0.9]])

    found = suggest(scorer, proposals=Proposals(beside, floats([1.0])), count=100)

    assert not found.is_proposed.any()


def test_a_proposal_that_cuts_the_feet_is_left_out_where_other_frames_hold_them(scorer):
    no_feet = floats([[0.33, 0.2, 0.62, 0.785]])

    found = suggest(scorer, proposals=Proposals(no_feet, floats([1.0])), count=100)

    assert not found.is_proposed.any()


def test_proposals_obey_the_ratio(scorer):
    found = suggest(
        scorer,
        proposals=Proposals(CROP, floats([1.0])),
        constraints=Constraints(aspect=1.0),
    )

    assert bool(found.is_proposed[0])
    sides = found.frames_px[:, 2:] - found.frames_px[:, :2]
    assert bool((sides[:, 0] == sides[:, 1]).all())


def test_proposals_without_an_area_are_left_out(scorer):
    flat = floats([[1.0, 0.2, 1.0, 0.8]])

    found = suggest(scorer, proposals=Proposals(flat, floats([1.0])), count=100)

    assert not found.is_proposed.any()
