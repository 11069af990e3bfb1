"""The commands and the figures of docs/reproduce.md are real."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from clipcrop.cli import main
from clipcrop.evaluation.tables import PAPER_TABLES

DOC = Path(__file__).parents[2] / "docs" / "reproduce.md"


def commands() -> list[str]:
    """Every `clipcrop` command of the page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("clipcrop ")]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)  # no data set is here
    words = shlex.split(command)[1:]
    if words[0] == "models":
        words.append("--help")  # would go to the network

    try:
        code = main(words)
    except SystemExit as exc:
        code = exc.code if words[-1] == "--help" else pytest.fail(capsys.readouterr().err)

    # 2 with an error of ours: the options were understood, and the data set is missed.
    assert code in (0, 2)
    if code == 2:
        assert re.match(r"error: .*(data/|owlvit)", capsys.readouterr().err)


def test_every_table_of_the_paper_has_its_command():
    given = {
        int(match) for match in re.findall(r"clipcrop evaluate table (\d)", "\n".join(commands()))
    }

    assert given == set(PAPER_TABLES)
