"""GAICD, the grid anchor based image cropping database, in the layouts of both of its versions.

Conference version (Zeng et al., CVPR 2019; 1,236 photos)::

    images/{train,test}/NAME.jpg        annotations/NAME.txt

Journal version (TPAMI 2020; 3,336 photos; the one that ClipCrop is trained on)::

    images/{train,val,test}/NAME.jpg    annotations/{train,val,test}/NAME.txt

A line of an annotation file is one crop, in pixels, five numbers between blanks::

    top left bottom right score

The rows come first, so the box is ``y0 x0 y1 x1``. The score is the mean of some seven opinions of
1 to 5; -2 stands for a crop that was not rated, and is left out as in the authors' own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError
from .examples import Example, RatedCrop
from .records import ErrorHandler, fail, located_errors, read_lines
from .texts import Texts

NOT_RATED = -2.0

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Folder of a split -> our name of the split."""


def is_gaicd(folder: Path) -> bool:
    """Whether a folder looks like GAICD."""
    return (folder / "annotations").is_dir() and any(_split_folders(folder))


def read_gaicd(
    folder: Path, texts: Texts | None = None, *, on_error: ErrorHandler = fail
) -> list[Example]:
    """Read GAICD as it is published, photos in order of split and name.

    Args:
        folder: The one that holds ``images`` and ``annotations``.
        texts: Of photos by name; a photo with several gives an example for each.
        on_error: What is done with a mistake; by default it is raised.

    Raises:
        InputError: It is no such folder, or a file or line of it is wrong; it is named.
    """
    if not is_gaicd(folder):
        raise InputError(
            f"no GAICD in {folder}; expected images/train, images/test, ... and annotations in it"
        )
    examples = []
    for images in _split_folders(folder):
        for photo in sorted(path for path in images.iterdir() if not path.name.startswith(".")):
            try:
                examples += _read_photo(folder, photo, texts or {}, on_error)
            except InputError as exc:
                on_error(exc)
    return examples


def _split_folders(folder: Path) -> Iterator[Path]:
    for name in SPLIT_NAMES:
        if (folder / "images" / name).is_dir():
            yield folder / "images" / name


def _read_photo(folder: Path, photo: Path, texts: Texts, on_error: ErrorHandler) -> list[Example]:
    split = photo.parent.name
    path = folder / "annotations" / split / f"{photo.stem}.txt"
    if not path.exists():
        path = folder / "annotations" / f"{photo.stem}.txt"
    if not path.exists():
        raise InputError(f"no annotation of {photo}: neither {path} nor one in annotations/{split}")
    crops = []
    for number, line in read_lines(path):
        with located_errors(f"{path}, line {number}", "a rated crop", on_error):
            crop = _crop(line)
            if crop is not None:
                crops.append(crop)
    if not crops:
        raise InputError(f"{path} holds no rated crop; expected lines of five numbers")
    return [
        Example(
            photo=photo,
            text=text,
            crops=tuple(crops),
            split=SPLIT_NAMES[split],
            source=str(path),
        )
        for text in texts.get(photo.name, ("",))
    ]


def _crop(line: str) -> RatedCrop | None:
    """One line -> its crop, None where it was not rated; raises ValueError."""
    numbers = line.split()
    if len(numbers) != 5:
        raise ValueError(f"expected 'top left bottom right score', got {line.strip()!r}")
    y0, x0, y1, x1, score = map(float, numbers)
    if score == NOT_RATED:
        return None
    return RatedCrop(box_xyxy_px=(x0, y0, x1, y1), rating=score)
