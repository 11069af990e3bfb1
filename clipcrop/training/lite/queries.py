"""Annotated boxes -> files for ``clipcrop evaluate grounding``: by category name or by synonym."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...evaluation.grounding import queries_from_boxes
from .photos import dev_photos


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("boxes", type=Path, help="JSON lines of photos with named boxes")
    parser.add_argument("--output", type=Path, required=True, help="file of queries to write")
    parser.add_argument(
        "--synonyms",
        type=Path,
        help="JSON file of concept names: ask by the synonyms it holds out, not by category",
    )
    parser.add_argument(
        "--development",
        action="store_true",
        help="only the photos that training on this file keeps out, to choose settings on",
    )


def run(options: argparse.Namespace) -> None:
    """Write the queries."""
    queries = queries_from_boxes(options.boxes)
    if options.development:
        kept = set(dev_photos(options.boxes))
        queries = [query for query in queries if query["image"] in kept]
    if options.synonyms:
        queries = list(by_synonyms(queries, read_held_out(options.synonyms)))
    lines = (json.dumps(query) + "\n" for query in queries)
    options.output.write_text("".join(lines), encoding="utf-8")


def read_held_out(path: Path) -> dict[str, list[str]]:
    """The synonyms of each COCO class that no table of words may be made from."""
    try:
        held_out: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))[
            "coco_heldout"
        ]
    except (OSError, ValueError, KeyError) as exc:
        raise InputError(f"no held-out synonyms in {path}; name the file of concept names") from exc
    return held_out


def by_synonyms(
    queries: Iterable[Mapping[str, Any]], synonyms: Mapping[str, Sequence[str]]
) -> Iterable[dict[str, Any]]:
    """Each query once for each synonym of its category; none for a category without any."""
    for query in queries:
        for synonym in synonyms.get(query["query"], ()):
            yield {**query, "query": synonym}
