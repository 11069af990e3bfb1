"""Files that a step makes, and how each kind of entry is taken away again.

Nothing that the user made or changed is lost. Undoing an entry twice, or one that was never
made, is no error: an interrupted ``uninstall`` is simply run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .disk import Disk, leftover, sha256_of
from .errors import InstallError, NotOurs
from .machine import own_folders, places
from .manifest import Manifest, ManifestEntry
from .plan import Context
from .settings_line import Line, take_back, value_of

BEFORE, YOURS = "before-clipcrop", "yours"
"""Ends of the names of what is put aside: what was there first; what the user made of ours."""


@dataclass(frozen=True)
class NewFile:
    """A file to write: its path, content and mode."""

    path: Path
    content: bytes
    mode: int = 0o644


def missing_folders(folder: Path, context: Context, manifest: Manifest) -> list[Path]:
    """The folder and those that it is in, outermost first: what is not there, or is ours."""
    every = (*reversed(folder.parents), folder)
    return [one for one in every if _is_missing(one, context, manifest)]


def items_of(
    step: str,
    files: Sequence[NewFile],
    context: Context,
    manifest: Manifest,
    moved: Sequence[ManifestEntry] = (),
    copies: Sequence[Path] = (),
) -> list[ManifestEntry]:
    """What is moved aside for them (`claim`), folders that must be made, then the files.

    Args:
        step: Whose files they are.
        files: As they shall be.
        context: Where.
        manifest: What it lists is ours.
        moved: What `claim` gave.
        copies: What will be removed before they are written (`copies_of_ours`).
    """
    leaving = {*(Path(item.path) for item in moved), *copies}
    folders: dict[Path, None] = {}
    for parent in dict.fromkeys(file.path.parent for file in files):
        for one in (*reversed(parent.parents), parent):
            will_be_missing = leaving & {one, *one.parents}
            if will_be_missing or _is_missing(one, context, manifest):
                folders[one] = None
    return [
        *moved,
        *(ManifestEntry(kind="folder", path=str(one), step=step) for one in folders),
        *(
            ManifestEntry(
                kind="file", path=str(one.path), step=step, hashes=(sha256_of(one.content),)
            )
            for one in files
        ),
    ]


def copies_of_ours(
    paths: Iterable[Path], hashes: Collection[str], context: Context, manifest: Manifest
) -> list[Path]:
    """Files and folders in the way in which every file is one that we have made elsewhere.

    A new version of GIMP copies the plug-ins of the older one at its first start.

    Args:
        paths: Of files and folders that will be ours alone.
        hashes: SHA-256 of all files that we have made.
        context: Where.
        manifest: What it lists as made is in its place, and no copy.
    """
    found = []
    for path in paths:
        kind = context.disk.kind_of(path)
        listed = manifest.find(kind, path)
        if kind not in ("file", "folder") or (listed and listed.is_made):
            continue
        contents = [context.disk.read(one) for one in _files_at(path, context)]
        if contents and all(one is not None and sha256_of(one) in hashes for one in contents):
            found.append(path)
    return found


def remove_copies(copies: Iterable[Path], context: Context) -> None:
    """Remove what `copies_of_ours` found."""
    for path in copies:
        _remove(path, context)


def claim(
    step: str, paths: Iterable[Path], context: Context, manifest: Manifest, *, force: bool
) -> list[ManifestEntry]:
    """Make sure that nothing is in the way.

    Args:
        step: Whose paths they are.
        paths: Of files and folders that will be ours alone.
        context: Where.
        manifest: What it lists is ours.
        force: Move aside what is in the way; `move_aside` does it.

    Returns:
        Items for what is moved, or was by an earlier run.

    Raises:
        NotOurs: something is in the way.
    """
    moved = [item for item in manifest.of_step(step) if item.kind == "moved"]
    for path in paths:
        kind = context.disk.kind_of(path)
        if not kind or manifest.find("folder" if kind == "folder" else "file", path):
            continue
        to = aside(path, BEFORE, context)
        if not force:
            raise NotOurs(
                f"{path} is there already, and was not made by this program; move it away, or "
                f"have it moved to {to.name} with --force"
            )
        moved.append(
            ManifestEntry(kind="moved", path=str(path), step=step, details={"to": str(to)})
        )
    return moved


def move_aside(step: str, context: Context, manifest: Manifest) -> list[str]:
    """Do what `claim` has listed, unless it was done; returns what the user should know."""
    notes = []
    for item in manifest.of_step(step):
        if item.kind != "moved":
            continue
        path, to = Path(item.path), Path(item.details["to"])
        is_done = context.disk.kind_of(to) or not context.disk.kind_of(path)
        if is_done or _has_our_files(path, context, manifest):
            continue
        context.disk.rename(path, to)
        notes.append(f"what was {path} is {to.name} beside it now, and will be put back at the end")
    return notes


def aside(path: Path, end: str, context: Context) -> Path:
    """The first free name ``NAME.END`` or ``NAME.END-N`` beside ``path``."""
    number, name = 1, f"{path.name}.{end}"
    while context.disk.kind_of(path.with_name(name)):
        number += 1
        name = f"{path.name}.{end}-{number}"
    return path.with_name(name)


def write_all(files: Sequence[NewFile], context: Context, manifest: Manifest) -> list[str]:
    """Write what is not there yet; returns what the user should know.

    The items of `items_of` are listed by now: one with another hash than theirs is the user's work.
    """
    around = {folder for file in files for folder in file.path.parents}
    for item in manifest.items:
        if item.kind == "folder" and Path(item.path) in around:
            context.disk.make_folder(Path(item.path))
    notes = []
    for file in files:
        found = context.disk.read(file.path)
        if found == file.content and not _lacks_rights(file):
            continue
        listed = manifest.find("file", file.path)
        if found is not None and listed and sha256_of(found) not in listed.hashes:
            kept = aside(file.path, YOURS, context)
            context.disk.rename(file.path, kept)
            notes.append(f"{file.path} had been changed: your version is {kept.name} beside it now")
        context.disk.write(file.path, file.content, file.mode)
    return notes


def _files_at(path: Path, context: Context) -> Iterator[Path]:
    """The file, or all in a folder, but for what Python has compiled."""
    if context.disk.kind_of(path) != "folder":
        yield path
    elif path.name != "__pycache__":
        for name in context.disk.names_in(path):
            yield from _files_at(path / name, context)


def _lacks_rights(file: NewFile) -> bool:
    """Whether it should be a program, and cannot be run."""
    is_program = os.name != "nt" and file.mode & 0o100
    return bool(is_program and not file.path.stat().st_mode & 0o100)


def _is_missing(folder: Path, context: Context, manifest: Manifest) -> bool:
    return not context.disk.kind_of(folder) or manifest.find("folder", folder) is not None


def _has_our_files(path: Path, context: Context, manifest: Manifest) -> bool:
    """Whether it is, or has in it, a file as we write it."""
    for item in manifest.items:
        if item.kind == "file" and path in (Path(item.path), *Path(item.path).parents):
            content = context.disk.read(Path(item.path))
            if content is not None and sha256_of(content) in item.hashes:
                return True
    return False


REMOVED, GONE, KEPT, FAILED = "removed", "gone", "kept", "failed"
_CACHE = "__pycache__"


@dataclass(frozen=True)
class Outcome:
    """What undoing one entry did."""

    verdict: str
    """REMOVED; GONE: it was not there; KEPT: the user's by now; FAILED: to be tried again."""

    note: str = ""
    """What the user should know: of what is kept or failed, a sentence with the path."""


