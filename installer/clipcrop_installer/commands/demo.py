"""``demo``: see `clipcrop_installer.demo`."""

from __future__ import annotations

import argparse

from ..demo import run_demo
from ..plan import World


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it."""
    text = "crop the sample photos by description, in an own environment"
    commands.add_parser("demo", help=text, description=text).set_defaults(run=_run)


def _run(options: argparse.Namespace, world: World) -> int:
    run_demo(options.checkout, world.say, is_live=world.is_live)
    return 0
