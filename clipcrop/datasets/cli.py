"""``clipcrop data``: check a data set, make texts for its photos.

It parses, calls, prints and picks the exit code: 0 all is well, 1 something is wrong with the data,
2 it cannot be done.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from ..errors import InputError
from ..extras import require_extra
from .sets import LAYOUTS

T = TypeVar("T")

EXIT_PROBLEM = 1


def add_data(parser: argparse.ArgumentParser) -> None:
    """Give the command its own commands."""
    commands = parser.add_subparsers(metavar="WHAT", required=True)
    check = commands.add_parser("check", help="say what is missing or odd, with file and line")
    add_set(check)
    check.add_argument("--json", action="store_true", help="print JSON instead of text")
    check.add_argument("--verbose", action="store_true", help="log what happens")
    check.set_defaults(run=_check)

    caption = commands.add_parser("caption", help="make texts for photos that have none")
    add_set(caption)
    caption.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="texts as .jsonl; goes on with it",
    )
    caption.add_argument(
        "--captioner",
        metavar="MODEL",
        help="folder, or name on the Hugging Face hub, of an image-to-text model "
        "(default: BLIP base, 990 MB)",
    )
    caption.add_argument(
        "--revision",
        metavar="COMMIT",
        help="of the model on the hub (default: BLIP's pinned one, the newest of others)",
    )
    caption.add_argument("--batch-size", type=int, default=8, metavar="N", help="photos at a time")
    caption.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    caption.add_argument("--verbose", action="store_true", help="log what happens")
    caption.set_defaults(run=_caption)


def add_set(parser: argparse.ArgumentParser) -> None:
    """The options that name a data set."""
    parser.add_argument("data", type=Path, help="its folder, or a .jsonl file")
    parser.add_argument(
        "--layout", choices=tuple(LAYOUTS), help="how it is laid out; found out by default"
    )
    parser.add_argument(
        "--texts", type=Path, metavar="PATH", help="file or folder of texts, where it has none"
    )


def _check(options: argparse.Namespace) -> int:
    from .check import check_set

    findings = check_set(
        options.data, name=options.layout, texts=options.texts, progress=_photos_shown
    )
    print(json.dumps(asdict(findings)) if options.json else findings.to_text())
    return EXIT_PROBLEM if findings.wrong else 0


def _caption(options: argparse.Namespace) -> int:
    require_extra("owlvit", "`clipcrop data caption`")
    from .caption import DEFAULT_MODEL, ImageToText, caption_photos
    from .sets import read_set

    if not 1 <= options.batch_size <= 1024:
        raise InputError(f"no such batch size: {options.batch_size}; use 1 to 1024")
    examples = read_set(options.data, name=options.layout, texts=options.texts)
    photos = list(dict.fromkeys(example.photo for example in examples if not example.text))
    if not photos:
        print(f"every photo of {options.data} has a text", file=sys.stderr)
        return 0
    problems: list[str] = []

    def on_error(problem: InputError) -> None:
        problems.append(str(problem))

    model = ImageToText.load(options.captioner or DEFAULT_MODEL, options.device, options.revision)
    added = caption_photos(
        photos,
        options.output,
        model,
        batch_size=options.batch_size,
        progress=_batches_shown,
        on_error=on_error,
    )
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"{added} texts added to {options.output}", file=sys.stderr)
    return EXIT_PROBLEM if problems else 0


def _photos_shown(photos: Sequence[Path]) -> Iterable[Path]:
    return _shown(photos, "photo")


def _batches_shown(batches: Sequence[list[Path]]) -> Iterable[list[Path]]:
    return _shown(batches, "batch")


def _shown(work: Sequence[T], unit: str) -> Iterable[T]:
    """A progress bar round what is worked through."""
    from tqdm import tqdm

    shown: Iterable[T] = tqdm(work, unit=unit, file=sys.stderr)
    return shown