Undo = Callable[[ManifestEntry, Context], Outcome]
"""Undoes one item; raises OSError or InstallError where it cannot, which counts as FAILED."""

UndoHandlers = Mapping[str, Undo]
"""Kind of an entry -> what undoes it."""


def undo_items(
    items: Iterable[ManifestEntry],
    context: Context,
    manifest: Manifest,
    undo_handlers: UndoHandlers,
) -> list[Outcome]:
    """Undo them, the last one first, and strike off all that did not fail."""
    items = list(items)
    others = {Path(item.path) for item in manifest.items} - {Path(item.path) for item in items}
    in_use = {folder for path in others for folder in path.parents}
    outcomes, done = [], []
    for item in reversed(items):
        if item.kind == "folder" and Path(item.path) in in_use:
            continue  # it goes with the last thing in it: another step's, or one that failed
        outcome = undo_item(item, context, undo_handlers)
        outcomes.append(outcome)
        if outcome.verdict == FAILED:
            in_use.update(Path(item.path).parents)
        else:
            done.append(item)
    if done:
        manifest.forget(done)
    return outcomes


def undo_item(item: ManifestEntry, context: Context, undo_handlers: UndoHandlers) -> Outcome:
    """Undo one; never raises."""
    undo = undo_handlers.get(item.kind)
    if undo is None:
        return Outcome(FAILED, f"{item.path}: a newer version of the installer made it; use that")
    try:
        return undo(item, context)
    except InstallError as exc:
        return Outcome(FAILED, str(exc))
    except OSError as exc:
        return Outcome(FAILED, f"{item.path} cannot be removed: {exc.strerror or exc}")


