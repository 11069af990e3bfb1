"""``clipcrop suggest --method cagic``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from clipcrop.cli import main

SHORT = ("--method", "cagic", "--model", "lite", "--device", "cpu", "--steps", "8")


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    """The record that a run printed; it must have gone well."""
    assert main([*arguments, "--json", *SHORT]) == 0
    record: dict[str, object] = json.loads(capsys.readouterr().out)
    return record


def test_stand_ins_are_named_in_every_output(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path
):
    record = run_json(capsys, "suggest", str(astronaut_path), "the woman")
    assert main(["suggest", str(astronaut_path), "the woman", *SHORT]) == 0
    text = capsys.readouterr().out

    expected = "CAGIC (stand-in: text scores of lite; stand-in: composition score)"
    assert record["model"] == expected
    assert expected in text
    assert "found woman" in text


def test_the_seed_decides_the_crops(capsys: pytest.CaptureFixture[str], astronaut_path: Path):
    arguments = ("suggest", str(astronaut_path), "the woman", "--restarts", "4")

    one = run_json(capsys, *arguments, "--seed", "3")["suggestions"]
    again = run_json(capsys, *arguments, "--seed", "3")["suggestions"]
    other = run_json(capsys, *arguments, "--seed", "4")["suggestions"]

    assert one == again
    assert one != other


def test_crops_keep_the_constraints(capsys: pytest.CaptureFixture[str], astronaut_path: Path):
    record = run_json(
        capsys, "suggest", str(astronaut_path), "the woman", "--aspect", "1:1", "--min-size", "200"
    )

    crops = [crop["box_px"] for crop in record["suggestions"]]  # type: ignore[attr-defined]
    assert all(x1 - x0 == y1 - y0 >= 200 for x0, y0, x1, y1 in crops)


def test_a_captioner_of_transformers_can_be_named(
    capsys: pytest.CaptureFixture[str], astronaut_path: Path, blip_folder: Path
):
    record = run_json(
        capsys,
        *("suggest", str(astronaut_path), "a dog", "--restarts", "2"),
        *("--captioner", str(blip_folder), "--aesthetic-weight", "0.1", "--batch-size", "1"),
    )

    assert record["model"] == f"CAGIC (captioner {blip_folder.name}; stand-in: composition score)"
    assert record["kind"] == "match"
    assert record["matched"] == []


def test_a_picture_of_the_path_is_drawn_for_every_photo(
    capsys: pytest.CaptureFixture[str], samples: Path, tmp_path: Path
):
    photos = [str(samples / name) for name in ("chelsea.jpg", "coffee.jpg")]
    picture = tmp_path / "path.png"

    assert main(["suggest", *photos, "the cat", "--path-picture", str(picture), *SHORT]) == 0

    said = capsys.readouterr().err
    for path in (picture, tmp_path / "path-2.png"):
        assert f"path picture: {path}\n" in said
        with Image.open(path) as drawn:
            assert drawn.height > 480


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", "3"), "--steps is understood by --method cagic only"),
        (("--aesthetic-weight", "1"), "--aesthetic-weight is understood by --method cagic only"),
        (("--method", "cagic", "--daemon"), "no --daemon beside --method cagic"),
        (("--method", "cagic", "--exclude", "the car"), "no --exclude beside --method cagic"),
        (("--method", "cagic", "--grounding", "main"), "no --grounding beside --method cagic"),
        (("--method", "cagic", "--steps", "0"), "no such number of steps: 0"),
        (("--method", "cagic", "--restarts", "99999"), "no such number of restarts: 99999"),
        (("--method", "cagic", "--seed", "-1"), "no such seed: -1"),
        (("--method", "cagic", "--aesthetic-weight", "-1"), "no such aesthetic weight: -1"),
        (("--method", "cagic", "--captioner", "nonsense"), "no such captioner: 'nonsense'"),
        (("--method", "cagic", "--captioner", "blip"), "the captioner blip is not on this machine"),
        (("--method", "cagic", "--aesthetics", "no.pth"), "no such aesthetic head: 'no.pth'"),
        (("--method", "cagic", "--path-picture", "path.txt"), "not a picture: 'path.txt'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_go_together_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str],
    astronaut_path: Path,
    arguments: tuple[str, ...],
    message: str,
):
    assert main(["suggest", str(astronaut_path), "the woman", *arguments]) == 2

    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_prompt_is_needed(capsys: pytest.CaptureFixture[str], astronaut_path: Path):
    assert main(["suggest", str(astronaut_path), "", *SHORT]) == 2

    assert "prompt" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_gives_the_best_until_then_and_says_so(samples: Path):
    search = [*SHORT[:-1], "10000", "--verbose", "--restarts", "4"]
    photos = [str(samples / name) for name in ("astronaut.jpg", "coffee.jpg")]
    command = [sys.executable, "-m", "clipcrop.cli", "suggest", *photos, "the woman", *search]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            assert run.stderr is not None
            _read_until(run.stderr.readline, "cagic.step step=5 ")
            run.send_signal(signal.SIGINT)
            out, error = run.communicate(timeout=60)
        finally:
            run.kill()

    assert "of 10000 steps: this is the best until then" in error
    assert "1. quality 1.00" in out
    assert out.count("CAGIC") == 1  # the second photo is left out
    assert "stopped" in error
    assert run.returncode == 130


def _read_until(read_line: Callable[[], str], text: str) -> None:
    """Read lines until one has the text; a stream that ends before has failed."""
    while line := read_line():
        if text in line:
            return
    raise AssertionError(f"never said: {text}")
