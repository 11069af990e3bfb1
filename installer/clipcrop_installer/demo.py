"""``demo``: crop the bundled sample photos, through the command line that users have."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .environment import Recipe, ensure, program
from .errors import InstallError
from .plan import Context
from .process import Runner, run_command
from .programs import last_line


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``demo`` to the commands."""
    text = "crop the sample photos by description, in an own environment"
    commands.add_parser("demo", help=text, description=text).set_defaults(run=_run)


def _run(options: argparse.Namespace, context: Context) -> int:
    run_demo(options.checkout, context.say, is_live=context.is_live)
    return 0


SAMPLES = Path("clipcrop", "samples")
OUTPUT = Path("out", "demo")


def demo_recipe(checkout: Path) -> Recipe:
    """The environment that the demo runs in."""
    return Recipe(checkout, ".venv-demo")


def run_demo(
    checkout: Path, say: Callable[[str], None], run: Runner = run_command, *, is_live: bool = False
) -> list[Path]:
    """Suggest crops for each sample photo.

    Returns:
        The contact sheets, in the checkout.

    Raises:
        InstallError: the environment cannot be made, or the command line failed.
    """
    recipe = demo_recipe(checkout)
    ensure(recipe, say, run, is_live=is_live)
    prompts: dict[str, str] = json.loads(
        (checkout / SAMPLES / "prompts.json").read_text(encoding="utf-8")
    )
    (checkout / OUTPUT).mkdir(parents=True, exist_ok=True)

    sheets = []
    for name, prompt in prompts.items():
        say(f'\n{name}: "{prompt}"')
        sheet = OUTPUT / f"{Path(name).stem}.png"
        for line in describe(_suggest(recipe, SAMPLES / name, prompt, sheet, run)):
            say(f"  {line}")
        say(f"  contact sheet: {sheet}")
        sheets.append(checkout / sheet)
    say("\nYour own photo:")
    command = program(recipe, "clipcrop").relative_to(checkout)
    say(f'  {command} suggest PHOTO.jpg "what should be in it" --contact-sheet crops.png')
    return sheets


def describe(answer: dict[str, Any]) -> list[str]:
    """The command line's JSON for one image -> lines for a person."""
    lines = []
    for rank, suggestion in enumerate(answer["suggestions"], start=1):
        left, top, right, bottom = suggestion["box_px"]
        size = f"{right - left} x {bottom - top}"
        lines.append(
            f"{rank:2}.  {size:>11} px at ({left}, {top}), quality {suggestion['quality']:.2f}"
        )
    for word, is_sure in (("found", True), ("perhaps", False)):
        names = [
            f"{match['text']} ({match['score']:.2f})"
            for match in answer["matched"]
            if match["sure"] is is_sure
        ]
        if names:
            lines.append(f"{word}: {', '.join(names)}")
    if not answer["matched"]:
        lines.append("found nothing like that: these are general crops")
    if answer["well_framed"]:
        lines.append("by its layout the whole photo is as good as any crop of it")
    return lines


def _suggest(recipe: Recipe, image: Path, prompt: str, sheet: Path, run: Runner) -> dict[str, Any]:
    lines: list[str] = []
    # Its own pictures of an earlier run are replaced.
    command: list[str | Path] = [program(recipe, "clipcrop"), "suggest", image, prompt]
    command += ["--model", "lite", "--json", "--overwrite", "--contact-sheet", sheet]
    code = run(
        command,
        folder=recipe.checkout,
        variables={"HF_HUB_OFFLINE": "1"},
        on_line=lines.append,
    )
    answer = next((line for line in lines if line.startswith("{")), None)
    if code or answer is None:
        said = last_line(lines)
        raise InstallError(f"clipcrop ended with exit code {code} on {image}: {said}")
    parsed: dict[str, Any] = json.loads(answer)
    return parsed
