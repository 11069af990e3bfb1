"""Opens the folder in which all of ClipCrop's own is: one installer at a time, with its manifest.

The manifest cannot list the folder that it lies in before that is there. An install that is killed
just then leaves a folder that holds only the lock, by which the next run recognises it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import lock
from .apply import sentence_for
from .disk import leftover
from .errors import NotOurs
from .manifest import Manifest, ManifestEntry
from .places import Places
from .plan import Context
from .undo import FAILED, FILES, KEPT, undo_item

STEP_NAME = "folder for ClipCrop's files"
_MODE = 0o700


def read_manifest(places: Places, context: Context) -> Manifest:
    """The one that is there, for who changes nothing.

    Raises:
        DamagedManifest: it cannot be read.
    """
    return Manifest.load(places.manifest, context.disk)


@contextmanager
def opened(places: Places, context: Context) -> Iterator[Manifest]:
    """The manifest, for who changes things; the folder is made if need be.

    Where nothing is installed in the end, the folder goes again.

    Raises:
        AlreadyAtWork: another installer runs.
        DamagedManifest: it cannot be read.
        InstallError: the folder cannot be made.
    """
    folder = places.data
    kind = context.disk.kind_of(folder)
    if kind not in ("", "folder"):
        raise NotOurs(f"{folder} should be a folder, and is a {kind}; move it away and try again")
    missing = _missing(folder, context)
    try:
        for one in missing:
            context.disk.make_folder(one, _MODE)
        with lock.held(places.lock) as held:
            manifest = read_manifest(places, context)
            if manifest.is_empty:
                ours = missing or _left_by_a_killed_run(places, context)
                manifest.begin(_folder_item(one) for one in ours)
                manifest.finish(manifest.of_step(STEP_NAME))
            try:
                yield manifest
            finally:
                if not items_besides_folder(manifest):
                    _close_for_good(places, context, manifest, held)
    except OSError as exc:
        raise sentence_for(exc) from exc


def items_besides_folder(manifest: Manifest) -> list[ManifestEntry]:
    """All that is installed; the folder of the manifest goes after all of it."""
    return [item for item in manifest.items if item.step != STEP_NAME]


def _close_for_good(places: Places, context: Context, manifest: Manifest, held: lock.Lock) -> None:
    """Remove the manifest, the lock, and the folders that we made; says what is kept."""
    for path in (leftover(places.manifest), places.manifest):
        context.disk.remove_file(path)
    held.remove()
    folders = manifest.of_step(STEP_NAME)
    outcomes = [undo_item(item, context, FILES) for item in reversed(folders)]
    # A folder around the innermost one may hold anybody's things.
    for one in outcomes[:1]:
        if one.verdict in (KEPT, FAILED):
            context.say(one.note)


def is_there(places: Places, context: Context) -> bool:
    """Whether there is anything to open."""
    return context.disk.kind_of(places.data) == "folder"


def _missing(folder: Path, context: Context) -> list[Path]:
    every = (*reversed(folder.parents), folder)
    return [one for one in every if not context.disk.kind_of(one)]


def _left_by_a_killed_run(places: Places, context: Context) -> list[Path]:
    """The folder, and those around it in which there is nothing else."""
    names = set(context.disk.names_in(places.data))
    if names - {places.lock.name, leftover(places.manifest).name}:
        return []
    ours, home = [places.data], Path(context.machine.home)
    for parent in places.data.parents:
        if parent == home or len(context.disk.names_in(parent)) > 1:
            break
        ours.insert(0, parent)
    return ours


def _folder_item(folder: Path) -> ManifestEntry:
    return ManifestEntry(kind="folder", path=str(folder), step=STEP_NAME)
