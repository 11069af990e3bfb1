"""Carries out a plan: each step is listed in the manifest, then done, then noted as done."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DiskFull, InstallError
from .manifest import KEPT_ON_FAILURE, Manifest, ManifestEntry
from .plan import Context, Plan, Step
from .undo import FAILED, KEPT, Undo, undo_items


@dataclass(frozen=True)
class Result:
    """What became of one step."""

    name: str
    notes: tuple[str, ...] = ()
    """What the user should know."""

    error: InstallError | None = None
    """Why it is not done."""

    @property
    def is_done(self) -> bool:
        """It did what it said."""
        return self.error is None


def carry_out(
    plan: Plan, context: Context, manifest: Manifest, kinds: Mapping[str, Undo]
) -> list[Result]:
    """Do the steps one after the other.

    One that fails takes back what it has begun anew. The next follows, unless the failed one is
    needed: then the others are not begun.

    Args:
        plan: What to do.
        context: Where.
        manifest: Follows every step.
        kinds: Undoes what is not wanted any more.
    """
    results: list[Result] = []
    for step in plan.steps:
        context.say(f"- {step.name}")
        result = _do(step, context, manifest, kinds)
        results.append(result)
        if not result.is_done and step.is_needed:
            break
    return results


def sentence_for(exc: OSError) -> InstallError:
    """What the disk says, for people."""
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


def _do(step: Step, context: Context, manifest: Manifest, kinds: Mapping[str, Undo]) -> Result:
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
        return Result(step.name, tuple(_take_back(begun, context, manifest, kinds)), error)
    wanted = {item.key for item in items}
    stale = [item for item in before.values() if item.step == step.name and item.key not in wanted]
    outcomes = undo_items(stale, context, manifest, kinds) if stale else []
    notes += [one.note for one in outcomes if one.verdict in (KEPT, FAILED)]
    return Result(step.name, tuple(notes))


def _take_back(
    begun: Sequence[ManifestEntry], context: Context, manifest: Manifest, kinds: Mapping[str, Undo]
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
        outcomes = undo_items(unfinished, context, manifest, kinds)
    except OSError:  # not even the manifest can be written: it lists them, uninstall will do it
        return notes
    return notes + [one.note for one in outcomes if one.verdict in (KEPT, FAILED)]
