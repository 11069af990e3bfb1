"""ClipCrop's format: one JSON object a line, a superset of what `ratings` reads.

``image`` is relative to the folder of photos, and ``crops`` holds ``[x0, y0, x1, y1]`` (drawn by an
annotator) or ``[x0, y0, x1, y1, rating]`` in pixels. Optional: ``text``, ``query_image``, ``split``
("test"), and ``width_px`` with ``height_px``, the size that the boxes count in. Other fields are
ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..imaging.output_files import written_at_once
from .examples import Example, RatedCrop
from .records import ErrorHandler, expect_numbers, expect_text, fail, read_records


def read_jsonl(
    path: Path, images: Path | None = None, *, on_error: ErrorHandler = fail
) -> list[Example]:
    """Read a file of examples.

    Args:
        path: The file.
        images: The folder that photos are relative to, by default the file's own.
        on_error: What is done with a line that is wrong; by default it is raised.

    Raises:
        InputError: The file cannot be read, or a line of it is wrong; file and line are named.
    """
    folder = images or path.parent

    def parse(record: dict[str, Any], line: int) -> Example:
        return _example(record, folder, f"{path}, line {line}")

    return read_records(path, "an example", parse, on_error)


def write_jsonl(examples: Iterable[Example], path: Path, images: Path) -> None:
    """Write examples so that `read_jsonl` gives them back.

    Args:
        examples: What is written, in this order.
        path: The file; replaced at once when all is written.
        images: The folder that names of photos are made relative to.

    Raises:
        InputError: The file cannot be written.
    """
    with written_at_once(path) as part:
        lines = (json.dumps(_record(one, images), ensure_ascii=False) for one in examples)
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _example(record: dict[str, Any], folder: Path, source: str) -> Example:
    """One line's object -> an example; raises KeyError, TypeError or ValueError."""
    size_px = None
    if "width_px" in record or "height_px" in record:
        size_px = (_side_px(record, "width_px"), _side_px(record, "height_px"))
    query = expect_text(record, "query_image") if record.get("query_image") else None
    rows = record["crops"]
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"'crops' must be a list with a crop in it, got {rows!r}")
    return Example(
        photo=folder / expect_text(record, "image"),
        text=expect_text(record, "text") if record.get("text") else "",
        query_image=folder / query if query else None,
        crops=tuple(_crop(row) for row in rows),
        split=expect_text(record, "split") if "split" in record else "test",
        size_px=size_px,
        source=source,
    )


def _crop(row: object) -> RatedCrop:
    is_rated = isinstance(row, list) and len(row) > 4
    x0, y0, x1, y1, *rating = expect_numbers(row, 5 if is_rated else 4, "a crop")
    return RatedCrop(box_xyxy_px=(x0, y0, x1, y1), rating=rating[0] if rating else None)


def _side_px(record: dict[str, Any], name: str) -> int:
    side = record[name]
    if not isinstance(side, int) or isinstance(side, bool) or side < 1:
        raise ValueError(f"{name!r} must be a whole number of pixels, got {side!r}")
    return side


def _record(example: Example, images: Path) -> dict[str, Any]:
    record: dict[str, Any] = {"image": _relative(example.photo, images)}
    if example.text:
        record["text"] = example.text
    if example.query_image:
        record["query_image"] = _relative(example.query_image, images)
    record["split"] = example.split
    if example.size_px:
        record["width_px"], record["height_px"] = example.size_px
    record["crops"] = [
        [*crop.box_xyxy_px, *([] if crop.rating is None else [crop.rating])]
        for crop in example.crops
    ]
    return record


def _relative(path: Path, folder: Path) -> str:
    inside = path.is_relative_to(folder)
    return (path.relative_to(folder) if inside else path.absolute()).as_posix()
