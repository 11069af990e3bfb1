"""Readers of what others publish: the boxes come out as left, top, right, bottom in pixels."""

from __future__ import annotations

import json

import pytest
from published_sets import (
    GAICD_LINES,
    write_fcdb,
    write_flms,
    write_gaicd,
    write_labelme,
    write_photo,
)

from clipcrop.datasets.fcdb import read_fcdb
from clipcrop.datasets.flms import read_flms
from clipcrop.datasets.gaicd import read_gaicd
from clipcrop.datasets.labelme import read_labelme
from clipcrop.datasets.sets import read_set
from clipcrop.datasets.texts import read_texts
from clipcrop.errors import InputError


def boxes(example):
    return [crop.box_xyxy_px for crop in example.crops]


@pytest.mark.parametrize("journal", [True, False], ids=["journal", "conference"])
def test_gaicd_gives_rows_first_and_leaves_out_unrated_crops(tmp_path, journal):
    folder = write_gaicd(tmp_path, journal=journal)

    first, second = read_gaicd(folder)

    assert boxes(first) == [(20, 10, 180, 90), (0, 0, 200, 100)]
    assert [crop.rating for crop in first.crops] == [4.25, 2.0]
    assert (first.photo, first.split) == (folder / "images" / "train" / "a.jpg", "train")
    assert (second.photo.name, second.split, second.text) == ("b.jpg", "test", "")


def test_gaicd_takes_texts_by_the_photos_names(tmp_path):
    folder = write_gaicd(tmp_path)

    examples = read_gaicd(folder, {"a.jpg": ("a dog", "the beach"), "other.jpg": ("a cat",)})

    assert [(one.photo.name, one.text) for one in examples] == [
        ("a.jpg", "a dog"),
        ("a.jpg", "the beach"),
        ("b.jpg", ""),
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param("1 2 3 4", "line 1: .* expected 'top left bottom right score'", id="short"),
        pytest.param("\n1 2 x 4 3", "line 2: .*could not convert", id="no number"),
        pytest.param("9 2 3 4 3", "line 1: .*left to right and top to bottom", id="turned"),
        pytest.param("1 2 3 4 7", "line 1: .*a rating must be 1 to 5, got 7", id="off scale"),
        pytest.param("1 2 3 4 -2\n", "holds no rated crop", id="nothing rated"),
    ],
)
def test_a_wrong_line_of_gaicd_is_named(tmp_path, lines, reason):
    folder = write_gaicd(tmp_path, {"test/a": lines})

    with pytest.raises(InputError, match=rf"annotations.test.a\.txt.*{reason}"):
        read_gaicd(folder)


def test_a_photo_of_gaicd_without_annotation_is_named(tmp_path):
    folder = write_gaicd(tmp_path)
    write_photo(folder / "images" / "test" / "c.jpg")

    with pytest.raises(InputError, match=r"no annotation of .*c\.jpg"):
        read_gaicd(folder)


def test_an_error_handler_gets_all_mistakes_and_the_rest_is_read(tmp_path):
    folder = write_gaicd(tmp_path, {"test/a": "1 2 3\n" + GAICD_LINES, "test/b": "x"})
    problems = []

    examples = read_gaicd(folder, on_error=problems.append)

    assert [one.photo.name for one in examples] == ["a.jpg"]
    assert len(examples[0].crops) == 2
    assert [str(one).partition(": ")[0] for one in problems] == [
        f"{folder}/annotations/test/a.txt, line 1",
        f"{folder}/annotations/test/b.txt, line 1",
        f"{folder}/annotations/test/b.txt holds no rated crop; expected lines of five numbers",
    ]


def test_fcdb_gives_corners_for_its_widths_and_heights(tmp_path):
    folder = write_fcdb(tmp_path, {"69_4f_c.jpg": [3, 30, 100, 50]})

    (example,) = read_fcdb(folder)

    assert boxes(example) == [(3, 30, 103, 80)]
    assert example.crops[0].rating is None
    assert (example.photo, example.split) == (folder / "data" / "69_4f_c.jpg", "test")


def test_a_wrong_entry_of_fcdb_is_named(tmp_path):
    folder = write_fcdb(tmp_path, {"a.jpg": [0, 0, 9, 9], "b.jpg": [0, 0, 0, 9]})

    with pytest.raises(InputError, match=r"cropping_testing_set\.json, entry 2: .*left to right"):
        read_fcdb(folder)


