"""``clipcrop evaluate``: the paper's tables, sets of crops, methods and models on annotated boxes.

It parses, calls, prints and picks the exit code: 0 all was measured, 1 some examples were left out,
2 it cannot be done.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from ..datasets import Example
    from .crops import SetResult
    from .crops_report import CropsReport
    from .methods import Method, MethodFactory
    from .tables import PaperTable

EXIT_SOME_LEFT_OUT = 1

AddModel = Callable[[argparse.ArgumentParser], None]
"""Declares the options that choose encoder and device."""


def add_evaluate(parser: argparse.ArgumentParser, add_model: AddModel) -> None:
    """Give the command its own commands."""
    kinds = parser.add_subparsers(metavar="WHAT", required=True)

    table = kinds.add_parser("table", help="a table of the ClipCrop paper, on its data sets")
    table.add_argument("number", type=int, choices=range(1, 6), help="of the table")
    table.add_argument(
        "data",
        type=Path,
        nargs="+",
        help="the set: 1, 4: Horanyi-PR; 2: TextCrop; 3: GAICD; 5: Horanyi-PR and TextCrop",
    )
    _add_crops_options(table, add_model)
    table.set_defaults(run=_table)

    crops = kinds.add_parser("crops", help="methods side by side, on any sets of crops")
    crops.add_argument("data", type=Path, nargs="+", help="folders, or .jsonl files")
    crops.add_argument("--split", help="part of each set (default: all)")
    crops.add_argument("--layout", help="how they are laid out; found out by default")
    _add_crops_options(crops, add_model)
    crops.set_defaults(run=_crops)

    methods = kinds.add_parser("methods", help="methods side by side and timed, on annotated boxes")
    methods.add_argument("file", type=Path, help="JSON lines of image, query and boxes")
    methods.add_argument("--images", type=Path, required=True, metavar="DIR", help="the photos")
    _add_methods_options(methods, add_model)
    methods.set_defaults(run=_methods)

    ratings = kinds.add_parser("ratings", help="the composition score, on rated crops")
    ratings.add_argument("file", type=Path, help="JSON lines of images with rated crops")
    _add_common(ratings)
    ratings.set_defaults(run=_ratings)

    grounding = kinds.add_parser("grounding", help="finding things, on annotated boxes")
    grounding.add_argument("file", type=Path, help="JSON lines of image, query and boxes")
    grounding.add_argument("--images", type=Path, required=True, metavar="DIR", help="the photos")
    add_model(grounding)
    _add_common(grounding)
    grounding.set_defaults(run=_grounding)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--verbose", action="store_true", help="log what happens")


def _add_crops_options(parser: argparse.ArgumentParser, add_model: AddModel) -> None:
    parser.add_argument(
        "--texts", type=Path, metavar="PATH", help="file or folder of texts, where a set has none"
    )
    _add_methods_options(parser, add_model)


def _add_methods_options(parser: argparse.ArgumentParser, add_model: AddModel) -> None:
    parser.add_argument(
        "--decoder",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a trained decoder, or the folder of its training, and what its row is called; "
        "repeatable",
    )
    parser.add_argument(
        "--methods",
        metavar="NAME,...",
        help="whole, centre, smartcrop, tower, composition, cascade, cagic, suggest, clipcrop "
        "(default: all that can be had; for tables and sets of crops without smartcrop and cagic)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write Markdown, JSON, crops and pictures there"
    )
    parser.add_argument(
        "--pictures", type=int, default=40, metavar="N", help="examples that are drawn, of each set"
    )
    add_model(parser)
    _add_common(parser)


def _table(options: argparse.Namespace) -> int:
    from .tables import PAPER_TABLES

    table = PAPER_TABLES[options.number]
    if len(options.data) != len(table.sets):
        raise InputError(
            f"table {options.number} is over {' and '.join(table.sets)}: give {len(table.sets)} "
            f"of them, not {len(options.data)}"
        )
    if table.methods == ("clipcrop",) and not options.decoder:
        raise InputError(f"table {options.number} compares trained decoders; give --decoder FILE")
    options.split, options.layout = table.split, None
    title = f"Table {options.number} of the paper: {table.title}"
    return _measure(options, title, table.sets, table)


def _crops(options: argparse.Namespace) -> int:
    names = tuple(path.name or str(path) for path in options.data)
    return _measure(options, "Crops", names, None)


def _measure(
    options: argparse.Namespace, title: str, names: Sequence[str], table: PaperTable | None
) -> int:
    from ..datasets import read_set
    from .crops import evaluate_crops
    from .tables import METHODS

    sets = [
        read_set(path, name=options.layout, texts=options.texts, split=options.split)
        for path in options.data
    ]
    if table:
        _check_kind(table, sets)
    factory = _method_factory(options, precision="float32")
    methods, notes = _chosen(options, table.methods if table else METHODS, factory)
    results = [
        evaluate_crops(
            examples, methods, name, progress=_photos_shown, must_all_run=bool(options.methods)
        )
        for name, examples in zip(names, sets, strict=True)
    ]
    for result in results:
        result.notes += notes
    report = _report(options, title, results, factory)
    return _print_report(replace(report, figures=table.figures if table else ()), options)


def _report(
    options: argparse.Namespace, title: str, results: list[SetResult], factory: MethodFactory
) -> CropsReport:
    """What was measured, with all that it follows from."""
    from .crops_report import CropsReport

    encoder = factory.cached_encoder.predictor.encoder
    return CropsReport(
        title=title,
        results=results,
        command=shlex.join(["clipcrop", *sys.argv[1:]]),
        seed=options.seed,
        model=encoder.name,
        fingerprint=encoder.fingerprint(),
        decoders=factory.decoders,
    )


def _print_report(report: CropsReport, options: argparse.Namespace) -> int:
    """Write the report where that is asked for, and print it; gives the exit code."""
    from .crops_report import write_report

    if options.output:  # first: the reader of the printed report may close the pipe
        for path in write_report(report, options.output, options.pictures):
            print(f"wrote {path}", file=sys.stderr)
    print(json.dumps(report.to_json()) if options.json else report.to_markdown())
    return EXIT_SOME_LEFT_OUT if any(result.left_out for result in report.results) else 0


def _methods(options: argparse.Namespace) -> int:
    from .journal import Journal
    from .methods import MAKERS
    from .subjects import (
        ANNOTATED,
        JOURNAL_FILE,
        LEGEND,
        TimedEncoder,
        compare,
        identity_of,
        parts_of,
        read_subjects,
    )

    examples = read_subjects(options.file, options.images)
    factory = _method_factory(options)
    cached_encoder = TimedEncoder(factory.cached_encoder.predictor)
    factory = replace(factory, cached_encoder=cached_encoder)
    methods, notes = _chosen(options, tuple(MAKERS), factory)
    journal = Journal(
        options.output / JOURNAL_FILE if options.output else None,
        identity_of(options.file, options.images, methods, factory),
    )
    if len(journal):
        print(f"going on after {len(journal)} answers", file=sys.stderr)
    result = compare(
        examples, methods, cached_encoder, journal, options.file.stem, progress=_photos_shown
    )
    result.notes += notes
    report = _report(options, "Methods side by side", [result], factory)
    report = replace(report, parts=parts_of(result), legend=LEGEND, annotated=ANNOTATED)
    exit_code = _print_report(report, options)
    journal.throw_away()
    return exit_code


def _chosen(
    options: argparse.Namespace, usual: Sequence[str], factory: MethodFactory
) -> tuple[list[Method], list[str]]:
    """The methods to measure, and why others are not among them."""
    from .methods import make_methods, missing_requirements

    asked = [name.strip() for name in options.methods.split(",")] if options.methods else []
    lacking = missing_requirements(asked or usual, factory)
    if asked and lacking:
        raise InputError(next(iter(lacking.values())))
    names = [name for name in asked or usual if name not in lacking]
    return make_methods(names, factory), list(lacking.values())


def _check_kind(table: PaperTable, sets: Sequence[list[Example]]) -> None:
    """Refuse drawn crops where a table needs ratings, and the other way round."""
    for name, examples in zip(table.sets, sets, strict=True):
        is_rated = all(crop.rating is not None for one in examples for crop in one.crops)
        if is_rated != table.is_rated:
            kind, other = ("rated", "drawn") if table.is_rated else ("drawn", "rated")
            raise InputError(
                f"this table is over the {kind} crops of {name}, but {other} ones were given "
                f"({examples[0].source}); give another folder, or use `clipcrop evaluate crops`"
            )


def _method_factory(options: argparse.Namespace, precision: str | None = None) -> MethodFactory:
    """What methods are made of; ``precision`` is that of the encoder, as users have it if None."""
    from ..composing.composition import CompositionScorer
    from ..encoders import load_encoder
    from ..predictor import CachedEncoder, Predictor
    from .methods import MethodFactory

    scorer = CompositionScorer.load()
    encoder = load_encoder(options.model, options.device, precision=precision)
    return MethodFactory(
        cached_encoder=CachedEncoder(Predictor(encoder, scorer)),
        scorer=scorer,
        decoders=_decoders(options.decoder),
        device=options.device,
    )


def _decoders(given: Sequence[str]) -> dict[str, Path]:
    """What came after --decoder -> name of a row and its checkpoint."""
    from ..weights.decoders import BEST_DECODER

    decoders: dict[str, Path] = {}
    for one in given:
        name, separator, path = one.partition("=")
        if not separator or Path(one).exists():  # a file's name may hold "=", too
            name, path = "ClipCrop", one
        if name in decoders:
            raise InputError(f"two decoders are called {name!r}; write --decoder NAME=FILE")
        decoders[name] = Path(path, BEST_DECODER) if Path(path).is_dir() else Path(path)
    missing = [str(file) for file in decoders.values() if not file.is_file()]
    if missing:
        raise InputError(
            f"no such decoder: {missing[0]!r}; name a file that `clipcrop train` wrote, or the "
            "folder of a training"
        )
    return decoders


def _photos_shown(photos: Sequence[list[Example]]) -> Iterable[list[Example]]:
    from tqdm import tqdm

    shown: Iterable[list[Example]] = tqdm(photos, unit="photo", file=sys.stderr)
    return shown


def _ratings(options: argparse.Namespace) -> int:
    from ..composing.composition import CompositionScorer
    from .ratings import evaluate_ratings

    report = evaluate_ratings(options.file, CompositionScorer.load())
    print(json.dumps(report.to_json()) if options.json else report.to_text())
    return 0


def _grounding(options: argparse.Namespace) -> int:
    from ..predictor import Predictor
    from .grounding import evaluate_grounding

    predictor = Predictor.load(options.model, options.device)
    report = evaluate_grounding(options.file, options.images, predictor.encoder)
    print(json.dumps(report.to_json()) if options.json else report.to_text())
    return 0
