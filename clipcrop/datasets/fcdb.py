"""FCDB, the Flickr cropping dataset (Chen et al., WACV 2017), as its repository lays it out.

``cropping_training_set.json`` and ``cropping_testing_set.json`` are lists of ``{"url": ...,
"flickr_photo_id": ..., "crop": [x, y, width, height]}``: one expert's crop of each photo, in pixels
of the photo at that URL. The repository's script downloads the photos to ``data``, under the last
part of the URL; photos that their owners took down since are missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import InputError
from .examples import Example, RatedCrop
from .records import (
    ErrorHandler,
    expect_list,
    expect_numbers,
    expect_object,
    expect_text,
    fail,
    located_errors,
    read_json,
)

FILES = {"train": "cropping_training_set.json", "test": "cropping_testing_set.json"}
"""Our name of a split -> its file."""

EXPECTED = "a crop of FCDB"


def is_fcdb(folder: Path) -> bool:
    """Whether a folder looks like FCDB."""
    return any((folder / name).is_file() for name in FILES.values())


def read_fcdb(folder: Path, *, on_error: ErrorHandler = fail) -> list[Example]:
    """Read FCDB as it is published; photos that are gone are in the list too.

    Args:
        folder: The repository's.
        on_error: What is done with a mistake; by default it is raised.

    Raises:
        InputError: It is no such folder, or an entry of a file is wrong; it is named.
    """
    if not is_fcdb(folder):
        raise InputError(f"no FCDB in {folder}; expected {' or '.join(FILES.values())} in it")
    examples = []
    for split, name in FILES.items():
        path = folder / name
        if not path.is_file():
            continue
        entries: list[object] = []
        with located_errors(str(path), "a list of crops", on_error):
            entries = expect_list(read_json(path, "a list of crops"))
        for number, entry in enumerate(entries, start=1):
            place = f"{path}, entry {number}"
            with located_errors(place, EXPECTED, on_error):
                examples.append(_example(expect_object(entry), folder / "data", split, place))
    return examples


def _example(entry: dict[str, Any], images: Path, split: str, source: str) -> Example:
    name = urlsplit(expect_text(entry, "url")).path.rpartition("/")[2]
    x, y, width, height = expect_numbers(entry["crop"], 4, "'crop'")
    return Example(
        photo=images / name,
        crops=(RatedCrop(box_xyxy_px=(x, y, x + width, y + height)),),
        split=split,
        source=source,
    )
