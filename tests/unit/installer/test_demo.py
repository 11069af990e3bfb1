from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from clipcrop_installer.demo import demo_recipe, describe, run_demo
from clipcrop_installer.environment import program
from clipcrop_installer.errors import InstallError

ANSWER = {
    "image": "coffee.jpg",
    "model": "lite",
    "kind": "match",
    "well_framed": False,
    "matched": [{"text": "cup", "score": 0.834, "box": [0.1, 0.1, 0.5, 0.5], "sure": True}],
    "dropped": [],
    "suggestions": [{"box": [0, 0, 0.5, 0.5], "box_px": [10, 20, 310, 220], "quality": 0.777}],
    "seconds": {},
}


class FakeRunner:
    """Stands for venv, pip and the command line, which answers with one line of JSON."""

    def __init__(self, code: int = 0, lines: tuple[str, ...] = (json.dumps(ANSWER),)) -> None:
        self.code, self.lines = code, lines
        self.commands: list[list[str]] = []

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        folder: Path,
        variables: Mapping[str, str],
        on_line: Callable[[str], None],
    ) -> int:
        words = [str(part) for part in command]
        if "suggest" not in words:
            program(demo_recipe(folder), "python").parent.mkdir(parents=True, exist_ok=True)
            program(demo_recipe(folder), "python").touch()
            return 0
        self.commands.append(words)
        for line in self.lines:
            on_line(line)
        return self.code


@pytest.fixture
def small_checkout(tmp_path: Path) -> Path:
    """A checkout with one sample photo and its prompt."""
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    samples = tmp_path / "clipcrop" / "samples"
    samples.mkdir(parents=True)
    (samples / "prompts.json").write_text('{"coffee.jpg": "a cup of coffee"}')
    return tmp_path


def test_the_command_line_is_asked_about_each_sample_with_the_embedded_model(small_checkout: Path):
    run = FakeRunner()
    lines: list[str] = []

    sheets = run_demo(small_checkout, lines.append, run)

    (command,) = run.commands
    assert command[1:4] == ["suggest", str(Path("clipcrop/samples/coffee.jpg")), "a cup of coffee"]
    options = ["--model", "lite", "--json", "--overwrite", "--contact-sheet", "out/demo/coffee.png"]
    assert command[4:] == options
    assert sheets == [small_checkout / "out" / "demo" / "coffee.png"]
    assert "  contact sheet: out/demo/coffee.png" in lines
    assert any("300 x 200 px at (10, 20), quality 0.78" in line for line in lines)


def test_lines_around_the_answer_do_not_matter(small_checkout: Path):
    run = FakeRunner(lines=("100%|####| 1/1", json.dumps(ANSWER), ""))

    assert run_demo(small_checkout, lambda line: None, run)


@pytest.mark.parametrize(
    ("code", "lines", "sentence"),
    [
        pytest.param(
            2, ("error: no such model",), "exit code 2 .*: error: no such model", id="code"
        ),
        pytest.param(0, (), "printed nothing", id="no answer"),
    ],
)
def test_a_failing_command_line_is_told_with_its_last_line(
    small_checkout: Path, code: int, lines: tuple[str, ...], sentence: str
):
    with pytest.raises(InstallError, match=sentence):
        run_demo(small_checkout, lambda line: None, FakeRunner(code, lines))


def test_what_is_not_sure_is_described_as_perhaps_there():
    unsure = {**ANSWER["matched"][0], "score": 0.4, "sure": False}  # type: ignore[index, dict-item]

    assert describe({**ANSWER, "matched": [unsure]})[-1] == "perhaps: cup (0.40)"


def test_a_match_is_described_with_what_was_found():
    assert describe(ANSWER)[-1] == "found: cup (0.83)"


def test_general_crops_are_never_passed_off_as_a_match():
    answer = {**ANSWER, "kind": "general", "matched": []}

    assert describe(answer)[-1] == "found nothing like that: these are general crops"


def test_a_well_framed_photo_is_said_to_be():
    assert (
        describe({**ANSWER, "well_framed": True})[-1]
        == "by its layout the whole photo is as good as any crop of it"
    )


def test_every_sample_photo_has_a_prompt_and_a_credit(samples: Path, checkout: Path):
    photos = {path.name for path in samples.glob("*.jpg")}

    prompts = json.loads((samples / "prompts.json").read_text(encoding="utf-8"))

    assert photos == set(prompts)
    for document in (samples / "README.md", checkout / "NOTICE"):
        text = document.read_text(encoding="utf-8")
        assert all(photo in text for photo in photos)