def undo_file(item: ManifestEntry, context: Context) -> Outcome:
    """Remove a file or a link that is as we made it."""
    path = Path(item.path)
    context.disk.remove_file(leftover(path))
    kind = context.disk.kind_of(path)
    if not kind:
        return Outcome(GONE)
    content = context.disk.read(path) if kind == item.kind == "file" else None
    is_ours = content is not None and sha256_of(content) in item.hashes
    if not is_ours and not (item.kind == "link" and is_our_link(item, context)):
        return Outcome(KEPT, f"{path} was changed since it was installed, and is kept")
    context.disk.remove_file(path)
    return Outcome(REMOVED)


def undo_folder(item: ManifestEntry, context: Context) -> Outcome:
    """Remove a folder that we made, if nothing is left in it."""
    path = Path(item.path)
    if context.disk.kind_of(path) != "folder":
        return Outcome(GONE)
    _remove_stale_caches(path, context.disk)
    if context.disk.remove_folder(path):
        return Outcome(REMOVED)
    names = context.disk.names_in(path)
    more = ", ..." if len(names) > 3 else ""
    return Outcome(KEPT, f"{path} is kept: {', '.join(names[:3])}{more} in it is not ours")


def undo_own(item: ManifestEntry, context: Context) -> Outcome:
    """Remove a tree with all that is in it, or a file that ClipCrop's programs make (a trace)."""
    path = Path(item.path)
    kind = context.disk.kind_of(path)
    if not kind:
        return Outcome(GONE)
    if (kind == "folder") is not (item.kind == "tree"):
        return Outcome(KEPT, f"{path} is a {kind} now, and is kept")
    if not _is_in_own_folder(path, context):
        return Outcome(KEPT, f"{path} is in no folder of ClipCrop's, and is kept")
    _remove(path, context)
    return Outcome(REMOVED)


def is_our_link(item: ManifestEntry, context: Context) -> bool:
    """Whether it leads to the program listed, or to another version's: an upgrade was cut off."""
    path = Path(item.path)
    if context.disk.kind_of(path) != "link":
        return False
    to = path.parent / path.readlink()
    return str(to) == item.details["to"] or places(context.machine).environments in to.parents


def undo_moved(item: ManifestEntry, context: Context) -> Outcome:
    """Put back what was in the way."""
    path, kept = Path(item.path), Path(item.details["to"])
    if not context.disk.kind_of(kept):
        return Outcome(GONE)
    if context.disk.kind_of(path):
        return Outcome(KEPT, f"what was {path} before is {kept} now: something is in its place")
    context.disk.rename(kept, path)
    return Outcome(REMOVED)


def undo_setting(item: ManifestEntry, context: Context) -> Outcome:
    """Take back a line of a settings file."""
    path = Path(item.path).resolve()
    context.disk.remove_file(leftover(path))
    content = context.disk.read(path)
    details = item.details
    line = Line(details["group"], details["key"], details["value"])
    found = None if content is None else value_of(content, line)
    if content is None or found is None:
        return Outcome(GONE)
    if found != line.value:
        return Outcome(KEPT, f"{line.key} in {path} was changed since, and is kept")
    without = take_back(content, details)
    if without is None:
        context.disk.remove_file(path)
    else:
        context.disk.write(path, without, path.stat().st_mode & 0o777)
    return Outcome(REMOVED)


FILES: UndoHandlers = {
    "file": undo_file,
    "folder": undo_folder,
    "link": undo_file,
    "moved": undo_moved,
    "setting": undo_setting,
    "trace": undo_own,
    "tree": undo_own,
}
"""Kind of an item -> what undoes it."""


def _is_in_own_folder(path: Path, context: Context) -> bool:
    """Whether it is inside one, also after links on the way to it are followed."""
    real = path.parent.resolve() / path.name
    own = [folder.resolve() for folder in own_folders(context.machine)]
    return path.name not in ("", ".", "..") and any(folder in real.parents for folder in own)


def _remove(path: Path, context: Context) -> None:
    if context.disk.kind_of(path) == "folder":
        context.disk.remove_tree(path)
    else:
        context.disk.remove_file(path)


def _remove_stale_caches(folder: Path, disk: Disk) -> None:
    """What editors' Pythons compiled from modules that are not there any more."""
    cache = folder / _CACHE
    if disk.kind_of(cache) != "folder":
        return
    for name in disk.names_in(cache):
        module = name.partition(".")[0] + ".py"
        if ".pyc" in name and not disk.kind_of(folder / module):
            disk.remove_file(cache / name)
    disk.remove_folder(cache)
