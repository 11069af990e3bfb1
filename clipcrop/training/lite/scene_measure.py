"""Queries for what ADE20K's masks name, on the photos that the scene head is not trained on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...encoders.lite_regions import label_parts
from ...errors import InputError
from .scene_photos import ScenePhoto, list_photos, read_mask

MIN_SHARE = 0.005
"""A class whose largest part is a smaller share of the photo is not asked for."""

MIN_FACE_SIDE = 0.05
"""Of the photo's side."""

MIN_PART = 0.2
"""Of the largest part: smaller ones are no instances."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("data", type=Path, help="folder with photos and ade20k_masks")
    parser.add_argument("--output", type=Path, required=True, help="file of queries to write")
    parser.add_argument(
        "--faces", action="store_true", help="ask for faces, on photos of any folder, not by masks"
    )
    parser.add_argument(
        "--absent", action="store_true", help="ask for as many classes that are not there, too"
    )


def run(options: argparse.Namespace) -> None:
    """Write a file for ``clipcrop evaluate grounding``."""
    _, development = list_photos(options.data)
    if options.faces:
        queries = _face_queries(development)
    else:
        queries = _by_masks(options.data, development, options.absent)
    options.output.write_text("".join(json.dumps(query) + "\n" for query in queries))


def _by_masks(
    data: Path, photos: Iterable[ScenePhoto], with_absent: bool
) -> Iterator[dict[str, Any]]:
    names = read_class_names(data)
    rng = np.random.default_rng(0)
    for photo in photos:
        if not photo.has_mask:
            continue
        mask = read_mask(data, photo)
        regions = true_regions(mask)
        for number, boxes in regions.items():
            yield {"image": photo.name, "query": names[number], "boxes": boxes.round(4).tolist()}
        if with_absent:
            others = sorted(names.keys() - set(np.unique(mask).tolist()))
            for number in rng.choice(others, len(regions), replace=False).tolist():
                yield {"image": photo.name, "query": names[number], "boxes": []}


def _face_queries(photos: Iterable[ScenePhoto]) -> Iterator[dict[str, Any]]:
    """One for each photo with a face that is large enough; all of its faces count as right."""
    for photo in photos:
        sides = [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in photo.faces_xyxy]
        if max(sides, default=0) >= MIN_FACE_SIDE:
            boxes = [list(box) for box in photo.faces_xyxy]
            yield {"image": photo.name, "query": "face", "boxes": boxes}


def read_class_names(data: Path) -> Mapping[int, str]:
    """The name of each of ADE20K's 150 classes."""
    try:
        given = json.loads((data / "ade20k_classes.json").read_text(encoding="utf-8"))
        return {int(number): names[0] for number, names in given.items()}
    except (OSError, ValueError) as exc:
        raise InputError(f"no ade20k_classes.json in {data}; name the folder of the data") from exc


def true_regions(
    mask: NDArray[np.uint8], min_share: float = MIN_SHARE
) -> dict[int, NDArray[np.float64]]:
    """What can be asked for on a photo.

    Args:
        mask: [H, W] classes, 0 for unlabelled.
        min_share: of the photo, that the largest part of a class must have.

    Returns:
        Class -> [K, 4] xyxy of its connected parts, normalised; without tiny ones.
    """
    height, width = mask.shape
    found, part_of = np.unique(label_parts(mask[None])[0], return_inverse=True)
    part_of = part_of.ravel()
    sizes = np.bincount(part_of)
    sizes[found == 0] = 0
    class_of = np.zeros(len(found), np.int64)
    class_of[part_of] = mask.ravel()
    regions = {}
    for number in np.unique(class_of[sizes > 0]):
        of_class = np.flatnonzero((class_of == number) & (sizes > 0))
        largest = sizes[of_class].max()
        if largest < min_share * mask.size:
            continue
        boxes = []
        for each in of_class[sizes[of_class] >= MIN_PART * largest]:
            rows, columns = np.divmod(np.flatnonzero(part_of == each), width)
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        regions[int(number)] = np.array(boxes) / ([width, height] * 2)
    return regions
