from __future__ import annotations

import json
import math
from functools import partial

import numpy as np
import pytest

from clipcrop.errors import InputError
from clipcrop.evaluation.ratings import CAUTION, evaluate_ratings

floats = partial(np.array, dtype=np.float32)
assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)


class WidthScorer:
    """Wider frames are better."""

    def score(self, frames_xyxy, objects_xyxy, num_subjects, image_aspect):
        return frames_xyxy[:, 2] - frames_xyxy[:, 0]


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def photo(*crops, **other):
    return {
        "image": "a.jpg",
        "width_px": 100,
        "height_px": 50,
        "objects_xyxy_px": [[10, 10, 20, 20]],
        "crops": [list(crop) for crop in crops],
        **other,
    }


def test_a_report_is_the_mean_over_images(tmp_path):
    right = photo((0, 0, 50, 50, 1.0), (0, 0, 70, 50, 2.0), (0, 0, 90, 50, 5.0))
    wrong = photo((0, 0, 50, 50, 5.0), (0, 0, 70, 50, 2.0), (0, 0, 90, 50, 1.0))
    path = write(tmp_path / "ratings.jsonl", right, right, wrong)

    report = evaluate_ratings(path, WidthScorer())

    assert (report.num_images, report.num_crops, report.num_flat) == (3, 9, 0)
    assert report.spearman == pytest.approx(1 / 3)
    assert report.accuracy["1/5"] == 1.0
    assert report.mean_accuracy(10) == 1.0


def test_an_image_whose_ratings_are_all_equal_counts_in_no_correlation(tmp_path):
    flat = photo((0, 0, 50, 50, 3.0), (0, 0, 70, 50, 3.0))
    right = photo((0, 0, 50, 50, 3.0), (0, 0, 70, 50, 4.0))

    report = evaluate_ratings(write(tmp_path / "ratings.jsonl", flat, right), WidthScorer())

    assert (report.num_flat, report.spearman, report.num_images) == (1, pytest.approx(1.0), 2)


def test_a_report_of_flat_images_is_still_json(tmp_path):
    flat = photo((0, 0, 50, 50, 3.0), (0, 0, 70, 50, 3.0))
    report = evaluate_ratings(write(tmp_path / "ratings.jsonl", flat), WidthScorer())

    record = json.loads(json.dumps(report.to_json(), allow_nan=False))

    assert math.isnan(report.spearman)
    assert record["spearman"] is None


def test_every_form_of_the_report_says_that_it_flatters(tmp_path):
    right = photo((0, 0, 50, 50, 1.0), (0, 0, 70, 50, 2.0))
    report = evaluate_ratings(write(tmp_path / "ratings.jsonl", right), WidthScorer())

    assert report.to_json()["caution"] == CAUTION
    assert CAUTION in report.to_text()
    assert "| Spearman | 1.000 |" in report.to_text()


def test_judging_is_asked_with_normalised_boxes_and_the_shape_in_pixels(tmp_path):
    asked = []

    class Recorder(WidthScorer):
        def score(self, frames_xyxy, objects_xyxy, num_subjects, image_aspect):
            asked.append((objects_xyxy, num_subjects, image_aspect))
            return super().score(frames_xyxy, objects_xyxy, num_subjects, image_aspect)

    evaluate_ratings(
        write(tmp_path / "r.jsonl", photo((0, 0, 50, 50, 1.0), (0, 0, 70, 50, 2.0))), Recorder()
    )

    objects, num_subjects, aspect = asked[0]
    assert_close(objects, floats([[0.1, 0.2, 0.2, 0.4]]))
    assert (num_subjects, aspect) == (0, 2.0)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nothing\.jsonl"):
        evaluate_ratings(tmp_path / "nothing.jsonl", WidthScorer())
