"""Data sets by name: which kind a folder or file holds, and reading it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .examples import Example
from .fcdb import is_fcdb, read_fcdb
from .flms import is_flms, read_flms
from .gaicd import is_gaicd, read_gaicd
from .jsonl import read_jsonl
from .labelme import is_labelme, read_labelme
from .records import ErrorHandler, fail
from .texts import Texts, read_texts

EXAMPLES_FILE = "examples.jsonl"
"""Our own format in a folder; other names are given as files."""


@dataclass(frozen=True)
class Layout:
    """One layout that can be read."""

    name: str
    """As users write it."""

    expected: str
    """What a folder of it holds, for messages."""

    is_here: Callable[[Path], bool]
    """Whether a path looks like it."""

    read: Callable[[Path, Texts, ErrorHandler], list[Example]]
    """Reads it; texts are for sets that have none of their own."""


def _jsonl_file(path: Path) -> Path:
    return path / EXAMPLES_FILE if path.is_dir() else path


LAYOUTS = {
    kind.name: kind
    for kind in (
        Layout(
            "jsonl",
            f"a .jsonl file, or a folder with {EXAMPLES_FILE}",
            lambda path: _jsonl_file(path).suffix == ".jsonl" and _jsonl_file(path).is_file(),
            lambda path, _, on_error: read_jsonl(_jsonl_file(path), on_error=on_error),
        ),
        Layout(
            "gaicd",
            "images/train, images/test, ... and annotations",
            is_gaicd,
            lambda path, texts, on_error: read_gaicd(path, texts, on_error=on_error),
        ),
        Layout(
            "fcdb",
            "cropping_testing_set.json and data",
            is_fcdb,
            lambda path, _, on_error: read_fcdb(path, on_error=on_error),
        ),
        Layout(
            "flms",
            "500_image_dataset.mat and image",
            is_flms,
            lambda path, _, on_error: read_flms(path, on_error=on_error),
        ),
        Layout(
            "labelme",
            ".json files of labelme, as for Horanyi-PR and TextCrop",
            is_labelme,
            lambda path, _, on_error: read_labelme(path, on_error=on_error),
        ),
    )
}
"""Name -> layout; the first that a path looks like is taken."""


def find_layout(path: Path, name: str | None = None) -> Layout:
    """The layout of a path.

    Args:
        path: A file or folder.
        name: Which layout it is; found out by default.

    Raises:
        InputError: There is no such path or layout, or it is none that can be read.
    """
    if not path.exists():
        raise InputError(f"no such file or folder: {str(path)!r}; check the name")
    if name is not None:
        if name not in LAYOUTS:
            raise InputError(f"no such layout: {name!r}; known are {', '.join(LAYOUTS)}")
        return LAYOUTS[name]
    for kind in LAYOUTS.values():
        if kind.is_here(path):
            return kind
    known = "; ".join(f"{kind.name}: {kind.expected}" for kind in LAYOUTS.values())
    raise InputError(f"no data set in {str(path)!r}; expected one of: {known}")


def read_set(
    path: Path,
    *,
    name: str | None = None,
    texts: Path | None = None,
    split: str | None = None,
    on_error: ErrorHandler = fail,
) -> list[Example]:
    """Read a data set, whatever its layout.

    Args:
        path: Its file or folder.
        name: Its layout; found out by default.
        texts: A file or folder of texts, for a set that has none of its own.
        split: Only this part; all of it by default.
        on_error: What is done with a mistake; by default it is raised.

    Raises:
        InputError: It cannot be read, something in it is wrong, or nothing is in the split.
    """
    found_texts = read_texts(texts, on_error=on_error) if texts else {}
    examples = find_layout(path, name).read(path, found_texts, on_error)
    if split is not None:
        splits = sorted({example.split for example in examples})
        examples = [example for example in examples if example.split == split]
        if not examples:
            raise InputError(f"no {split!r} in {path}; it has {', '.join(splits) or 'nothing'}")
    if not examples:
        raise InputError(f"no examples in {path}")
    return examples
