"""The command of docs/methods.md, its rows and its figures are those of the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from clipcrop.boxes import WHOLE_IMAGE_XYXY, as_boxes
from clipcrop.cli import main
from clipcrop.evaluation.crop_metrics import score_asked

DOC = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")


def test_the_command_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)  # no queries are here
    (command,) = re.findall(r"^    clipcrop (evaluate methods .*)$", DOC, re.MULTILINE)

    assert main(shlex.split(command)) == 2

    assert "error: cannot read QUERIES.jsonl" in capsys.readouterr().err


def test_every_figure_is_explained():
    whole = as_boxes([WHOLE_IMAGE_XYXY])
    figures = [*score_asked(whole, whole), "seconds"]

    assert f"| method | {' | '.join(figures)} |" in DOC
    for figure in figures:
        assert f"- **{figure}**" in DOC


def test_every_row_of_the_tables_is_explained():
    explained = DOC[DOC.index("## The methods") : DOC.index("## The figures")]
    rows = set(re.findall(r"^\| ([^|]+?) \| \d\.\d{4} \(", DOC, re.MULTILINE))

    assert len(rows) >= 9
    for row in rows:
        assert row.split(" (")[0] in explained
