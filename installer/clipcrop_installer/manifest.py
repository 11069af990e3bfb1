"""What was made, so that it can be taken away again; written before and after every step.

A step records what it is about to make (`Manifest.begin`), makes it, and records it as made
(`Manifest.finish`). A run that is killed between the two leaves at most what is listed: so
``uninstall`` always finds everything, and the next ``install`` knows what is ours. An item is
undone by its kind (`files`); an undone item is struck off (`Manifest.forget`).

    {"format": 1, "version": "0.1.0", "values": {"environment": ...},
     "items": [{"kind": "file", "path": "...", "step": "...", "hashes": [...], "is_made": true}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .disk import Disk
from .errors import DamagedManifest, NotOurs

FORMAT = 1
KEPT_ON_FAILURE = "is_kept_on_failure"
"""In `ManifestEntry.details`: true of what a failed step leaves for the next try or as a reason."""


@dataclass(frozen=True, kw_only=True)
class ManifestEntry:
    """One thing that a step makes."""

    kind: str
    """Decides how it is undone: one of `files.FILES`, or of a module that makes other things."""

    path: str
    """Absolute; what is not in a folder has another name here, such as that of a registry key."""

    step: str
    """Name of the step that makes it."""

    hashes: tuple[str, ...] = ()
    """Of a file: SHA-256 of everything that we put there, the newest last. With another one it was
    changed by the user and is kept. More than one only while a step is not finished."""

    details: dict[str, Any] = field(default_factory=dict)
    """What undoing it needs besides; JSON."""

    is_made: bool = False
    """Its step came to its end."""

    @property
    def key(self) -> tuple[str, str]:
        """Two items of the same key are the same thing."""
        return self.kind, self.path


class Manifest:
    """The list, and its file, which follows every change: whole or not at all.

    Args:
        path: Of the file; its folder must be there before the first change.
        disk: Where it is.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self._disk = disk
        self._items: dict[tuple[str, str], ManifestEntry] = {}
        self.version = ""
        """The version of ClipCrop that was installed last."""

        self.values: dict[str, Any] = {}
        """What steps and commands must know the next time, such as the environment; JSON."""

    @classmethod
    def load(cls, path: Path, disk: Disk) -> Manifest:
        """The one that is there, or an empty one.

        Raises:
            DamagedManifest: it cannot be read; nothing should be touched then.
            NotOurs: another user may have written it; likewise.
        """
        manifest = cls(path, disk)
        try:
            content = disk.read_own(path)
        except PermissionError as exc:
            raise NotOurs(
                f"{path}, which lists what was installed, could have been changed by another "
                f"user: {exc.strerror}; if it is yours, make yourself its owner, "
                "set its mode to 600, and try again"
            ) from exc
        if content is None:
            return manifest
        try:
            values = json.loads(content)
            if type(values["format"]) is not int or values["format"] > FORMAT:
                raise DamagedManifest(
                    f"{path} was written by a newer version of the installer; use that one"
                )
            manifest.version = str(values["version"])
            manifest.values = dict(values["values"])
            items = [_item_of(one) for one in values["items"]]
        except (ValueError, KeyError, TypeError, RecursionError) as exc:
            raise DamagedManifest(
                f"{path}, which lists what was installed, is damaged; put it back from a backup, "
                "or remove by hand what installer/README.md names, then this file"
            ) from exc
        manifest._items = {item.key: item for item in items}
        return manifest

    @property
    def items(self) -> list[ManifestEntry]:
        """In the order in which they were made."""
        return list(self._items.values())

    @property
    def is_empty(self) -> bool:
        """Nothing is installed."""
        return not self._items

    def find(self, kind: str, path: Path | str) -> ManifestEntry | None:
        """The item, if it is listed."""
        return self._items.get((kind, str(path)))

    def of_step(self, step: str) -> list[ManifestEntry]:
        """What a step made, or has begun to make."""
        return [item for item in self._items.values() if item.step == step]

    def begin(self, items: Iterable[ManifestEntry]) -> None:
        """Before they are made. What is listed stays its step's; of a file old hashes are good."""
        for item in items:
            before = self._items.get(item.key, item)
            hashes = (*(one for one in before.hashes if one not in item.hashes), *item.hashes)
            self._items[item.key] = replace(item, step=before.step, hashes=hashes, is_made=False)
        self.save()

    def finish(self, items: Iterable[ManifestEntry]) -> None:
        """After they were made."""
        for item in items:
            self._items[item.key] = replace(item, step=self._items[item.key].step, is_made=True)
        self.save()

    def forget(self, items: Iterable[ManifestEntry]) -> None:
        """After they were undone."""
        for item in items:
            self._items.pop(item.key, None)
        self.save()

    def save(self) -> None:
        """Write the file."""
        items = [_fields_of(item) for item in self._items.values()]
        values = {
            "format": FORMAT,
            "version": self.version,
            "values": self.values,
            "items": items,
        }
        text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
        # A file name that is no text has lone surrogates, which JSON can carry.
        self._disk.write(self.path, text.encode("utf-8", "surrogatepass"), 0o600)


def _fields_of(item: ManifestEntry) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": item.kind, "path": item.path, "step": item.step}
    if item.hashes:
        fields["hashes"] = list(item.hashes)
    if item.details:
        fields["details"] = item.details
    return {**fields, "is_made": item.is_made}


def _item_of(fields: dict[str, Any]) -> ManifestEntry:
    hashes: Sequence[str] = fields.get("hashes", ())
    return ManifestEntry(
        kind=str(fields["kind"]),
        path=str(fields["path"]),
        step=str(fields["step"]),
        hashes=tuple(map(str, hashes)),
        details=dict(fields.get("details", {})),
        is_made=bool(fields["is_made"]),
    )
