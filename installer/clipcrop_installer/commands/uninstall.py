"""``uninstall``: take away what was installed, and say what is kept."""

from __future__ import annotations

import argparse

from ..errors import IncompleteInstall
from ..installation import is_there, opened, read_manifest
from ..kinds import all_kinds
from ..places import places
from ..plan import World, agrees
from ..uninstall import removal_lines, uninstall


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it."""
    text = "take away what was installed, and nothing else"
    parser = commands.add_parser("uninstall", help=text, description=text)
    parser.add_argument("--keep-models", action="store_true", help="leave downloaded weights")
    parser.add_argument("--dry-run", action="store_true", help="show what would go, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask on a terminal")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, world: World) -> int:
    where = places(world.machine)
    if not is_there(where, world):
        world.say("Nothing is installed here.")
        return 0
    if options.dry_run:
        manifest = read_manifest(where, world)
        for line in removal_lines(manifest, keep_models=options.keep_models):
            world.say(line)
        return 0
    with opened(where, world) as manifest:
        if world.ask is not None and not options.yes:
            for line in removal_lines(manifest, keep_models=options.keep_models):
                world.say(line)
            if not agrees(world):
                world.say("Nothing was done.")
                return 0
        removal = uninstall(where, world, manifest, all_kinds(), keep_models=options.keep_models)
    world.say(f"\nTaken away: files, folders and settings, {removal.num_removed} in all.")
    for line in (*removal.kept, *(f"NOT REMOVED: {one}" for one in removal.failed)):
        world.say(f"  {line}")
    if removal.failed:
        world.say("Run the same again when that is put right.")
        return IncompleteInstall.exit_code
    return 0
