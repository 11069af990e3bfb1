"""What is found before a training starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcrop.datasets import RatedCrop
from clipcrop.errors import InputError
from clipcrop.training.checks import check_examples, with_text


def with_crop(example, *box, rating=5.0):
    return replace(example, crops=(RatedCrop(box_xyxy_px=box, rating=rating),))


def test_only_base_needs_no_text(examples, samples):
    one, *rest = examples
    blank = replace(one, text=" ")
    shown = replace(one, text="", query_image=samples / "coffee.jpg")

    assert with_text([blank, shown, *rest], "full") == [shown, *rest]
    assert with_text([blank, shown, *rest], "base") == [blank, shown, *rest]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param(
            lambda one: replace(one, photo=one.photo.with_name("lost.jpg")),
            r"texts.jsonl, line 2: no such image: .*lost.jpg",
            id="no photo",
        ),
        pytest.param(
            lambda one: replace(one, photo=one.photo.parent / "README.md"),
            r"texts.jsonl, line 2: not an image: .*README.md",
            id="no image",
        ),
        pytest.param(
            lambda one: replace(one, query_image=one.photo.with_name("lost.jpg")),
            r"texts.jsonl, line 2: no such image: .*lost.jpg",
            id="no example image",
        ),
        pytest.param(
            lambda one: replace(one, crops=()), r"texts.jsonl, line 2: no crop of", id="no crop"
        ),
        pytest.param(
            lambda one: with_crop(one, 500, 10, 600, 90),
            r"texts.jsonl, line 2: the crop \[500.*\] lies outside of the photo, .* 451 x 300",
            id="a crop outside",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_line(examples, spoil, sentence):
    one, other, *rest = examples

    with pytest.raises(InputError, match=sentence):
        check_examples([one, spoil(other), *rest])


def test_a_photo_that_is_cut_short_is_found(examples, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(examples[0].photo.read_bytes()[:9000])

    with pytest.raises(InputError, match=r"line 1: .*cut.jpg"):
        check_examples([replace(examples[0], photo=cut)])


def test_the_first_mistake_is_told_and_the_others_are_counted(examples):
    with pytest.raises(InputError, match=r"line 1: no crop of .*; 3 more examples have mistakes"):
        check_examples([replace(one, crops=()) for one in examples])


def test_no_example_at_all_is_refused():
    with pytest.raises(InputError, match="no example to train on"):
        check_examples([])
