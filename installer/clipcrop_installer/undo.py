"""How each kind of item is taken away again. Nothing that the user made or changed is lost.

Undoing something twice, or something that was never made, is no error: an interrupted
``uninstall`` is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .disk import Disk, leftover, sha256_of
from .errors import InstallError
from .manifest import Manifest, ManifestEntry
from .places import own_folders, places
from .plan import Context
from .settings_line import Line, take_back, value_of

REMOVED, GONE, KEPT, FAILED = "removed", "gone", "kept", "failed"
_CACHE = "__pycache__"


@dataclass(frozen=True)
class Outcome:
    """What became of one item."""

    verdict: str
    """REMOVED; GONE: it was not there; KEPT: the user's by now; FAILED: to be tried again."""

    note: str = ""
    """What the user should know: of what is kept or failed, a sentence with the path."""


Undo = Callable[[ManifestEntry, Context], Outcome]
"""Undoes one item; raises OSError or InstallError where it cannot, which counts as FAILED."""


def undo_items(
    items: Iterable[ManifestEntry], context: Context, manifest: Manifest, kinds: Mapping[str, Undo]
) -> list[Outcome]:
    """Undo them, the last one first, and strike off all that did not fail."""
    items = list(items)
    others = {Path(item.path) for item in manifest.items} - {Path(item.path) for item in items}
    in_use = {folder for path in others for folder in path.parents}
    outcomes, done = [], []
    for item in reversed(items):
        if item.kind == "folder" and Path(item.path) in in_use:
            continue  # it goes with the last thing in it: another step's, or one that failed
        outcome = undo_item(item, context, kinds)
        outcomes.append(outcome)
        if outcome.verdict == FAILED:
            in_use.update(Path(item.path).parents)
        else:
            done.append(item)
    if done:
        manifest.forget(done)
    return outcomes


def undo_item(item: ManifestEntry, context: Context, kinds: Mapping[str, Undo]) -> Outcome:
    """Undo one; never raises."""
    undo = kinds.get(item.kind)
    if undo is None:
        return Outcome(FAILED, f"{item.path}: a newer version of the installer made it; use that")
    try:
        return undo(item, context)
    except InstallError as exc:
        return Outcome(FAILED, str(exc))
    except OSError as exc:
        return Outcome(FAILED, f"{item.path} cannot be removed: {exc.strerror or exc}")


def undo_file(item: ManifestEntry, context: Context) -> Outcome:
    """Remove a file that is as we made it."""
    path = Path(item.path)
    context.disk.remove_file(leftover(path))
    kind = context.disk.kind_of(path)
    if not kind:
        return Outcome(GONE)
    content = context.disk.read(path) if kind == "file" else None
    if content is None or sha256_of(content) not in item.hashes:
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


def undo_tree(item: ManifestEntry, context: Context) -> Outcome:
    """Remove a folder of ours with all that is in it."""
    path = Path(item.path)
    kind = context.disk.kind_of(path)
    if not kind:
        return Outcome(GONE)
    if kind != "folder":
        return Outcome(KEPT, f"{path} is no folder any more, and is kept")
    if not _is_in_own_folder(path, context):
        return Outcome(KEPT, f"{path} is in no folder of ClipCrop's, and is kept")
    context.disk.remove_tree(path)
    return Outcome(REMOVED)


def undo_trace(item: ManifestEntry, context: Context) -> Outcome:
    """Remove a file that ClipCrop's programs make while they run, whatever is in it."""
    path = Path(item.path)
    if context.disk.kind_of(path) not in ("file", "link"):
        return Outcome(GONE)
    if not _is_in_own_folder(path, context):
        return Outcome(KEPT, f"{path} is in no folder of ClipCrop's, and is kept")
    context.disk.remove_file(path)
    return Outcome(REMOVED)


def undo_link(item: ManifestEntry, context: Context) -> Outcome:
    """Remove a link that leads to where we let it."""
    path = Path(item.path)
    context.disk.remove_file(leftover(path))
    if not context.disk.kind_of(path):
        return Outcome(GONE)
    if not is_our_link(item, context):
        return Outcome(KEPT, f"{path} was changed since it was installed, and is kept")
    context.disk.remove_file(path)
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


FILES: Mapping[str, Undo] = {
    "file": undo_file,
    "folder": undo_folder,
    "link": undo_link,
    "moved": undo_moved,
    "setting": undo_setting,
    "trace": undo_trace,
    "tree": undo_tree,
}
"""Kind of an item -> what undoes it."""


def _is_in_own_folder(path: Path, context: Context) -> bool:
    """Whether it is inside one, also after links on the way to it are followed."""
    real = path.parent.resolve() / path.name
    own = [folder.resolve() for folder in own_folders(context.machine)]
    return path.name not in ("", ".", "..") and any(folder in real.parents for folder in own)


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
