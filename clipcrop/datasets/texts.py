"""Texts for photos, as files beside a data set.

ClipCrop's authors published theirs for GAICD as ``train.json``, ``valid.json`` and ``test.json``:
one object each, name of the photo -> text. `clipcrop data caption` writes JSON lines, ``{"image":
name, "text": text}``. A list of texts for a photo is read too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from .records import (
    ErrorHandler,
    expect_object,
    expect_text,
    fail,
    located_errors,
    read_json,
    read_records,
)

Texts = dict[str, tuple[str, ...]]
"""Name of a photo, without its folder -> its texts."""

EXPECTED = "texts of photos"


def read_texts(path: Path, *, on_error: ErrorHandler = fail) -> Texts:
    """Read a file of texts, or all ``.json`` and ``.jsonl`` files of a folder.

    Raises:
        InputError: There is none, one cannot be read, or an entry is wrong.
    """
    files = [path]
    if path.is_dir():
        files = sorted([*path.glob("*.json"), *path.glob("*.jsonl")])
        if not files:
            raise InputError(f"no texts in {path}; expected .json or .jsonl files in it")
    texts: Texts = {}
    for file in files:
        for name, found in _read_file(file, on_error):
            if name in texts and texts[name] != found:
                on_error(InputError(f"{file}: a second, other text of {name!r}: {found[0]!r}"))
            texts.setdefault(name, found)
    return texts


def _read_file(path: Path, on_error: ErrorHandler) -> Iterator[tuple[str, tuple[str, ...]]]:
    if path.suffix.lower() == ".jsonl":
        yield from read_records(path, EXPECTED, lambda record, _: _line(record), on_error)
        return
    entries: dict[str, Any] = {}
    with located_errors(str(path), EXPECTED, on_error):
        entries = expect_object(read_json(path, EXPECTED))
    for name, found in entries.items():
        with located_errors(f"{path}, {name!r}", "a text", on_error):
            yield name, _texts_of({"text": found})


def _line(record: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    return Path(expect_text(record, "image")).name, _texts_of(record)


def _texts_of(record: dict[str, Any]) -> tuple[str, ...]:
    found = record["text"]
    if not isinstance(found, list):
        return (expect_text(record, "text"),)
    if not found:
        raise ValueError("the list of texts is empty")
    return tuple(expect_text({"text": one}, "text") for one in found)
