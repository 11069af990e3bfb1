"""Photos whose crops people rated: reading them, and arrays of them.

A file holds one JSON object a line: ``image``, ``width_px``, ``height_px``, ``objects_xyxy_px``
(boxes, best first), ``person_xyxy_px`` (optional: the box of a person who is the subject), and
``crops``, each ``[x0, y0, x1, y1, mos]`` with a mean opinion score of 1 to 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError
from .examples import MAX_MOS as MAX_MOS
from .examples import MIN_MOS as MIN_MOS
from .records import read_records


@dataclass(frozen=True, kw_only=True)
class RatedImage:
    """One photo with its objects and its rated crops, boxes normalised to the photo."""

    image: str
    """Name of the photo."""

    aspect: float
    """Width over height in pixels."""

    objects_xyxy: FloatArray
    """[K, 4] boxes of a detector, best first; none is allowed."""

    person_xyxy: FloatArray | None
    """[4] the person who is the subject, where there is one."""

    crops_xyxy: FloatArray
    """[C, 4] rated crops."""

    mos: FloatArray
    """[C] their mean opinion scores, 1 to 5."""


def read_ratings(path: Path) -> list[RatedImage]:
    """Read a file of rated crops.

    Raises:
        InputError: The file cannot be read, or a line of it is wrong; file and line are named.
    """
    images = read_records(path, "a rated image", lambda record, _: _parse(record))
    if not images:
        raise InputError(f"{path} holds no rated images; expected one JSON object a line")
    return images


def mos_to_quality(mos: FloatArray) -> FloatArray:
    """Map mean opinion scores, 1 to 5, to qualities, 0 to 1."""
    return (mos - MIN_MOS) / (MAX_MOS - MIN_MOS)


def _parse(record: dict[str, Any]) -> RatedImage:
    """One line's object -> a photo; raises KeyError, TypeError or ValueError with the reason."""
    width_px, height_px = _side(record, "width_px"), _side(record, "height_px")
    scale = np.array([width_px, height_px, width_px, height_px], np.float32)
    crops = _table(record["crops"], "crops", columns=5)
    if len(crops) < 2:
        raise ValueError(f"crops holds {len(crops)}, expected two or more")
    mos = crops[:, 4]
    if ((mos < MIN_MOS) | (mos > MAX_MOS)).any():
        raise ValueError(f"a mean opinion score is outside {MIN_MOS:g} to {MAX_MOS:g}")
    if (crops[:, 2:4] <= crops[:, :2]).any():
        raise ValueError("a crop has no area")
    person = record.get("person_xyxy_px")
    return RatedImage(
        image=str(record["image"]),
        aspect=width_px / height_px,
        objects_xyxy=_table(record["objects_xyxy_px"], "objects_xyxy_px", columns=4) / scale,
        person_xyxy=_table([person], "person_xyxy_px", columns=4)[0] / scale if person else None,
        crops_xyxy=crops[:, :4] / scale,
        mos=mos,
    )


def _side(record: dict[str, Any], name: str) -> float:
    side = record[name]
    if isinstance(side, bool) or not isinstance(side, (int, float)) or not 0 < side < 1e6:
        raise ValueError(f"{name} is {side!r}, expected a positive number of pixels")
    return float(side)


def _table(rows: object, name: str, columns: int) -> FloatArray:
    """Rows of numbers -> [rows, columns]."""
    if not isinstance(rows, list):
        raise TypeError(f"{name} is a {type(rows).__name__}, expected a list")
    if not rows:
        return np.zeros((0, columns), np.float32)
    if any(not isinstance(row, list) or len(row) != columns for row in rows):
        raise ValueError(f"{name} holds a row that is not {columns} numbers")
    table = np.array(rows, dtype=np.float32)
    if not np.isfinite(table).all():
        raise ValueError(f"{name} holds a number that is not finite")
    return table
