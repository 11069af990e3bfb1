from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from clipcrop.boxes import area, coverage
from clipcrop.composing.candidates import candidates, fit, to_pixels
from clipcrop.constraints import Constraints
from clipcrop.errors import InputError

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)

PERSON = floats([0.4, 0.3, 0.55, 0.8])


@pytest.mark.parametrize(
    ("aspect", "min_size", "largest"),
    [
        pytest.param("free", "1001x10", "1000 x 500", id="wider than the image"),
        pytest.param("1:1", "600x10", "500 x 500", id="wider than any square in it"),
        pytest.param("original", "10x501", "1000 x 500", id="higher than the image"),
    ],
)
def test_a_minimum_size_that_cannot_be_says_what_can(aspect, min_size, largest):
    with pytest.raises(InputError, match=f"largest frame of this image is {largest} px"):
        candidates(PERSON, Constraints.parse(aspect, min_size), 1000, 500)


@pytest.mark.parametrize("aspect", ["free", "original", "1:1", "16:9", "9:16", "2.39:1"])
@pytest.mark.parametrize("subject", [PERSON, None], ids=["a subject", "nothing asked for"])
def test_frames_lie_in_the_image_are_different_and_a_few_hundred(aspect, subject):
    frames = candidates(subject, Constraints.parse(aspect), 1200, 800)

    assert 25 <= len(frames) <= 600
    assert bool(((frames >= 0) & (frames <= 1)).all())
    assert bool((frames[:, 2:] > frames[:, :2]).all())
    assert len(np.unique(frames, axis=0)) == len(frames)


def test_every_frame_keeps_the_subject_and_more_air_above_than_below():
    x0, y0, x1, y1 = PERSON.tolist()

    frames = candidates(PERSON, Constraints(aspect=1.0), 1000, 1000)

    least = [x0 - frames[:, 0].max(), y0 - frames[:, 1].max()]
    least += [frames[:, 2].min() - x1, frames[:, 3].min() - y1]
    assert [round(float(air), 3) for air in least] == [0.026, 0.039, 0.026, 0.026]


def test_a_subject_cut_by_the_image_may_touch_the_frame_there_only():
    frames = candidates(floats([0.0, 0.3, 0.3, 0.7]), Constraints(), 1000, 1000)

    tightest = frames[area(frames).argmin()]

    assert float(tightest[0]) == 0.0
    assert float(tightest[1]) < 0.28
    assert float(tightest[2]) > 0.32


def test_frames_range_from_tight_to_the_whole_image():
    frames = candidates(PERSON, Constraints(), 1000, 1000)

    assert [0.0, 0.0, 1.0, 1.0] in frames.tolist()
    assert float(area(frames).min()) < 3 * float(area(PERSON))


def test_half_of_the_frames_are_a_few_times_the_subject():
    frames = candidates(PERSON, Constraints(), 1200, 800)

    assert float(np.median(area(frames))) < 6 * float(area(PERSON))


def test_free_frames_follow_the_shape_of_the_subject():
    tower = floats([0.45, 0.2, 0.5, 0.8])

    frames = candidates(tower, Constraints(), 1000, 1000)

    assert float(((frames[:, 2] - frames[:, 0]) / (frames[:, 3] - frames[:, 1])).min()) < 0.5


def test_a_tiny_subject_gets_frames_of_a_useful_size():
    frames = candidates(floats([0.5, 0.5, 0.501, 0.501]), Constraints(), 1000, 1000)

    assert float((frames[:, 2:] - frames[:, :2]).max(axis=1).min()) >= 0.149


@pytest.mark.parametrize("ratio", [1.0, 16 / 9, 0.5, 2.39])
def test_frames_have_the_ratio_that_was_asked_for(ratio):
    frames = candidates(PERSON, Constraints(aspect=ratio), 1200, 800)

    size = frames[:, 2:] - frames[:, :2]
    ratios = (size[:, 0] * 1200) / (size[:, 1] * 800)
    assert_close(ratios, np.full_like(ratios, ratio), rtol=1e-3, atol=0)


def test_a_subject_that_does_not_fit_the_ratio_is_kept_as_far_as_it_goes():
    wide = floats([[0.0, 0.3, 1.0, 0.6]])

    frames = candidates(wide[0], Constraints(aspect=1.0), 2000, 1000)

    kept = coverage(wide, frames)[0]
    assert float(kept.min()) == pytest.approx(0.5, abs=1e-3)
    assert {round(float(x0), 2) for x0 in frames[:, 0]} >= {0.0, 0.25, 0.5}


