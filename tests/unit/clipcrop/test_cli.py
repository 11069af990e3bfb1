"""The command line: what it prints, writes and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from numpy import zeros
from PIL import Image
from safetensors.numpy import save_file

from clipcrop import workers
from clipcrop.cli import main
from clipcrop.weights.registry import EMBEDDED_LITE

LITE = ("--model", "lite", "--device", "cpu")


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    """The records that a run printed; it must have gone well."""
    assert main([*arguments, "--json", *LITE]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_has_the_fields_that_are_promised(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path
):
    (record,) = run_json(capsys, "suggest", str(astronaut_path), "the face", "--count", "3")

    assert {name: type(value) for name, value in record.items()} == {
        "image": str,
        "model": str,
        "kind": str,
        "well_framed": bool,
        "matched": list,
        "dropped": list,
        "excluded": list,
        "suggestions": list,
        "understood": dict,
        "notes": list,
        "seconds": dict,
    }
    assert record["model"] == "lite"
    assert record["kind"] == "match"
    assert len(record["suggestions"]) == 3  # type: ignore[arg-type]


def test_people_get_lines_they_can_read(capsys: pytest.CaptureFixture[str], astronaut_path: Path):
    assert main(["suggest", str(astronaut_path), "the woman", *LITE]) == 0

    out = capsys.readouterr().out
    assert "found woman" in out
    assert "1. medium  quality" in out


def test_a_folder_gives_a_line_for_each_image(capsys: pytest.CaptureFixture[str], samples: Path):
    records = run_json(capsys, "suggest", str(samples), "the cat", "--count", "1")

    assert [Path(str(record["image"])).name for record in records] == [
        "astronaut.jpg",
        "chelsea.jpg",
        "coffee.jpg",
        "rocket.jpg",
    ]


def test_a_bad_file_among_others_is_named_and_skipped(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path, tmp_path: Path
):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")

    code = main(["suggest", str(bad), str(astronaut_path), "the woman", "--json", *LITE])

    captured = capsys.readouterr()
    assert code == 1
    assert [json.loads(line)["image"] for line in captured.out.splitlines()] == [
        str(astronaut_path)
    ]
    assert "not an image" in captured.err
    assert "1 of 2 images failed" in captured.err


def test_crops_are_cut_from_the_original(
    capsys: pytest.CaptureFixture[str], samples: Path, tmp_path: Path
):
    photo = tmp_path / "large.png"
    with Image.open(samples / "chelsea.jpg") as image:
        image.resize((2000, 1400)).save(photo)

    (record,) = run_json(
        capsys, "suggest", str(photo), "the cat", "--write-crops", str(tmp_path / "crops")
    )

    written = sorted((tmp_path / "crops").iterdir())
    assert [path.name for path in written] == [
        f"large_png_crop{number}.png" for number in range(1, len(written) + 1)
    ]
    for path, suggestion in zip(written, record["suggestions"], strict=True):  # type: ignore[call-overload]
        x0, y0, x1, y1 = suggestion["box_px"]
        with Image.open(path) as crop:
            assert crop.size == (x1 - x0, y1 - y0)


def test_a_contact_sheet_is_drawn(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path, tmp_path: Path
):
    sheet = tmp_path / "sheet.png"

    run_json(capsys, "suggest", str(astronaut_path), "the woman", "--contact-sheet", str(sheet))

    with Image.open(sheet) as image:
        assert image.width > 400


def test_excluding_what_was_found_leaves_it_out(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path
):
    (record,) = run_json(capsys, "suggest", str(astronaut_path), "a rocket", "--exclude", "woman")

    excluded = record["excluded"]
    assert [found["text"] for found in excluded] == ["woman"]  # type: ignore[attr-defined]


def test_an_example_image_needs_no_prompt(capsys: pytest.CaptureFixture[str], samples: Path):
    cat = str(samples / "chelsea.jpg")

    (record,) = run_json(capsys, "suggest", cat, "--query-image", cat)

    assert record["kind"] == "match"


def test_an_empty_prompt_asks_for_a_good_crop_of_anything(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path
):
    (record,) = run_json(capsys, "suggest", str(astronaut_path), "")
    main(["suggest", str(astronaut_path), "", *LITE])

    assert (record["kind"], record["matched"], record["dropped"]) == ("general", [], [])
    assert record["suggestions"]
    assert "general crops, since nothing was named" in capsys.readouterr().out


def test_beside_an_example_image_a_name_of_an_image_is_no_prompt(
    capsys: pytest.CaptureFixture[str], samples: Path
):
    cat = str(samples / "chelsea.jpg")

    code = main(["suggest", cat, "missing.jpg", "--query-image", cat, *LITE])

    assert code == 1
    assert "no such image: 'missing.jpg'" in capsys.readouterr().err


@pytest.mark.parametrize(("floor", "kind"), [("0", "match"), ("1", "general")])
def test_what_scores_less_than_the_threshold_is_not_there(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path, floor: str, kind: str
):
    (record,) = run_json(capsys, "suggest", str(astronaut_path), "the woman", "--min-score", floor)

    assert record["kind"] == kind


@pytest.mark.parametrize("variant", ["main", "key", "both"])
def test_the_papers_grounding_can_be_asked_for(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path, variant: str
):
    (record,) = run_json(
        capsys, "suggest", str(astronaut_path), "the woman", "--grounding", variant
    )

    assert record["matched"]
    assert record["dropped"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["missing.jpg", "the dog"], "no such image", id="missing file"),
        pytest.param(["{folder}/empty.jpg", "the dog"], "empty file", id="empty file"),
        pytest.param(["{folder}/cut.jpg", "the dog"], "damaged image", id="truncated file"),
        pytest.param(["{folder}/text.jpg", "the dog"], "not an image", id="no image"),
        pytest.param(["{folder}/void", "the dog"], "no images in the folder", id="empty folder"),
        pytest.param(["{photo}", "✨"], "no word in the prompt", id="only an emoji"),
        pytest.param(["{photo}"], "no prompt after the images", id="no prompt"),
        pytest.param(["d" * 300 + ".jpg", "the dog"], "check the name", id="a name too long"),
        pytest.param(["{photo}", "{photo}", "犬" * 600], "too long", id="several, prompt too long"),
        pytest.param(["the dog"], "no image before the prompt", id="no image at all"),
        pytest.param(["{photo}", "dog " * 2500], "too long", id="10,000 characters"),
        pytest.param(["{photo}", "dog", "--aspect", "0:1"], "no such aspect ratio", id="0:1"),
        pytest.param(["{photo}", "dog", "--min-size", "big"], "no such minimum size", id="size"),
        pytest.param(["{photo}", "dog", "--min-size", "9999"], "does not fit", id="too large"),
        pytest.param(["{photo}", "dog", "--count", "0"], "no such count", id="count"),
        pytest.param(["{photo}", "dog", "--min-score", "2"], "no such --min-score", id="score"),
        pytest.param(
            ["{photo}", "dog", "--min-score", ".2", "--grounding", "key"],
            "no --min-score 0.2 beside --grounding key",
            id="score of the paper's way",
        ),
        pytest.param(["{photo}", "dog", "--model", "resnet"], "no such model", id="model"),
        pytest.param(["{photo}", "dog", "--device", "abacus"], "no such device", id="device"),
        pytest.param(["{photo}", "dog", "--model", "owlvit"], "not on this machine", id="weights"),
        pytest.param(["{photo}", "dog", "--model", "{folder}/cut.onnx"], "damaged", id="damaged"),
        pytest.param(
            ["{photo}", "dog", "--model", "{folder}/other.safetensors"], "not weights", id="other"
        ),
        pytest.param(["{photo}", "dog", "--contact-sheet", "a.txt"], "not a picture", id="sheet"),
        pytest.param(["{photo}", "--query-image", "no.jpg"], "no such image", id="query image"),
        pytest.param(
            ["{photo}", "dog", "--write-crops", "{folder}/text.jpg"], "cannot make", id="crops"
        ),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    astronaut_path: Path,
    tmp_path: Path,
    arguments: list[str],
    sentence: str,
):
    (tmp_path / "void").mkdir()
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes(astronaut_path.read_bytes()[:5000])
    save_file({"weight": zeros(4)}, tmp_path / "other.safetensors")
    (tmp_path / "cut.onnx").write_bytes(EMBEDDED_LITE.read_bytes()[:20])
    places = {"folder": tmp_path, "photo": astronaut_path}

    code = main(["suggest", *(argument.format(**places) for argument in arguments)])

    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "prompt", ["der große Hund", "犬", "犬" * 200, "x", "12345", "background", "the sea"]
)
def test_prompts_that_the_encoder_does_not_know_give_general_crops(
    capsys: pytest.CaptureFixture[str], samples: Path, prompt: str
):
    (record,) = run_json(capsys, "suggest", str(samples / "coffee.jpg"), prompt)

    assert record["kind"] == "general"
    assert record["suggestions"]


def test_models_are_listed_with_what_is_here(capsys: pytest.CaptureFixture[str]):
    assert main(["models", "--json"]) == 0

    found = {
        record["name"]: record for record in map(json.loads, capsys.readouterr().out.splitlines())
    }
    assert found["lite"]["present"]
    assert found["lite"]["size_bytes"] > 1_000_000
    assert not found["owlvit"]["present"]


def test_ratings_are_evaluated(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    crops = [[0, 0, 90 - 4 * step, 60 - 2 * step, 5 - step * 0.3] for step in range(12)]
    line = {
        "image": "a.jpg",
        "width_px": 100,
        "height_px": 70,
        "objects_xyxy_px": [[10, 10, 50, 60]],
        "crops": crops,
    }
    ratings = tmp_path / "ratings.jsonl"
    ratings.write_text(json.dumps(line) + "\n")

    assert main(["evaluate", "ratings", str(ratings), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["num_images"] == 1


def test_grounding_is_evaluated(capsys: pytest.CaptureFixture[str], samples: Path, tmp_path: Path):
    shutil.copy(samples / "chelsea.jpg", tmp_path / "cat.jpg")
    lines = tmp_path / "queries.jsonl"
    query = {"image": "cat.jpg", "query": "cat", "boxes": [[0.2, 0.0, 1.0, 1.0]]}
    lines.write_text(json.dumps(query) + "\n")

    code = main(["evaluate", "grounding", str(lines), "--images", str(tmp_path), "--json", *LITE])

    assert code == 0
    report = json.loads(capsys.readouterr().out)
    found, whole = (report["groups"]["all"][method] for method in ("lite", "whole image"))
    assert found["n"] == whole["n"] == 1
    assert found["pointing"] == 1.0
    assert whole["mean_iou"] == pytest.approx(0.8)


@pytest.mark.parametrize("what", ["ratings", "grounding"])
def test_a_bad_line_of_an_evaluation_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str
):
    file = tmp_path / "bad.jsonl"
    file.write_text("{}\n")
    images = ["--images", str(tmp_path), *LITE] if what == "grounding" else []

    assert main(["evaluate", what, str(file), *images]) == 2

    assert "bad.jsonl" in capsys.readouterr().err


def test_several_jobs_give_what_one_gives(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, samples: Path
):
    for number, name in enumerate(("chelsea", "coffee", "astronaut")):
        shutil.copy(samples / f"{name}.jpg", tmp_path / f"{number}.jpg")
    (tmp_path / "1b.jpg").write_bytes(b"no photo")
    answers = []
    for jobs in ("1", "2"):
        arguments = ("suggest", str(tmp_path), "the cat", "--json", "--jobs", jobs, *LITE)
        assert main(arguments) == 1
        out, err = capsys.readouterr()
        assert "1b.jpg" in err
        records = [json.loads(line) for line in out.splitlines()]
        answers.append([{**record, "seconds": None} for record in records])

    assert [Path(record["image"]).name for record in answers[0]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert answers[0] == answers[1]


def test_few_photos_start_no_workers(monkeypatch: pytest.MonkeyPatch, samples: Path):
    monkeypatch.setattr(workers, "map_in_order", None)

    photos = [str(samples / name) for name in ("chelsea.jpg", "coffee.jpg")]
    assert main(["suggest", *photos, "the cat", *LITE]) == 0


@pytest.mark.parametrize("arguments", [("0",), ("257",), ("2", "--daemon")])
def test_impossible_numbers_of_jobs_are_refused(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path, arguments: tuple[str, ...]
):
    assert main(["suggest", str(astronaut_path), "the woman", "--jobs", *arguments]) == 2
    assert "--jobs" in capsys.readouterr().err
