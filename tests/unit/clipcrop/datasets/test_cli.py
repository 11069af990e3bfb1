"""`clipcrop data check` and `caption`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from published_sets import write_fcdb, write_gaicd

from clipcrop.cli import main

TEN_LINES = "".join(f"{top} 0 100 200 3.0\n" for top in range(10))


def test_odd_things_are_told_and_wrong_ones_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = write_gaicd(tmp_path, {"test/a": TEN_LINES})

    assert main(["data", "check", str(folder)]) == 0
    assert "odd: the published set has" in capsys.readouterr().out

    (folder / "annotations" / "test" / "a.txt").write_text(TEN_LINES + "1 2 3\n")

    assert main(["data", "check", str(folder)]) == 1
    assert "a.txt, line 11: not a rated crop" in capsys.readouterr().out


def test_findings_are_json_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = write_fcdb(tmp_path, {"a.jpg": [0, 0, 9, 9]})

    main(["data", "check", str(folder), "--json"])

    findings = json.loads(capsys.readouterr().out)
    assert (findings["kind"], findings["num_photos"]) == ("fcdb", {"test": 1})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(["check", "{}/none"], "no such file or folder", id="nothing there"),
        pytest.param(["check", "{}"], "no data set in", id="empty folder"),
        pytest.param(
            ["caption", "{}/set", "--output", "{}/t.jsonl", "--batch-size", "0"],
            "no such batch size: 0",
            id="batch size",
        ),
        pytest.param(
            ["caption", "{}/set", "--output", "{}/t.jsonl", "--captioner", "{}"],
            "no captioning model in",
            id="no model",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
):
    if "caption" in arguments:
        write_fcdb(tmp_path / "set", {"a.jpg": [0, 0, 9, 9]})

    assert main(["data", *(argument.format(tmp_path) for argument in arguments)]) == 2

    assert reason in capsys.readouterr().err


def test_a_set_whose_photos_all_have_texts_needs_no_captions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = write_gaicd(tmp_path, {"test/a": TEN_LINES})
    texts = tmp_path / "texts.json"
    texts.write_text('{"a.jpg": "a dog"}')

    command = ["data", "caption", str(folder), "--texts", str(texts), "--output", "unused.jsonl"]

    assert main(command) == 0
    assert "every photo of" in capsys.readouterr().err