def test_flms_gives_rows_first_and_leaves_out_opinions_that_are_missing(tmp_path):
    crops = {
        "b.jpg": [[10, 20, 90, 180], [-1, -1, -1, -1], [0, 0, 50, 60]],
        "a.jpg": [[1, 2, 3, 4]],
    }
    folder = write_flms(tmp_path, crops)

    first, second = read_flms(folder)

    assert boxes(first) == [(20, 10, 180, 90), (0, 0, 60, 50)]
    assert first.photo == folder / "image" / "b.jpg"
    assert boxes(second) == [(2, 1, 4, 3)]


def test_a_file_that_is_not_matlabs_is_named(tmp_path):
    (tmp_path / "500_image_dataset.mat").write_bytes(b"nothing")

    with pytest.raises(InputError, match=r"cannot read .*500_image_dataset\.mat"):
        read_flms(tmp_path)


def test_an_entry_of_flms_without_a_whole_crop_is_named(tmp_path):
    folder = write_flms(tmp_path, {"a.jpg": [[1, 2, 3, 4]], "b.jpg": [[-1, -1, -1, -1]]})

    with pytest.raises(InputError, match=r"entry 2: .*no crop of 'b\.jpg' is whole"):
        read_flms(folder)


def test_labelme_gathers_the_rectangles_of_one_photo_and_text_from_all_people(tmp_path):
    for person, offset in (("anna", 0), ("ben", 5)):
        write_labelme(
            tmp_path / person / "a.json",
            "..\\photos\\a.jpg",  # as labelme writes it on Windows
            [
                ("red handbag", [[60 + offset, 50], [10 + offset, 20]]),
                ("a person", [[0, 0], [100, 100]]),
            ],
        )

    first, second = read_labelme(tmp_path)

    assert (first.text, second.text) == ("red handbag", "a person")
    assert first.photo == tmp_path / "photos" / "a.jpg"
    assert boxes(first) == [(10, 20, 60, 50), (15, 20, 65, 50)]
    assert boxes(second) == [(0, 0, 100, 100)] * 2
    assert first.size_px == (200, 100)


def test_labels_that_are_numbers_stand_for_the_photos_texts(tmp_path):
    (tmp_path / "texts.json").write_text(json.dumps({"a.jpg": ["a dog", "two dogs"]}))
    write_labelme(tmp_path / "a.json", "a.jpg", [("2", [[0, 0], [9, 9]]), ("1", [[0, 0], [8, 8]])])

    assert [one.text for one in read_labelme(tmp_path)] == ["two dogs", "a dog"]


@pytest.mark.parametrize(
    ("shapes", "changed", "reason"),
    [
        pytest.param([("x", [[1, 1], [1, 9]])], {}, "shape 1: .*left to right", id="no area"),
        pytest.param([(" ", [[1, 1], [2, 9]])], {}, "shape 1: .*'label' must be a text", id="text"),
        pytest.param([("x", [[1, 1]])], {}, "shape 1: .*a rectangle", id="one corner"),
        pytest.param([], {"shapes": {}}, "expected a list, got dict", id="no list"),
        pytest.param([], {"imagePath": None}, "'imagePath' must be a text", id="no photo"),
        pytest.param([], {"imageWidth": "x"}, "invalid literal", id="width is a word"),
    ],
)
def test_a_wrong_file_of_labelme_is_named(tmp_path, shapes, changed, reason):
    write_labelme(tmp_path / "a.json", "a.jpg", shapes, changed)

    with pytest.raises(InputError, match=rf"a\.json.*{reason}"):
        read_labelme(tmp_path)


def test_a_file_that_is_no_json_is_one_mistake_among_others(tmp_path):
    write_labelme(tmp_path / "a.json", "a.jpg", [("x", [[0, 0], [9, 9]])])
    (tmp_path / "b.json").write_text("{")
    write_labelme(tmp_path / "c.json", "c.jpg", [("x", [[0, 0], [9, 9]])])
    problems = []

    examples = read_labelme(tmp_path, on_error=problems.append)

    assert [one.photo.name for one in examples] == ["a.jpg", "c.jpg"]
    (problem,) = problems
    assert str(problem).startswith(f"{tmp_path}/b.json: not a file of labelme: not JSON")


def test_a_file_of_fcdb_that_is_no_list_is_named(tmp_path):
    (tmp_path / "cropping_testing_set.json").write_text("{}")

    with pytest.raises(InputError, match=r"set\.json: .*got dict"):
        read_fcdb(tmp_path)


