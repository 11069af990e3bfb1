"""The command of docs/methods.md, its rows and its figures are those of the program."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from clipcrop.cli import main

DOC = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")


def test_the_command_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)  # no queries are here
    (command,) = re.findall(r"^    clipcrop (evaluate methods .*)$", DOC, re.MULTILINE)

    assert main(shlex.split(command)) == 2

    assert "error: cannot read QUERIES.jsonl" in capsys.readouterr().err
