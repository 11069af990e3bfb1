"""What earlier installations made and this one does not need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ..errors import InstallError
from ..manifest import Manifest, ManifestEntry
from ..plan import Context, Step
from ..undo import FAILED, KEPT, Undo, undo_items


class Remove(Step):
    """Undoes items.

    Args:
        name: The step's.
        lines: What `describe` returns.
        choose: The items, when the steps before are done.
        kinds: Undo each kind of item.
    """

    def __init__(
        self,
        name: str,
        lines: Sequence[str],
        choose: Callable[[Manifest], Iterable[ManifestEntry]],
        kinds: Mapping[str, Undo],
    ) -> None:
        self.name = name
        self._lines = lines
        self._choose = choose
        self._kinds = kinds

    def describe(self) -> Sequence[str]:
        """What is removed."""
        return self._lines

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Remove them.

        Raises:
            InstallError: one cannot be removed.
        """
        outcomes = undo_items(self._choose(manifest), context, manifest, self._kinds)
        failed = [one.note for one in outcomes if one.verdict == FAILED]
        if failed:
            raise InstallError(failed[0])
        return [one.note for one in outcomes if one.verdict == KEPT]
