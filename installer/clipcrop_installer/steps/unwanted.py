"""What an earlier installation made, and the choices of this one leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InstallError
from ..manifest import Item, Manifest
from ..plan import World
from ..undo import FAILED, KEPT, Undo, undo_items


class RemoveUnwanted:
    """Undoes whole steps."""

    name = "what is not wanted any more"
    is_needed = False

    def __init__(self, steps: Sequence[str], kinds: Mapping[str, Undo]) -> None:
        self._steps = steps
        self._kinds = kinds

    def describe(self) -> list[str]:
        """The steps."""
        return ["take back what is not wanted any more", *self._steps]

    def items(self, world: World, manifest: Manifest) -> list[Item]:
        """It makes nothing."""
        return []

    def apply(self, world: World, manifest: Manifest) -> list[str]:
        """Undo them.

        Raises:
            InstallError: something cannot be undone.
        """
        unwanted = [item for item in manifest.items if item.step in self._steps]
        outcomes = undo_items(unwanted, world, manifest, self._kinds)
        failed = [one.note for one in outcomes if one.verdict == FAILED]
        if failed:
            raise InstallError(failed[0])
        return [one.note for one in outcomes if one.verdict == KEPT]
