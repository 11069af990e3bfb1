"""Files of weights: their hashes, and the record of what was checked, beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import CheckpointError
from .published import PublishedFile

RECORD_FILE = "clipcrop-weights.json"
BY_HAND = "placed by hand"
"""Stands for the commit of files of which nobody knows it."""

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Record:
    """Where weights came from, and what they were when they were checked."""

    repository: str

    revision: str
    """The commit, or `BY_HAND`."""

    files: tuple[PublishedFile, ...]
    """As they lie in the folder, each with its SHA-256."""

    source: PublishedFile | None = None
    """The pickle that the weights were converted from."""


def write_record(folder: Path, record: Record) -> None:
    """Put the record beside the weights.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps(asdict(record), indent=1) + "\n"
    (folder / RECORD_FILE).write_text(text, encoding="utf-8")


def read_record(folder: Path) -> Record | None:
    """The record of a folder; None if there is none that can be read."""
    try:
        values = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        files = tuple(PublishedFile(**one) for one in values["files"])
        source = PublishedFile(**values["source"]) if values["source"] else None
        return Record(str(values["repository"]), str(values["revision"]), files, source)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def hashed(path: Path, on_bytes: Callable[[int], None] = lambda count: None) -> PublishedFile:
    """A file's size and both of its hashes.

    Args:
        path: The file.
        on_bytes: Called with the number of bytes after each piece of it.

    Raises:
        OSError: it cannot be read.
    """
    size_bytes = path.stat().st_size
    sha256 = hashlib.sha256()
    git_sha1 = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            git_sha1.update(chunk)
            on_bytes(len(chunk))
    return PublishedFile(path.name, size_bytes, sha256.hexdigest(), git_sha1.hexdigest())


def what_is_wrong(found: PublishedFile, wanted: PublishedFile) -> str:
    """How a file differs from what it should be; empty if it does not."""
    if found.size_bytes != wanted.size_bytes:
        return f"{wanted.name} has {found.size_bytes} bytes instead of {wanted.size_bytes}"
    if wanted.sha256 and found.sha256 != wanted.sha256:
        return (
            f"{wanted.name} has another hash (SHA-256 {found.sha256[:16]}... "
            f"instead of {wanted.sha256[:16]}...)"
        )
    if wanted.git_sha1 and found.git_sha1 != wanted.git_sha1:
        return f"{wanted.name} has another hash (git {found.git_sha1} instead of {wanted.git_sha1})"
    return ""


def check_files(
    folder: Path,
    wanted: Sequence[PublishedFile],
    on_bytes: Callable[[int], None] = lambda count: None,
) -> list[str]:
    """What is wrong with files of a folder, each in a few words; empty if nothing is.

    Raises:
        CheckpointError: one cannot be read.
    """
    problems = []
    for one in wanted:
        path = folder / one.name
        if not path.is_file():
            problems.append(f"{one.name} is missing")
            continue
        try:
            found = hashed(path, on_bytes)
        except OSError as exc:
            raise CheckpointError(f"cannot read {path}: {exc.strerror or exc}") from exc
        if problem := what_is_wrong(found, one):
            problems.append(problem)
    return problems
