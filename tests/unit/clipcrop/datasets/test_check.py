from __future__ import annotations

import json

from published_sets import write_flms, write_gaicd, write_labelme, write_photo

from clipcrop.datasets.check import check_set

TEN_CROPS = "".join(f"{top} 0 100 200 3.0\n" for top in range(10))


def test_a_set_that_is_right_is_counted_and_passes(tmp_path):
    for number in range(2):
        write_labelme(
            tmp_path / f"{number}.json", f"{number}.jpg", [("a dog", [[0, 0], [90, 90]])] * 4
        )
        write_photo(tmp_path / f"{number}.jpg")

    findings = check_set(tmp_path)

    assert (findings.wrong, findings.odd) == ([], [])
    assert findings.to_text() == (
        "labelme: photos test 2; 2 examples, 2 with a text, 8 crops\nnothing wrong, nothing odd"
    )


def test_what_must_be_mended_is_wrong(tmp_path):
    folder = write_gaicd(
        tmp_path, {"test/a": TEN_CROPS + "1 2 3\n", "test/b": TEN_CROPS, "train/c": TEN_CROPS}
    )
    (folder / "images" / "test" / "b.jpg").write_bytes(b"no picture")
    (folder / "annotations" / "train" / "c.txt").unlink()

    findings = check_set(folder)

    missing, line, damaged = findings.wrong
    assert line.startswith(f"{folder}/annotations/test/a.txt, line 11: not a rated crop")
    assert missing.startswith(f"no annotation of {folder}/images/train/c.jpg")
    assert damaged.startswith(f"{folder}/annotations/test/b.txt: not an image")


def test_what_should_be_looked_at_is_odd(tmp_path):
    folder = write_gaicd(
        tmp_path, {"test/a": TEN_CROPS, "test/b": "0 0 100 203 3.0\n" * 2, "train/a": TEN_CROPS}
    )
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps({"a.jpg": "a dog", "z.jpg": "a cat"}))

    findings = check_set(folder, texts=texts)

    annotation = folder / "annotations" / "test" / "b.txt"
    assert findings.wrong == []
    assert findings.odd == [
        "a.jpg: a photo of this name is in 2 places",
        f"{annotation}: crop [0.0, 0.0, 203.0, 100.0] leaves its photo of 200 x 100",
        f"{annotation}: crop [0.0, 0.0, 203.0, 100.0] leaves its photo of 200 x 100",
        f"{annotation}: 2 rated crops, fewer than 10",
        f"{annotation}: crop [0.0, 0.0, 203.0, 100.0] is there 2 times",
        f"{annotation}: b.jpg has no text",
        f"{texts}: a text of 'z.jpg', which is no photo of this set",
        "the published set has train 2636, val 200, test 500 or train 1036, test 200 photos",
    ]


def test_a_photo_of_another_size_than_was_annotated_is_odd(tmp_path):
    write_labelme(tmp_path / "a.json", "a.jpg", [("a dog", [[0, 0], [190, 90]])])
    write_photo(tmp_path / "a.jpg", (100, 50))

    (odd,) = check_set(tmp_path).odd

    assert odd.endswith("shape 1: annotated at 200 x 100, but a.jpg is 100 x 50")


def test_a_photo_that_fewer_people_cropped_is_odd(tmp_path):
    crop = [0, 0, 90, 90]
    folder = write_flms(tmp_path, {"a.jpg": [crop] * 3, "b.jpg": [crop] * 3, "c.jpg": [crop]})

    odd = check_set(folder).odd

    assert odd == [
        f"{folder}/500_image_dataset.mat, entry 3: crops of 1 people where 3 are usual",
        "no photo has a text; `clipcrop data caption` makes some",
        "the published set has test 500 photos",
    ]