def test_frames_are_at_least_the_minimum_size():
    frames = candidates(PERSON, Constraints(min_width_px=900, min_height_px=500), 1200, 800)

    size = (frames[:, 2:] - frames[:, :2]) * floats([1200, 800])
    assert len(frames)
    assert bool((size >= floats([899.5, 499.5]) - 0.01).all())


def test_frames_stay_in_the_region_that_is_given():
    region = floats([0.3, 0.1, 1.0, 0.9])

    frames = candidates(PERSON, Constraints(), 1200, 800, within_xyxy=region)

    assert len(frames)
    assert bool((frames[:, :2] >= region[:2] - 1e-4).all())
    assert bool((frames[:, 2:] <= region[2:] + 1e-4).all())


@pytest.mark.parametrize("size_px", [(1, 1), (1, 10_000), (10_000, 1), (3, 2), (12_000, 9_000)])
@pytest.mark.parametrize("aspect", ["free", "original", "1:1", "16:9"])
@pytest.mark.parametrize(
    "subject",
    [None, floats([0.0, 0.0, 1.0, 1.0]), floats([0.5, 0.5, 0.5, 0.5])],
    ids=["none", "the whole image", "a point"],
)
def test_degenerate_images_have_frames_of_at_least_a_pixel(size_px, aspect, subject):
    constraints = Constraints.parse(aspect)

    frames = candidates(subject, constraints, *size_px)
    frames_px = to_pixels(frames, *size_px, constraints.ratio(*size_px))

    assert len(frames_px)
    assert bool((frames_px >= 0).all())
    assert bool((frames_px[:, 2:] - frames_px[:, :2] >= 1).all())
    assert bool((frames_px[:, 2:] <= floats(size_px)).all())


def test_pixels_of_a_free_frame_are_the_nearest_ones():
    frames_px = to_pixels(floats([[0.1004, 0.2, 0.8996, 1.0]]), 1000, 100)

    assert frames_px.tolist() == [[100, 20, 900, 100]]
    assert frames_px.dtype == np.int64


@pytest.mark.parametrize(
    ("aspect", "width", "height"),
    [pytest.param(16 / 9, 16, 9, id="16:9"), pytest.param(3 / 2, 3, 2, id="3:2"), (4 / 5, 4, 5)],
)
def test_pixels_have_the_exact_ratio_once_a_frame_is_large_enough(aspect, width, height):
    frames = candidates(PERSON, Constraints(aspect=aspect), 4032, 3024)

    frames_px = to_pixels(frames, 4032, 3024, aspect)

    size_px = frames_px[:, 2:] - frames_px[:, :2]
    assert bool((size_px[:, 0] * height == size_px[:, 1] * width).all())


def test_pixels_of_the_whole_image_in_its_own_ratio_are_the_whole_image():
    whole = floats([[0.0, 0.0, 1.0, 1.0]])

    assert to_pixels(whole, 1023, 683, 1023 / 683).tolist() == [[0, 0, 1023, 683]]


def test_rounding_never_goes_below_the_minimum_size():
    frames_px = to_pixels(floats([[0.1, 0.1, 0.4996, 0.4996]]), 1000, 1000, 1.0, (400, 400))

    assert (frames_px[:, 2:] - frames_px[:, :2]).tolist() == [[400, 400]]


CROPS = floats([[0.1, 0.2, 0.5, 0.8], [0.9, 0.1, 1.0, 0.9], [0.3, 0.3, 0.3, 0.6]])


def test_free_frames_from_elsewhere_stay_as_they_are_but_for_those_without_a_size():
    frames, kept = fit(CROPS, Constraints(), 1200, 800)

    assert kept.tolist() == [0, 1]
    assert_close(frames, CROPS[:2])


def test_a_frame_from_elsewhere_gets_the_ratio_with_its_centre_and_area():
    square, _ = fit(CROPS[:1], Constraints(aspect=1.0), 1200, 800)
    wide, _ = fit(CROPS[:1], Constraints(aspect=4.0), 1200, 800)

    assert_close(square, CROPS[:1])  # 480 x 480 px already
    # 960 x 240 px round (360, 400), moved right into the image
    assert_close(wide, floats([[0.0, 0.35, 0.8, 0.65]]))


def test_a_frame_that_cannot_keep_its_area_is_as_large_as_the_image_allows():
    frames, _ = fit(floats([[0.0, 0.0, 1.0, 1.0]]), Constraints(aspect=1.0), 1200, 800)

    assert_close(frames, floats([[1 / 6, 0.0, 5 / 6, 1.0]]))


def test_frames_from_elsewhere_below_the_minimum_size_are_left_out():
    _, kept = fit(CROPS, Constraints(min_width_px=200), 1200, 800)

    assert kept.tolist() == [0]
