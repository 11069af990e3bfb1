"""Which photos a command line names, and how their crops are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipcrop.errors import InputError
from clipcrop.imaging.photo_inputs import Inputs, split_inputs


def looked_at(folder: Path, *names: str, recursive: bool = False) -> Inputs:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return split_inputs([str(folder), "the dog"], None, recursive=recursive)


def found_names(inputs: Inputs) -> list[str]:
    return [photo.path.name for photo in inputs.photos]


def test_a_folder_gives_its_photos_whatever_the_case_of_their_suffix(tmp_path: Path):
    inputs = looked_at(tmp_path, "b.JPG", "a.jfif", "c.HEIC", "d.jp2", "e.avif", "notes.txt")

    assert found_names(inputs) == ["a.jfif", "b.JPG", "c.HEIC", "d.jp2", "e.avif"]
    assert inputs.prompt == "the dog"


def test_folders_and_notes_of_macos_are_passed_over(tmp_path: Path):
    (tmp_path / "d.jpg").mkdir()

    inputs = looked_at(tmp_path, "._a.jpg", "a.jpg")

    assert found_names(inputs) == ["a.jpg"]
    assert inputs.left_out == []


def test_photos_of_kinds_that_cannot_be_read_are_named(tmp_path: Path):
    inputs = looked_at(tmp_path, "a.jpg", "layers.xcf", "movie.mp4")

    assert [path.name for path in inputs.left_out] == ["layers.xcf"]


def test_subfolders_are_looked_into_only_if_asked(tmp_path: Path):
    names = ("a.jpg", "sub/b.jpg", "sub/sub/c.jpg")
    flat, deep = looked_at(tmp_path, *names), looked_at(tmp_path, *names, recursive=True)

    assert found_names(flat) == ["a.jpg"]
    assert found_names(deep) == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_back_to_the_folder_is_not_followed(tmp_path: Path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "back").symlink_to(tmp_path)

    assert found_names(looked_at(tmp_path, "a.jpg", recursive=True)) == ["a.jpg"]


def test_a_link_to_itself_is_a_photo_that_is_not_there(tmp_path: Path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")

    inputs = split_inputs([str(tmp_path), "the dog"], None)

    assert [photo.path.name for photo in inputs.photos] == ["a.jpg", "loop.jpg"]


def test_crops_of_an_earlier_run_are_no_photos(tmp_path: Path):
    inputs = looked_at(
        tmp_path,
        "a.jpg",
        "a_jpg_crop1.jpg",
        "a_jpg_crop12-2.png",
        "a_jpg-2_crop1.jpg",
        "b_jpg_crop1.jpg",  # there is no b.jpg: a photo of its own
        "holiday_crop1.jpg",
    )

    assert found_names(inputs) == ["a.jpg", "b_jpg_crop1.jpg", "holiday_crop1.jpg"]


def test_photos_whose_names_clash_get_distinct_crops(tmp_path: Path):
    inputs = split_inputs(
        ["d1/IMG.jpg", "d2/IMG.jpg", "a.b.jpg", "a_b.jpg", "d3/img.JPG", ""], None
    )

    assert [photo.crop_stem for photo in inputs.photos] == [
        "IMG_jpg",
        "IMG_jpg-2",
        "a_b_jpg",
        "a_b_jpg-2",
        "img_JPG-3",
    ]


def test_a_folder_without_photos_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match=tmp_path.name):
        looked_at(tmp_path, "notes.txt")
