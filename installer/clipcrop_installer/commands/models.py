"""``models``: weights. The environment's ``clipcrop models`` does it, and needs its packages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from ..engine import LIGHT, OWLVIT, how_to_change
from ..errors import InstallError
from ..installation import opened, read_manifest
from ..places import Places, places
from ..plan import World
from ..programs import Environment, installed_environment
from ..weights import names_in, note_begin, note_end


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it."""
    text = "weights: list, where, download, place, verify, remove"
    # With no character that begins an option, all words are left to `clipcrop models`.
    parser = commands.add_parser("models", help=text, add_help=False, prefix_chars="\0")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="COMMAND ...")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, world: World) -> int:
    return run_models(options.rest, world)


def run_models(words: Sequence[str], world: World) -> int:
    """Run ``clipcrop models`` with these words; note in the manifest what it makes."""
    where = places(world.machine)
    environment = installed_environment(read_manifest(where, world), world)
    if environment is None:
        return _pass_on(words, _own_environment(world), world)
    names = names_in(words)
    if not names:
        code = _pass_on(words, environment, world)
        if list(words) in ([], ["list"]) and not code:
            world.say(_about_engine(environment, where, world))
        return code
    with opened(where, world) as manifest:
        note_begin(names, environment, world, manifest)
        try:
            return _pass_on(words, environment, world)
        finally:
            note_end(world, manifest)


def _about_engine(environment: Environment, where: Places, world: World) -> str:
    has_torch = environment.has_package("torch", world)
    change = how_to_change(has_torch, is_private=where.environments in environment.python.parents)
    about = f"{OWLVIT} (PyTorch)" if has_torch else f"{LIGHT} (no PyTorch: lite alone can be used)"
    return f"engine: {about}; to change it: {change}"


def _own_environment(world: World) -> Environment:
    """The one that this program is in, where pip or pipx has put ClipCrop.

    Raises:
        InstallError: ClipCrop is not there.
    """
    if find_spec("clipcrop") is None:
        raise InstallError("ClipCrop is not installed; run install first, which needs no weights")
    return Environment(Path(sys.executable), world.machine.platform)


def _pass_on(words: Sequence[str], environment: Environment, world: World) -> int:
    is_for_programs = "--json" in words

    def show(line: str) -> None:
        if not is_for_programs or line.startswith("{"):  # progress is on the same stream here
            world.say(line)

    command: list[str | Path] = [environment.program("clipcrop"), "models", *words]
    return world.run(command, folder=Path.cwd(), variables={}, on_line=show)
