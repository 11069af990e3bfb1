"""Carries out a plan in the folder of ClipCrop's own data: one installer at a time.

Each step is listed in the manifest, then done, then noted as done. The lock ends with its process.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .disk import leftover
from .errors import AlreadyAtWork, DiskFull, InstallError, NotOurs
from .files import FAILED, FILES, KEPT, UndoHandlers, undo_item, undo_items
from .machine import Places
from .manifest import KEPT_ON_FAILURE, Manifest, ManifestEntry
from .plan import Context, Plan, Step

_BY_ANOTHER = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
"""What systems say of a lock that another process holds."""


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if need be, and stays.

    Raises:
        AlreadyAtWork: another process holds it.
        OSError: the file cannot be made or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(descriptor):
            raise AlreadyAtWork(
                "another installer of ClipCrop is running; try again when it has finished"
            )
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock it; whether no other process had."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in _BY_ANOTHER:
            return False
        raise
    return True


class Remove(Step):
    """Undoes entries of earlier installations.

    Args:
        name: The step's.
        lines: What `describe` returns.
        choose: The items, when the steps before are done.
        undo_handlers: Undo each kind of item.
    """

    def __init__(
        self,
        name: str,
        lines: Sequence[str],
        choose: Callable[[Manifest], Iterable[ManifestEntry]],
        undo_handlers: UndoHandlers,
    ) -> None:
        self.name = name
        self._lines = lines
        self._choose = choose
        self._undo_handlers = undo_handlers

    def describe(self) -> Sequence[str]:
        """The lines given."""
        return self._lines

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Undo the entries that are chosen now.

        Raises:
            InstallError: one cannot be removed.
        """
        outcomes = undo_items(self._choose(manifest), context, manifest, self._undo_handlers)
        failed = [one.note for one in outcomes if one.verdict == FAILED]
        if failed:
            raise InstallError(failed[0])
        return [one.note for one in outcomes if one.verdict == KEPT]


@dataclass(frozen=True)
class Result:
    """The outcome of one step."""

    name: str
    notes: tuple[str, ...] = ()
    """What the user should know."""

    error: InstallError | None = None
    """Why it is not done."""

    @property
    def is_done(self) -> bool:
        """The step was finished."""
        return self.error is None


def carry_out(
    plan: Plan, context: Context, manifest: Manifest, undo_handlers: UndoHandlers
) -> list[Result]:
    """Do the steps one after the other.

    One that fails takes back what it has begun anew. The next follows, unless the failed one is
    needed: then the others are not begun.

    Args:
        plan: What to do.
        context: Where.
        manifest: Follows every step.
        undo_handlers: Undoes what is not wanted any more.
    """
    results: list[Result] = []
    for step in plan.steps:
        context.say(f"- {step.name}")
        result = _do(step, context, manifest, undo_handlers)
        results.append(result)
        if not result.is_done and step.is_needed:
            break
    return results


def sentence_for(exc: OSError) -> InstallError:
    """An error of the disk as a sentence for the user, with what to do."""
    place = f" {exc.filename}" if exc.filename else ""
    if isinstance(exc, FileNotFoundError):
        return InstallError(f"there is no{place or ' such file'}; run install again, which repairs")
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(
            f"the disk is full{' at' + place if place else ''}; make room and try again"
        )
    return InstallError(
        f"cannot use{place}: {exc.strerror or exc}; check that it is yours, and try again"
    )


def _do(step: Step, context: Context, manifest: Manifest, undo_handlers: UndoHandlers) -> Result:
    before = {item.key: item for item in manifest.items}
    begun: Sequence[ManifestEntry] = ()
    try:
        items = step.items(context, manifest)
        begun = [item for item in items if item.key not in before]
        manifest.begin(items)
        notes = list(step.apply(context, manifest))
        manifest.finish(items)
    except (InstallError, OSError) as exc:
        error = sentence_for(exc) if isinstance(exc, OSError) else exc
        return Result(step.name, tuple(_take_back(begun, context, manifest, undo_handlers)), error)
    wanted = {item.key for item in items}
    stale = [item for item in before.values() if item.step == step.name and item.key not in wanted]
    outcomes = undo_items(stale, context, manifest, undo_handlers) if stale else []
    notes += [one.note for one in outcomes if one.verdict in (KEPT, FAILED)]
    return Result(step.name, tuple(notes))


def _take_back(
    begun: Sequence[ManifestEntry],
    context: Context,
    manifest: Manifest,
    undo_handlers: UndoHandlers,
) -> list[str]:
    """Undo what a failed step has begun; what is left of it stays listed."""
    left = [
        item
        for item in begun
        if item.details.get(KEPT_ON_FAILURE) and context.disk.kind_of(Path(item.path))
    ]
    notes = [
        f"{item.path} is left, for the next try; uninstall removes it"
        for item in left
        if item.kind == "tree"
    ]
    unfinished = [item for item in begun if item not in left]
    try:
        outcomes = undo_items(unfinished, context, manifest, undo_handlers)
    except OSError:  # not even the manifest can be written: it lists them, uninstall will do it
        return notes
    return notes + [one.note for one in outcomes if one.verdict in (KEPT, FAILED)]


STEP_NAME = "folder for ClipCrop's files"
_MODE = 0o700


def read_manifest(places: Places, context: Context) -> Manifest:
    """The manifest, for commands that change nothing; empty where nothing is installed.

    Raises:
        DamagedManifest: it cannot be read.
    """
    return Manifest.load(places.manifest, context.disk)


@contextmanager
def opened(places: Places, context: Context) -> Iterator[Manifest]:
    """The manifest, for commands that change things; the folder is made if need be.

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
    manifest = None
    try:
        for one in missing:
            context.disk.make_folder(one, _MODE)
        try:
            with hold_lock(places.lock):
                manifest = read_manifest(places, context)
                if manifest.is_empty:
                    manifest.begin(_folder_item(one) for one in missing)
                    manifest.finish(manifest.of_step(STEP_NAME))
                yield manifest
        finally:
            if manifest is not None and not items_besides_folder(manifest):
                _close_for_good(places, context, manifest)
    except OSError as exc:
        raise sentence_for(exc) from exc


def items_besides_folder(manifest: Manifest) -> list[ManifestEntry]:
    """All that is installed; the folder of the manifest goes after all of it."""
    return [item for item in manifest.items if item.step != STEP_NAME]


def _close_for_good(places: Places, context: Context, manifest: Manifest) -> None:
    """Remove the manifest, the lock, and the folders that we made; says what is kept."""
    for path in (leftover(places.manifest), places.manifest, places.lock):
        context.disk.remove_file(path)
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


def _folder_item(folder: Path) -> ManifestEntry:
    return ManifestEntry(kind="folder", path=str(folder), step=STEP_NAME)
