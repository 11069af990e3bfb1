"""Methods side by side: on small sets in each published layout, with figures worked out by hand.

Every photo is 200 x 100 pixels. The whole image and the centre crop (160 x 80 in the middle) need
no model, so all that is measured here follows from the annotations.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
from published_sets import write_fcdb, write_flms, write_gaicd, write_labelme, write_photo

from clipcrop.datasets import read_set
from clipcrop.errors import InputError
from clipcrop.evaluation.crops import evaluate_crops
from clipcrop.evaluation.methods import CentreCrop, WholeImage

floats = partial(np.array, dtype=np.float32)

BASELINES = [WholeImage(), CentreCrop()]
TEN_LINES = "".join(f"{top} 0 100 200 {5 - top / 10}\n" for top in range(10))


@dataclass
class FakeMethod:
    """Gives the crops that it was made with; remembers what it was asked."""

    boxes: list[list[float]]
    name: str = "made"
    needs_text: bool = False
    asked: list[str] = field(default_factory=list)

    def crops(self, photo, text):
        self.asked.append(text)
        return floats(self.boxes)


@dataclass
class FakeJudge(FakeMethod):
    """Prefers crops that lie to the left."""

    def judge(self, photo, text, crops_xyxy):
        return 1 - crops_xyxy[:, 0]


def means(result, method):
    return {name: one.mean for name, one in result.estimates(seed=0)[method].items()}


def test_labelme_textcrop_and_horanyi_pr(tmp_path):
    for name, crops in {
        "a": [[[20, 10], [180, 90]], [[0, 0], [100, 100]]],  # of the whole: .64 and .5
        "b": [[[0, 0], [200, 100]], [[0, 0], [200, 50]]],  # of the whole: 1 and .5
    }.items():
        write_photo(tmp_path / f"{name}.jpg")
        write_labelme(tmp_path / f"{name}.json", f"{name}.jpg", [("a dog", one) for one in crops])

    result = evaluate_crops(read_set(tmp_path), BASELINES, "made")

    whole = means(result, "whole image")
    assert whole["IoU-Mean"] == pytest.approx((0.57 + 0.75) / 2)
    assert whole["IoU-Max"] == pytest.approx((0.64 + 1.0) / 2)
    centre = means(result, "centre 80%")
    # a: 1 and 80 * 80 / (160 * 80 + 100 * 100 - 80 * 80); b: .64 and 160 * 40 / (160 * 80 +
    # 200 * 50 - 160 * 40)
    assert centre["IoU-Mean"] == pytest.approx((1 + 6400 / 16400 + 0.64 + 6400 / 16400) / 4)
    assert centre["IoU-Max"] == pytest.approx((1 + 0.64) / 2)
    assert (result.num_photos, len(result.cases)) == (2, 2)


def test_two_texts_of_one_photo_are_two_examples(tmp_path):
    write_photo(tmp_path / "a.jpg")
    write_labelme(
        tmp_path / "a.json", "a.jpg", [("dog", [[0, 0], [100, 100]]), ("cat", [[0, 0], [200, 100]])]
    )
    method = FakeMethod([[0, 0, 1, 1]])

    result = evaluate_crops(read_set(tmp_path), [method], "made")

    assert method.asked == ["dog", "cat"]
    assert means(result, "made")["IoU-Max"] == pytest.approx(0.75)
    assert (result.num_photos, len(result.cases)) == (1, 2)


def test_fcdb(tmp_path):
    write_fcdb(tmp_path, {"a.jpg": [20, 10, 160, 80]})

    result = evaluate_crops(read_set(tmp_path), BASELINES, "made")

    assert means(result, "whole image") == pytest.approx(
        {"IoU-Mean": 0.64, "IoU-Max": 0.64, "displacement": 0.1}
    )
    assert means(result, "centre 80%") == pytest.approx(
        {"IoU-Mean": 1.0, "IoU-Max": 1.0, "displacement": 0.0}
    )


def test_flms(tmp_path):
    write_flms(tmp_path, {"a.jpg": [[10, 20, 90, 180], [0, 0, 100, 100], [-1, -1, -1, -1]]})

    result = evaluate_crops(read_set(tmp_path), BASELINES, "made")

    assert means(result, "whole image") == pytest.approx(
        {"IoU-Mean": 0.57, "IoU-Max": 0.64, "displacement": 0.1}
    )


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "conference"])
def test_gaicd(tmp_path, journal):
    # top left bottom right score: the left half is best, then five crops, the whole image last
    lines = ["0 0 100 100 5"] + [f"0 {left} 100 200 4" for left in (60, 70, 80, 90, 100)]
    write_gaicd(tmp_path, {"test/a": "\n".join([*lines, "0 0 100 200 1"])}, journal=journal)
    made = FakeMethod([[0.5, 0, 1, 1], [0, 0, 0.5, 1], [0, 0, 1, 1]])

    result = evaluate_crops(read_set(tmp_path), [*BASELINES, made], "made")

    # the fifth best is a 4, and six crops are 4 or better
    assert means(result, "made")["Acc 1/5 @0.90"] == 1.0
    assert means(result, "made")["Acc 3/5 @0.90"] == pytest.approx(2 / 3)
    assert means(result, "made")["Acc 3/10 @0.90"] == 1.0
    assert means(result, "made")["best in 5 @0.90"] == 1.0
    assert means(result, "whole image")["Acc 1/5 @0.85"] == 0.0
    assert means(result, "whole image")["Acc 1/10 @0.85"] == 1.0
    assert means(result, "whole image")["best in 10 @0.85"] == 0.0
    assert "SRCC" not in means(result, "made")


def test_a_method_that_judges_is_held_against_the_ratings_too(tmp_path):
    write_gaicd(tmp_path, {"test/a": "0 0 100 100 5\n0 20 100 200 3\n0 90 100 200 1"})

    result = evaluate_crops(read_set(tmp_path), [WholeImage(), FakeJudge([[0, 0, 1, 1]])], "made")

    assert means(result, "made")["SRCC"] == pytest.approx(1.0)
    # qualities 1, .9, .55 against 5, 3, 1
    deviations = floats([1, 0.9, 0.55]) - (1 + 0.9 + 0.55) / 3
    expected = float(deviations @ floats([2.0, 0, -2]) / (np.linalg.norm(deviations) * 8**0.5))
    assert means(result, "made")["PCC"] == pytest.approx(expected, abs=1e-6)
    assert "SRCC" not in means(result, "whole image")


def test_examples_that_cannot_be_measured_are_left_out_for_all_and_listed(tmp_path):
    folder = write_fcdb(
        tmp_path, {"a.jpg": [0, 0, 100, 100], "b.jpg": [0, 0, 200, 100], "c.jpg": [0, 0, 9, 9]}
    )
    (folder / "data" / "a.jpg").unlink()

    class Picky(FakeMethod):
        def crops(self, photo, text):
            if len(self.asked) == 1:
                raise InputError("not this one")
            return super().crops(photo, text)

    result = evaluate_crops(read_set(folder), [WholeImage(), Picky([[0, 0, 1, 1]])], "made")

    assert [case.example.photo.name for case in result.cases] == ["b.jpg"]
    assert means(result, "whole image")["IoU-Max"] == 1.0
    missing, refused = result.left_out
    assert "entry 1: no such image" in missing
    assert refused.endswith("entry 3: not this one")


def test_nothing_left_is_an_error_with_the_first_reason(tmp_path):
    folder = write_fcdb(tmp_path, {"a.jpg": [0, 0, 9, 9]})
    (folder / "data" / "a.jpg").write_bytes(b"no picture")

    with pytest.raises(InputError, match=r"nothing of made could be measured; .*not an image"):
        evaluate_crops(read_set(folder), BASELINES, "made")


def test_an_example_without_a_text_is_skipped_and_counted(tmp_path):
    folder = write_gaicd(tmp_path, {"test/a": TEN_LINES, "test/b": TEN_LINES})
    first, second = read_set(folder)
    examples = [replace(first, text="a dog"), second]
    needy = FakeMethod([[0, 0, 1, 1]], needs_text=True)

    result = evaluate_crops(examples, [WholeImage(), needy], "made")

    assert result.methods == ("whole image", "made")
    assert [case.example.text for case in result.cases] == ["a dog"]
    (note,) = result.notes
    assert note.startswith("1 of the 2 examples")
    assert len(evaluate_crops(examples, [WholeImage()], "made").cases) == 2


def test_a_method_that_needs_texts_is_not_used_where_there_are_none(tmp_path):
    folder = write_fcdb(tmp_path, {"a.jpg": [0, 0, 9, 9]})
    needy = FakeMethod([[0, 0, 1, 1]], needs_text=True)

    result = evaluate_crops(read_set(folder), [WholeImage(), needy], "made")

    assert result.methods == ("whole image",)
    (note,) = result.notes
    assert note.startswith("'made' needs texts, and made has none")
    with pytest.raises(InputError, match="'made' needs texts"):
        evaluate_crops(read_set(folder), [WholeImage(), needy], "made", must_all_run=True)
    with pytest.raises(InputError, match="'made' needs texts"):
        evaluate_crops(read_set(folder), [needy], "made")
