"""FLMS (Fang et al., MM 2014): 500 photos, up to ten people's crops of each, in a MATLAB file.

``500_image_dataset.mat`` holds ``img_gt``, a column of 500 structures of two fields: the name of a
photo, and a matrix of one row a crop, ``top left bottom right`` in pixels. A row with a negative
number stands for an opinion that was not given. The photos are in ``image``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import InputError
from ..imaging.images import BROKEN_FILE_ERRORS, reason_of
from .examples import Example, RatedCrop
from .records import ErrorHandler, fail, located_errors

FILE = "500_image_dataset.mat"
TABLE = "img_gt"


def is_flms(folder: Path) -> bool:
    """Whether a folder looks like FLMS."""
    return (folder / FILE).is_file()


def read_flms(folder: Path, *, on_error: ErrorHandler = fail) -> list[Example]:
    """Read FLMS as it is published.

    Args:
        folder: The one that holds the MATLAB file and ``image``.
        on_error: What is done with a mistake; by default it is raised.

    Raises:
        InputError: It is no such folder, SciPy is not installed, or an entry is wrong.
    """
    path = folder / FILE
    if not is_flms(folder):
        raise InputError(f"no FLMS in {folder}; expected {FILE} in it")
    table = _load(path)
    if table.ndim != 2 or table.shape[1] != 1 or len(table.dtype.names or ()) < 2:
        raise InputError(f"{path}: {TABLE} is not a column of structures of name and boxes")
    examples = []
    for number, (entry,) in enumerate(table, start=1):
        place = f"{path}, entry {number}"
        with located_errors(place, "a photo of FLMS", on_error):
            examples.append(_example(entry, folder / "image", place))
    return examples


def _load(path: Path) -> Any:
    """The table of a MATLAB file, as an array of structures."""
    try:
        from scipy.io import loadmat  # only this set needs SciPy
        from scipy.io.matlab import MatReadError
    except ImportError as exc:
        raise InputError(
            f"reading {path} needs SciPy; run: pip install 'clipcrop-desktop[train]'"
        ) from exc
    try:
        return loadmat(path)[TABLE]
    except KeyError as exc:
        raise InputError(f"{path} holds no {TABLE}; get the file again") from exc
    except (*BROKEN_FILE_ERRORS, MatReadError) as exc:
        raise InputError(f"cannot read {path}: {reason_of(exc)}; get the file again") from exc


def _example(entry: Any, images: Path, source: str) -> Example:
    name, rows = str(entry[0].item()), entry[1].reshape(-1, 4).tolist()
    crops = tuple(
        RatedCrop(box_xyxy_px=(float(x0), float(y0), float(x1), float(y1)))
        for y0, x0, y1, x1 in rows
        if min(y0, x0, y1, x1) >= 0
    )
    if not crops:
        raise ValueError(f"no crop of {name!r} is whole")
    return Example(photo=images / name, crops=crops, source=source)
