"""Crops that people drew with labelme, for texts: how TextCrop was annotated (Appendix A).

Each ``.json`` file below a folder holds the rectangles that one person, or several, drew on one
photo (``imagePath``, relative to the file). A rectangle's label is the text that it is a crop for.
Where the labels are numbers, as in "1" and "2", a file ``texts.json`` in the folder says what they
stand for: name of the photo -> its texts, in that order. The rectangles of one photo and text, in
whatever files, are the annotators' crops of one example.

Neither the layout of Horanyi-PR nor TextCrop itself could be looked at when this was written; sets
in another layout are best converted to our JSON lines (`clipcrop.datasets.jsonl`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from .examples import Example, RatedCrop
from .records import (
    ErrorHandler,
    expect_list,
    expect_object,
    expect_text,
    fail,
    located_errors,
    read_json,
)
from .texts import Texts, read_texts

TEXTS_FILE = "texts.json"
EXPECTED = "a file of labelme"


def is_labelme(folder: Path) -> bool:
    """Whether a folder holds files of labelme; looks into the first."""
    first = next(iter(_files(folder)), None)
    if first is None:
        return False
    try:
        return {"shapes", "imagePath"} <= set(expect_object(read_json(first, EXPECTED)))
    except (InputError, TypeError):
        return False


def read_labelme(folder: Path, *, on_error: ErrorHandler = fail) -> list[Example]:
    """Read the crops that people drew, one example for each photo and text.

    Args:
        folder: Files of labelme in it or below it.
        on_error: What is done with a mistake; by default it is raised.

    Raises:
        InputError: There are no such files, or one of them is wrong; it is named.
    """
    texts: Texts = {}
    if (folder / TEXTS_FILE).is_file():
        texts = read_texts(folder / TEXTS_FILE, on_error=on_error)
    found: dict[tuple[Path, str], Example] = {}
    paths = list(_files(folder))
    if not paths:
        raise InputError(f"no files of labelme in {folder}; expected .json files with 'shapes'")
    for path in paths:
        with located_errors(str(path), EXPECTED, on_error):
            for one in _read_file(path, texts, on_error):
                key = (one.photo, one.text)
                same = found.get(key)
                found[key] = replace(same, crops=same.crops + one.crops) if same else one
    return list(found.values())


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*.json")) if path.name != TEXTS_FILE)


def _read_file(path: Path, texts: Texts, on_error: ErrorHandler) -> list[Example]:
    """One example for each rectangle of a file."""
    record = expect_object(read_json(path, EXPECTED))
    # labelme writes the separator of the machine that it runs on.
    name = expect_text(record, "imagePath").replace("\\", "/")
    photo = Path((path.parent / name).as_posix()).resolve()
    size_px = None
    if record.get("imageWidth") and record.get("imageHeight"):
        size_px = (int(record["imageWidth"]), int(record["imageHeight"]))
    examples = []
    for number, shape in enumerate(expect_list(record["shapes"]), start=1):
        place = f"{path}, shape {number}"
        with located_errors(place, "a rectangle with a text", on_error):
            examples.append(
                Example(
                    photo=photo,
                    text=_text(expect_object(shape), texts.get(photo.name)),
                    crops=(_crop(shape),),
                    size_px=size_px,
                    source=place,
                )
            )
    return examples


def _text(shape: dict[str, Any], texts: tuple[str, ...] | None) -> str:
    label = expect_text(shape, "label").strip()
    if texts is None or not label.isdecimal():
        return label
    if not 1 <= int(label) <= len(texts):
        raise ValueError(f"label {label} of a photo with {len(texts)} texts in {TEXTS_FILE}")
    return texts[int(label) - 1]


def _crop(shape: dict[str, Any]) -> RatedCrop:
    """A rectangle is two opposite corners, in whichever order they were drawn."""
    if shape.get("shape_type", "polygon") != "rectangle" or len(shape["points"]) != 2:
        raise ValueError(f"it is a {shape.get('shape_type', 'polygon')}")
    (first_x, first_y), (second_x, second_y) = shape["points"]
    return RatedCrop(
        box_xyxy_px=(
            float(min(first_x, second_x)),
            float(min(first_y, second_y)),
            float(max(first_x, second_x)),
            float(max(first_y, second_y)),
        )
    )
