"""``models``: weights. The environment's ``clipcrop models`` does it, and needs its packages."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InstallError
from ..installation import read_manifest
from ..places import places
from ..plan import World
from .doctor import installed_environment


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it."""
    text = "weights: list, where, download, place, verify, remove"
    # With no character that begins an option, all words are left to `clipcrop models`.
    parser = commands.add_parser("models", help=text, add_help=False, prefix_chars="\0")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="COMMAND ...")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, world: World) -> int:
    environment = installed_environment(read_manifest(places(world.machine), world), world)
    if environment is None:
        raise InstallError("ClipCrop is not installed; run install first, which needs no weights")
    is_for_programs = "--json" in options.rest
    return world.run(
        [environment.program("clipcrop"), "models", *options.rest],
        folder=Path.cwd(),
        variables={},
        on_line=lambda line: (
            None if is_for_programs and not line.startswith("{") else world.say(line)
        ),
    )
