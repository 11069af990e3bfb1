"""Files of weights: hashes, the record of what was checked, pickle -> safetensors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import CheckpointError
from .registry import PublishedFile

RECORD_FILE = "clipcrop-weights.json"
BY_HAND = "placed by hand"
"""Stands for the commit where it is not known."""

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


def difference(found: PublishedFile, wanted: PublishedFile) -> str:
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


def convert_pickle(pickle: Path, weights: Path) -> None:
    """Write the tensors of a pickled state dict as safetensors, which holds numbers only.

    A pickle can run code when it is loaded. This reads it with PyTorch's unpickler that makes
    tensors and their containers and refuses all else.

    Args:
        pickle: A checked ``pytorch_model.bin``.
        weights: The file to write; whole or not at all.

    Raises:
        CheckpointError: There is something else in it than tensors by names.
        OSError: It cannot be written.
    """
    import pickle as pickles

    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(pickle, map_location="cpu", weights_only=True, mmap=True)
    except (pickles.UnpicklingError, RuntimeError, EOFError, KeyError) as exc:
        reason = " ".join(str(exc).split())[:120].rstrip(".")
        raise CheckpointError(
            f"{pickle.name} is not a plain file of weights ({reason}); it was not used"
        ) from exc
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in state.items()
    ):
        raise CheckpointError(f"{pickle.name} has other things than weights in it; not used")
    # Tensors that share memory are written once each: safetensors refuses what overlaps.
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}
    new = weights.with_name(f"{weights.name}.part")
    save_file(tensors, new, metadata={"format": "pt"})
    new.replace(weights)
