"""How each kind of item is taken away again. Nothing that the user made or changed is lost.

Undoing something twice, or something that was never made, is no error: an interrupted
``uninstall`` is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .disk import leftover, sha256_of
from .manifest import Item
from .plan import World

REMOVED, GONE, KEPT, FAILED = "removed", "gone", "kept", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of one item."""

    verdict: str
    """REMOVED; GONE: it was not there; KEPT: the user's by now; FAILED: to be tried again."""

    note: str = ""
    """What the user should know: of what is kept or failed, a sentence with the path."""


Undo = Callable[[Item, World], Outcome]
"""Undoes one item; raises OSError or InstallError where it cannot, which counts as FAILED."""


def undo_file(item: Item, world: World) -> Outcome:
    """Remove a file that is as we made it."""
    path = Path(item.path)
    world.disk.remove_file(leftover(path))
    kind = world.disk.kind_of(path)
    if not kind:
        return Outcome(GONE)
    content = world.disk.read(path) if kind == "file" else None
    if content is None or sha256_of(content) not in item.hashes:
        return Outcome(KEPT, f"{path} was changed since it was installed, and is kept")
    world.disk.remove_file(path)
    return Outcome(REMOVED)


def undo_folder(item: Item, world: World) -> Outcome:
    """Remove a folder that we made, if nothing is left in it."""
    path = Path(item.path)
    if world.disk.kind_of(path) != "folder":
        return Outcome(GONE)
    if world.disk.remove_folder(path):
        return Outcome(REMOVED)
    return Outcome(KEPT, f"{path} is kept: something else is in it")


FILES: Mapping[str, Undo] = {"file": undo_file, "folder": undo_folder}
"""Kind of an item -> what undoes it."""