def test_a_polygon_is_no_crop(tmp_path):
    path = write_labelme(tmp_path / "a.json", "a.jpg", [("x", [[0, 0], [9, 9]])])
    path.write_text(path.read_text().replace('"rectangle"', '"polygon"'))

    with pytest.raises(InputError, match=r"shape 1: .*polygon"):
        read_labelme(tmp_path)


def test_texts_are_read_from_all_files_of_a_folder(tmp_path):
    (tmp_path / "train.json").write_text(json.dumps({"a.jpg": "a dog", "b.jpg": "lonely tree"}))
    (tmp_path / "more.jsonl").write_text(json.dumps({"image": "in/c.jpg", "text": "a cat"}))

    assert read_texts(tmp_path) == {
        "a.jpg": ("a dog",),
        "b.jpg": ("lonely tree",),
        "c.jpg": ("a cat",),
    }


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        pytest.param("t.json", "[]", r"t\.json: not texts .*expected a JSON object", id="list"),
        pytest.param("t.json", "{", r"t\.json: not texts of photos: not JSON", id="not JSON"),
        pytest.param("t.json", '{"a.jpg": 3}', r"'a\.jpg': .* must be a text, got 3", id="number"),
        pytest.param("t.json", '{"a.jpg": []}', r"'a\.jpg': .*list of texts is empty", id="none"),
        pytest.param("t.jsonl", '{"image": "a"}', "line 1: .*no 'text' in it", id="no text"),
    ],
)
def test_a_wrong_text_is_named(tmp_path, name, content, reason):
    (tmp_path / name).write_text(content)

    with pytest.raises(InputError, match=reason):
        read_texts(tmp_path / name)


def test_two_different_texts_of_a_photo_are_a_mistake(tmp_path):
    (tmp_path / "a.json").write_text('{"a.jpg": "a dog"}')
    (tmp_path / "b.json").write_text('{"a.jpg": "a cat"}')

    with pytest.raises(InputError, match=r"b\.json: .*'a\.jpg': 'a cat'"):
        read_texts(tmp_path)


@pytest.mark.parametrize(
    ("write", "count"),
    [
        pytest.param(write_gaicd, 2, id="gaicd"),
        pytest.param(lambda folder: write_fcdb(folder, {"a.jpg": [0, 0, 9, 9]}), 1, id="fcdb"),
        pytest.param(lambda folder: write_flms(folder, {"a.jpg": [[0, 0, 9, 9]]}), 1, id="flms"),
        pytest.param(
            lambda folder: write_labelme(folder / "a.json", "a.jpg", [("x", [[0, 0], [9, 9]])]),
            1,
            id="labelme",
        ),
        pytest.param(
            lambda folder: (folder / "examples.jsonl").write_text(
                '{"image": "a.jpg", "crops": [[0, 0, 9, 9]]}'
            ),
            1,
            id="jsonl",
        ),
    ],
)
def test_the_layout_of_a_folder_is_found_out(tmp_path, write, count):
    write(tmp_path)

    assert len(read_set(tmp_path)) == count


def test_a_split_is_taken_and_a_missing_one_named(tmp_path):
    write_gaicd(tmp_path)

    assert [one.photo.name for one in read_set(tmp_path, split="test")] == ["b.jpg"]
    with pytest.raises(InputError, match=r"no 'val' in .*; it has test, train"):
        read_set(tmp_path, split="val")


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        pytest.param(lambda path: None, None, "no such file or folder", id="nothing there"),
        pytest.param(lambda path: path.mkdir(), None, "no data set in .*gaicd: images", id="empty"),
        pytest.param(lambda path: path.mkdir(), "coco", "no such layout: 'coco'", id="layout"),
        pytest.param(lambda path: path.mkdir(), "gaicd", "no GAICD in", id="another layout"),
        pytest.param(lambda path: path.mkdir(), "flms", "no FLMS in", id="not FLMS"),
        pytest.param(lambda path: path.mkdir(), "fcdb", "no FCDB in", id="not FCDB"),
        pytest.param(lambda path: path.mkdir(), "labelme", "no files of labelme", id="no labels"),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path, make, name, reason):
    make(tmp_path / "set")

    with pytest.raises(InputError, match=reason):
        read_set(tmp_path / "set", name=name)
