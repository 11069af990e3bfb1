"""Weights that were had through the installer are in its manifest, so that it can take them away.

`clipcrop models` alone does all the rest. What was put there without the installer is the user's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from .files import missing_folders
from .manifest import Item, Manifest
from .plan import World
from .programs import Environment
from .uninstall import MODELS

CHANGES = ("download", "place", "remove")
"""The commands of ``clipcrop models`` after which there is more or less than before."""


def names_in(words: Sequence[str]) -> list[str]:
    """The models that a command line is about, if it changes anything."""
    plain = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and before != "--revision"
    ]
    if not plain or plain[0] not in CHANGES:
        return []
    return plain[1:2] if plain[0] == "place" else plain[1:]


def note_begin(
    names: Sequence[str], environment: Environment, world: World, manifest: Manifest
) -> None:
    """List what is about to be made, before it is."""
    for name in names:
        code, lines = environment.run("clipcrop", ["models", "where", name, "--json"], world, {})
        if code == 0:
            folder = Path(json.loads(lines[-1])["folder"])
            manifest.begin(_items(folder, world, manifest))


def note_end(world: World, manifest: Manifest) -> None:
    """Strike off what is not there, whatever became of the command."""
    items = manifest.of_step(MODELS)
    there = [item for item in items if world.disk.kind_of(Path(item.path))]
    manifest.finish(there)
    manifest.forget(item for item in items if item not in there)


def _items(folder: Path, world: World, manifest: Manifest) -> Iterator[Item]:
    for path in missing_folders(folder.parent, world, manifest):
        yield Item(kind="folder", path=str(path), step=MODELS)
    # As clipcrop.weights.store calls them.
    yield Item(kind="trace", path=str(folder.with_name(f".{folder.name}.lock")), step=MODELS)
    for path in (folder.with_name(f".{folder.name}.part"), folder):
        if not world.disk.kind_of(path) or manifest.find("tree", path):
            yield Item(kind="tree", path=str(path), step=MODELS)
