"""``uninstall``: take away what the manifest lists; what the user made or changed is kept."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .daemon import stop_daemon
from .errors import IncompleteInstall
from .files import FAILED, KEPT, REMOVED, UndoHandlers, undo_items
from .installation import is_there, items_besides_folder, opened, read_manifest
from .login import all_undo_handlers
from .machine import Places, places
from .manifest import Manifest, ManifestEntry
from .plan import Context, agrees
from .programs import Environment

MODELS = "models"
"""Name of the step whose items are weights."""


_VERBS = {
    "tree": "remove the folder",
    "link": "remove the link",
    "moved": "put back",
    "setting": "take back a line of",
    "login-switch": "switch off",
    "login-value": "remove",
}


@dataclass(frozen=True)
class Removal:
    """What became of it."""

    num_removed: int
    kept: tuple[str, ...] = ()
    """What is the user's by now; each a sentence."""

    failed: tuple[str, ...] = ()
    """What could not be removed; running it again tries again."""


def removal_lines(manifest: Manifest, *, keep_models: bool) -> list[str]:
    """What ``uninstall`` would do, for people."""
    items = _to_remove(manifest, keep_models=keep_models)
    if not items:
        return ["There is nothing to take away."]
    lines = ["To take ClipCrop away:", " 1. stop the daemon"]
    steps = reversed(list(dict.fromkeys(item.step for item in items)))
    for number, step in enumerate(steps, start=2):
        of_step = [item for item in items if item.step == step]
        lines += [f"{number:2}. {step}", *(f"    {line}" for line in _summed_up(of_step))]
    return [*lines, "What was changed since it was installed is kept."]


def _summed_up(items: Sequence[ManifestEntry]) -> list[str]:
    """Whole folders and settings one by one; files by their number in each folder of ours."""
    folders = [item.path for item in items if item.kind == "folder"]
    others = [item for item in items if item.kind not in ("file", "trace", "folder")]
    lines = [f"{_VERBS.get(item.kind, item.kind)} {item.path}" for item in reversed(others)]
    files_in: dict[str, list[str]] = {}
    for item in items:
        if item.kind in ("file", "trace"):
            parents = {str(one) for one in Path(item.path).parents}
            place = next((one for one in folders if one in parents), item.path)  # the outermost
            files_in.setdefault(place, []).append(item.path)
    for place, files in files_in.items():
        lines.append(
            f"remove {files[0]}" if len(files) == 1 else f"remove {len(files)} files in {place}"
        )
    return lines or [f"remove {item.path}, if it is empty" for item in reversed(items)]


def uninstall(
    places: Places,
    context: Context,
    manifest: Manifest,
    undo_handlers: UndoHandlers,
    *,
    keep_models: bool = False,
) -> Removal:
    """Undo everything, the last thing first. An interrupted run is simply run again.

    Args:
        places: Where ours is.
        context: What is touched.
        manifest: What is ours.
        undo_handlers: Undo each kind of item.
        keep_models: Leave the weights, and the manifest for them.
    """
    python = manifest.values.get("python")
    if python:
        stop_daemon(Environment(Path(python), context.machine.platform), places, context)
    items = _to_remove(manifest, keep_models=keep_models)
    outcomes = []
    # Step by step, so that an interrupted run has struck off what it has done.
    for step in reversed(list(dict.fromkeys(item.step for item in items))):
        context.say(f"- {step}")
        of_step = [item for item in items if item.step == step]
        outcomes += undo_items(of_step, context, manifest, undo_handlers)
    failed = [one.note for one in outcomes if one.verdict == FAILED]
    kept = [one.note for one in outcomes if one.verdict == KEPT]
    num_removed = sum(one.verdict == REMOVED for one in outcomes)
    if not failed:
        manifest.version, manifest.values = "", {}
        manifest.save()
    return Removal(num_removed, tuple(kept), tuple(failed))


def _to_remove(manifest: Manifest, *, keep_models: bool) -> list[ManifestEntry]:
    every = items_besides_folder(manifest)
    return [item for item in every if not (keep_models and item.step == MODELS)]


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``uninstall`` to the commands."""
    text = "take away what was installed, and nothing else"
    parser = commands.add_parser("uninstall", help=text, description=text)
    parser.add_argument("--keep-models", action="store_true", help="leave downloaded weights")
    parser.add_argument("--dry-run", action="store_true", help="show what would go, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask on a terminal")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, context: Context) -> int:
    where = places(context.machine)
    if not is_there(where, context):
        context.say("Nothing is installed here.")
        return 0
    if options.dry_run:
        manifest = read_manifest(where, context)
        for line in removal_lines(manifest, keep_models=options.keep_models):
            context.say(line)
        return 0
    with opened(where, context) as manifest:
        if context.ask is not None and not options.yes:
            for line in removal_lines(manifest, keep_models=options.keep_models):
                context.say(line)
            if not agrees(context):
                context.say("Nothing was done.")
                return 0
        removal = uninstall(
            where, context, manifest, all_undo_handlers(), keep_models=options.keep_models
        )
    context.say(f"\nTaken away: files, folders and settings, {removal.num_removed} in all.")
    for line in (*removal.kept, *(f"NOT REMOVED: {one}" for one in removal.failed)):
        context.say(f"  {line}")
    if removal.failed:
        context.say("Put that right and run the same command again.")
        return IncompleteInstall.exit_code
    return 0
