"""How wide crops are, and whether they hold what was asked for.

    python tests/benchmarks/crop_sizes.py QUERIES.jsonl --images DIR [--json FILE]

QUERIES are those of `clipcrop evaluate grounding`; a file of annotated boxes
(``{"image": ..., "boxes": [[category, x0, y0, x1, y1], ...]}``) is asked for each category.

No person drew crops for these photos. The stand-in is the *grown box*: what was asked for, grown to
2.2 times its area about its centre and clipped to the photo, since people who are given a
description draw crops of about that size (docs/methods.md). It says nothing of composition.

Each query is measured twice: with the boxes that the model finds, if it finds the right thing (an
IoU of at least .5 with an annotated box, which is then what was asked for), and with all annotated
boxes of the query as if the model had found them.
"""

from __future__ import annotations

import argparse
import json
import statistics
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from timing import write_json

from clipcrop import Predictor
from clipcrop.arrays import FloatArray
from clipcrop.boxes import area, as_boxes, clip_to_image, coverage, iou, union_box
from clipcrop.composing.composition import CompositionScorer
from clipcrop.composing.ranking import rank
from clipcrop.constraints import Constraints
from clipcrop.evaluation.grounding import queries_from_boxes
from clipcrop.imaging.images import load_image

GROWN = 2.2
"""The grown box has so many times the area of the box that was asked for."""

MIDDLE_SHARES = (0.01, 0.30)
"""Things of this share of the photo are neither specks nor the photo itself."""

FOUND_IOU = 0.5
COUNT = 8


class Measured(NamedTuple):
    """One query."""

    thing: float
    """Share of the photo that the box round what was asked for takes."""

    first_iou: float
    """IoU of the first crop with the grown box."""

    best_iou: float
    """The same of the best crop of the list."""

    inside: float
    """Least share of a box asked for that lies in the first crop."""

    inside_all: float
    """The same over all crops of the list."""

    size: float
    """Share of the photo that the first crop takes."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("queries", type=Path, nargs="+", help="JSON lines")
    parser.add_argument("--images", type=Path, required=True, help="the photos")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    options = parser.parse_args()
    predictor = Predictor.load(options.model, "cpu", decoder="none")
    scorer, found, given = CompositionScorer.load(), [], []
    for records in map(read, options.queries):
        for image, of_image in groupby(records, key=lambda record: record["image"]):
            encoded = predictor.encode(load_image(options.images / image))
            for record in of_image:
                boxes = as_boxes(record["boxes"])
                suggestions = predictor.suggest(encoded, record["query"], count=COUNT)
                matched = as_boxes([one.box_xyxy for one in suggestions.matched])
                if len(matched):
                    overlaps = iou(union_box(matched)[None], boxes)[0]
                    if overlaps.max() >= FOUND_IOU:
                        crops = as_boxes([crop.crop_xyxy for crop in suggestions.crops])
                        found.append(measure(crops, boxes[overlaps.argmax(), None]))
                ranking = rank(
                    union_box(boxes),
                    boxes,
                    encoded.objects_xyxy,
                    as_boxes([]),
                    Constraints(),
                    encoded.width_px,
                    encoded.height_px,
                    scorer,
                    COUNT,
                    surroundings=encoded.surroundings,
                )
                given.append(measure(ranking.frames_xyxy, boxes))
    results = {}
    for name, rows in {"found": found, "given": given}.items():
        middle = [row for row in rows if MIDDLE_SHARES[0] <= row.thing <= MIDDLE_SHARES[1]]
        results |= {f"{name}, all": summary(rows), f"{name}, 1 to 30 %": summary(middle)}
    print(table(results))
    if options.json:
        write_json(options.json, results)


def read(path: Path) -> list[dict]:
    """Queries with their boxes."""
    first = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
    if "query" not in first:
        return queries_from_boxes(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measure(crops_xyxy: FloatArray, boxes_xyxy: FloatArray) -> Measured:
    """[R, 4] crops, best first, and [K, 4] boxes that were asked for."""
    thing = union_box(boxes_xyxy)
    centre, half = (thing[:2] + thing[2:]) / 2, (thing[2:] - thing[:2]) / 2 * GROWN**0.5
    grown = clip_to_image(np.concatenate([centre - half, centre + half]))
    ious = iou(crops_xyxy, grown[None])[:, 0]
    inside = coverage(boxes_xyxy, crops_xyxy).min(axis=0)
    return Measured(
        *map(
            float,
            (area(thing), ious[0], ious.max(), inside[0], inside.min(), area(crops_xyxy[0])),
        )
    )


def summary(rows: list[Measured]) -> dict[str, float]:
    """Means, and the medians of sizes."""
    columns = Measured(*zip(*rows, strict=True))
    return {
        "n": len(rows),
        "IoU of the first": statistics.fmean(columns.first_iou),
        "IoU of the best": statistics.fmean(columns.best_iou),
        "inside the first": statistics.fmean(columns.inside),
        "whole at every rank": statistics.fmean(inside > 0.98 for inside in columns.inside_all),
        "size, median": statistics.median(columns.size),
        "size, mean": statistics.fmean(columns.size),
        "times the box, median": statistics.median(
            size / thing for size, thing in zip(columns.size, columns.thing, strict=True)
        ),
    }


def table(results: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    names = list(next(iter(results.values())))
    lines = [f"| boxes | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for title, row in results.items():
        cells = [
            f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
