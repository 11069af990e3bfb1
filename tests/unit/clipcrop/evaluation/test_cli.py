"""`clipcrop evaluate table` and `crops`: from folders to Markdown, JSON, crops and pictures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from published_sets import write_fcdb, write_gaicd, write_labelme, write_photo

from clipcrop.cli import main
from clipcrop.errors import InputError
from clipcrop.evaluation.tables import PAPER_TABLES

LITE = ["--model", "lite", "--device", "cpu"]
BASELINES = [*LITE, "--methods", "whole,centre"]
TEN_LINES = "".join(f"{top} 0 100 200 {5 - top / 10}\n" for top in range(10))


@pytest.fixture
def horanyi(tmp_path: Path) -> Path:
    """A photo with a text and two people's crops."""
    folder = tmp_path / "horanyi"
    write_photo(folder / "a.jpg")
    crops = [("a dog", [[20, 10], [180, 90]]), ("a dog", [[0, 0], [100, 100]])]
    write_labelme(folder / "a.json", "a.jpg", crops)
    return folder


def test_a_table_is_printed_as_markdown(horanyi: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", "table", "1", str(horanyi), *BASELINES]) == 0

    printed = capsys.readouterr().out
    assert "# Table 1 of the paper: comparison on Horanyi-PR" in printed
    assert "1 photos, 1 examples" in printed
    assert "| method | IoU-Mean | IoU-Max |" in printed
    assert "| whole image | 0.5700 (0.570 to 0.570) | 0.6400 (0.640 to 0.640) |" in printed


def test_a_report_says_how_it_was_made_and_can_be_looked_at(
    horanyi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "out"

    assert main(["evaluate", "table", "1", str(horanyi), *BASELINES, "--output", str(output)]) == 0

    assert sorted(path.name for path in output.iterdir()) == [
        "crops.jsonl",
        "pictures.jpg",
        "results.json",
        "results.md",
    ]
    report = json.loads((output / "results.json").read_text())
    assert report["model"] == "lite"
    assert report["bootstrap"] == {"seed": 0, "resamples": 2000, "confidence": 0.95}
    assert set(report["versions"]) >= {"python", "clipcrop", "torch"}
    (measured,) = report["sets"]
    assert measured["methods"]["whole image"]["IoU-Max"]["mean"] == pytest.approx(0.64)
    assert "displacement" in measured["methods"]["whole image"]  # not in the table, but measured
    assert (output / "results.md").read_text() in capsys.readouterr().out
    (line,) = (output / "crops.jsonl").read_text().splitlines()
    assert json.loads(line)["crops"]["centre 80%"] == [[0.1, 0.1, 0.9, 0.9]]
    with Image.open(output / "pictures.jpg") as picture:
        assert picture.width > 3 * 240


def test_rated_crops_have_a_row_for_each_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = write_gaicd(tmp_path, {"test/a": TEN_LINES, "train/b": TEN_LINES})

    assert main(["evaluate", "table", "3", str(folder), *BASELINES]) == 0

    printed = capsys.readouterr().out
    assert "1 photos" in printed  # the split "test" alone
    assert "| figure | whole image | centre 80% |" in printed
    # the best crop is the photo, and the centre overlaps none by .85
    assert re.search(r"\| Acc 1/5 @0\.85 \| 1\.0000 [^|]+\| 0\.0000 ", printed)
    assert re.search(r"\| best in 5 @0\.90 \| 1\.0000 [^|]+\| 0\.0000 ", printed)
    figures = re.findall(r"^\| (.*?) @", printed, re.MULTILINE)
    assert figures[0] == "best in 5"  # what compares with the paper's comes first


def test_decoders_get_rows_of_their_own_names_and_are_in_the_report(
    horanyi: Path,
    lite_decoders: Callable[..., dict[str, Path]],
    capsys: pytest.CaptureFixture[str],
):
    paths = lite_decoders(unmixed="full", base="base")
    decoders = [f"--decoder={name}={path}" for name, path in paths.items()]

    assert main(["evaluate", "table", "4", str(horanyi), *decoders, *LITE, "--json"]) == 0

    report = json.loads(capsys.readouterr().out)
    assert list(report["sets"][0]["methods"]) == ["unmixed", "base"]
    assert len(report["decoders"]["base"]["sha256"]) == 64


def test_any_sets_can_be_measured_side_by_side(
    horanyi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fcdb = write_fcdb(tmp_path / "fcdb", {"a.jpg": [20, 10, 160, 80], "b.jpg": [0, 0, 9, 9]})
    (fcdb / "data" / "b.jpg").unlink()

    assert main(["evaluate", "crops", str(horanyi), str(fcdb), *BASELINES]) == 1

    printed = capsys.readouterr().out
    assert "## horanyi" in printed
    assert "## fcdb" in printed
    assert "| whole image | 0.6400 (0.640 to 0.640) | 0.6400 (0.640 to 0.640) | 0.1000" in printed
    assert "1 photos, 1 examples, 1 left out" in printed
    assert re.search(r"- left out: .*entry 2: no such image", printed)


def test_methods_without_their_texts_are_noted_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fcdb = write_fcdb(tmp_path / "fcdb", {"a.jpg": [20, 10, 160, 80]})

    assert main(["evaluate", "crops", str(fcdb), *LITE]) == 0

    printed = capsys.readouterr().out
    assert "Not measured: 'cascade' needs texts, and fcdb has none" in printed
    assert "| composition |" in printed
    assert "| cascade |" not in printed


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(
            ["table", "5", "{}"], "table 5 is over Horanyi-PR and TextCrop: give 2", id="2"
        ),
        pytest.param(
            ["table", "4", "{}"], "compares trained decoders; give --decoder", id="decoder"
        ),
        pytest.param(["table", "3", "{}"], "over the rated crops of GAICD, but drawn", id="drawn"),
        pytest.param(["crops", "{}/none"], "no such file or folder", id="nothing there"),
        pytest.param(
            ["crops", "{}", "--decoder", "a", "--decoder", "b"], "two decoders", id="names"
        ),
        pytest.param(["crops", "{}", "--methods", "x"], "no such method: 'x'", id="method"),
        pytest.param(["crops", "{}", "--split", "val"], "no 'val' in", id="split"),
        pytest.param(["crops", "{}", "--decoder", "none.x"], "no such decoder", id="no decoder"),
        pytest.param(
            ["crops", "{}", "--decoder", "{}", "--methods", "whole"],
            "best.safetensors'; name a file that `clipcrop train` wrote",
            id="no training",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(
    horanyi: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
):
    given = [argument.format(horanyi) for argument in arguments]

    assert main(["evaluate", *given, *LITE]) == 2

    error = capsys.readouterr().err
    assert reason in error
    assert error.startswith("error: ")


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Two photos of 200 x 100 pixels, with a query each."""
    write_photo(tmp_path / "photos" / "a.jpg")
    write_photo(tmp_path / "photos" / "b.jpg")
    path = tmp_path / "queries.jsonl"
    boxes = '"boxes": [[0.1, 0.1, 0.9, 0.9]]'
    lines = [f'{{"image": "{name}.jpg", "query": "the dog", {boxes}}}\n' for name in "ab"]
    path.write_text("".join(lines))
    return path


def test_methods_are_measured_on_annotated_boxes_and_timed(
    queries: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "out"
    given = [str(queries), "--images", str(tmp_path / "photos"), "--output", str(output)]

    assert main(["evaluate", "methods", *given, *BASELINES]) == 0

    printed = capsys.readouterr().out
    assert "2 photos, 2 examples" in printed
    assert "| method | IoU | pointing | inside | size | seconds |" in printed
    assert re.search(
        r"\| whole image \| 0\.6400 [^|]+\| 1\.0000 [^|]+\| 1\.0000 [^|]+\| 1\.0", printed
    )
    assert re.search(
        r"\| centre 80% \| 1\.0000 .* \| 0\.\d{3} \(0\.\d{3} to 0\.\d{3}\) \|", printed
    )
    assert "- pointing: " in printed
    assert sorted(path.name for path in output.iterdir()) == [
        "crops.jsonl",
        "pictures.jpg",
        "results.json",
        "results.md",
    ]
    report = json.loads((output / "results.json").read_text())
    assert report["threads"] >= 1
    assert report["sets"][0]["seconds"]["whole image"]["n"] == 2
    first = json.loads((output / "crops.jsonl").read_text().splitlines()[0])
    assert set(first["seconds"]) == {"whole image", "centre 80%"}


def test_all_methods_stand_side_by_side_and_it_is_told_which_are_missing(
    samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    rocket = (samples / "queries.jsonl").read_text().splitlines()[-1]
    (tmp_path / "rocket.jsonl").write_text(f"{rocket}\n")
    given = [str(tmp_path / "rocket.jsonl"), "--images", str(samples), "--json"]

    assert main(["evaluate", "methods", *given, *LITE]) == 0

    (measured,) = json.loads(capsys.readouterr().out)["sets"]
    assert list(measured["methods"]) == list(measured["seconds"])
    assert list(measured["methods"]) == [
        "whole image",
        "centre 80%",
        "smartcrop",
        "smartcrop, square",
        "lite box",
        "composition",
        "cascade",
        "CAGIC (stand-in: text scores of lite; stand-in: composition score)",
        "clipcrop suggest",
    ]
    assert measured["notes"] == ["'clipcrop' needs a trained decoder; give --decoder FILE"]
    looking = measured["seconds"]["composition"]["median"]
    assert measured["seconds"]["smartcrop"]["median"] < looking
    assert measured["seconds"]["clipcrop suggest"]["median"] > 0.001


def test_the_folder_of_a_training_stands_for_its_best_decoder(
    queries: Path,
    tmp_path: Path,
    lite_decoders: Callable[..., dict[str, Path]],
    capsys: pytest.CaptureFixture[str],
):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "best.safetensors").write_bytes(lite_decoders(any="full")["any"].read_bytes())
    given = [str(queries), "--images", str(tmp_path / "photos"), "--decoder", str(folder)]

    assert main(["evaluate", "methods", *given, *LITE, "--methods", "clipcrop"]) == 0

    assert "| ClipCrop | " in capsys.readouterr().out


def test_answers_of_another_run_in_the_folder_are_refused(
    queries: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "out"
    output.mkdir()
    (output / "answers.jsonl").write_text('{"run": {"methods": ["another"]}}\n')
    given = [str(queries), "--images", str(tmp_path / "photos"), "--output", str(output)]

    assert main(["evaluate", "methods", *given, *BASELINES]) == 2

    assert "holds answers of another run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "arguments", "reason"),
    [
        pytest.param("{", [], "line 3: not a grounding query: not JSON", id="no JSON"),
        pytest.param(
            '{"image": "a.jpg", "query": "dog", "boxes": []}', [], "line 3: not a", id="no boxes"
        ),
        pytest.param("", ["--methods", "clipcrop"], "give --decoder FILE", id="no decoder"),
        pytest.param("", ["--images", "nowhere"], "nothing of queries could be", id="no photos"),
    ],
)
def test_annotated_boxes_that_cannot_be_used_are_refused_in_one_sentence(
    queries: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    line: str,
    arguments: list[str],
    reason: str,
):
    with queries.open("a") as file:
        file.write(f"{line}\n")
    given = [str(queries), "--images", str(tmp_path / "photos"), *BASELINES, *arguments]

    assert main(["evaluate", "methods", *given]) == 2

    error = capsys.readouterr().err
    assert reason in error
    assert "error: " in error
    assert "Traceback" not in error


def test_the_encoder_of_the_tables_computes_in_float32(
    horanyi: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = {}

    def load_encoder(name: str, device: str, **more: str) -> None:
        asked.update(more)
        raise InputError("far enough")

    monkeypatch.setattr("clipcrop.encoders.load_encoder", load_encoder)

    assert main(["evaluate", "table", "1", str(horanyi), *BASELINES]) == 2
    assert asked == {"precision": "float32"}


def test_cagic_has_to_be_asked_for():
    assert all("cagic" not in table.methods for table in PAPER_TABLES.values())


def test_the_tables_are_the_papers_five():
    assert sorted(PAPER_TABLES) == [1, 2, 3, 4, 5]
