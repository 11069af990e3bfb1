"""``clipcrop train``: options -> data, encoder, configurations -> `trainer.train`.

All options but those of the run itself are made of the fields of `TrainConfig`, `DecoderConfig` and
`CriterionConfig`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from ..datasets import Example, read_set
from ..decoder.network import DecoderConfig, DecoderVariant
from ..device import memory_errors_named
from ..encoders import load_encoder
from ..errors import InputError
from ..weights.decoders import BEST_DECODER, LAST_DECODER
from .checks import check_examples, with_text
from .config import TrainConfig, choices_of, sentence_of
from .criterion import CriterionConfig
from .interruption import asked_to_stop
from .processes import Processes, joined
from .trainer import Outcome, RunOptions, train

EXIT_INTERRUPTED = 130

_Config = TypeVar("_Config", TrainConfig, DecoderConfig, CriterionConfig)

_FROM_ELSEWHERE = {"token_dim"}  # the encoder says it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Train ClipCrop's decoder. The defaults are the paper's. On several GPUs: torchrun "
        "--nproc-per-node 8 -m clipcrop.cli train ... A run that was cut goes on when the same "
        "command is given again."
    )
    parser.add_argument("data", type=Path, help="a data set, as `clipcrop data check` reads it")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="where the run is kept"
    )
    parser.add_argument("--layout", help="of the data set; found out by default")
    parser.add_argument("--texts", type=Path, help="texts for a data set that has none")
    parser.add_argument("--split", default="train", help="part of the data set to learn from")
    parser.add_argument(
        "--validation-split", default="val", help="part to look at now and then, if there is one"
    )
    parser.add_argument("--model", default="auto", help="the encoder, as for `clipcrop suggest`")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument(
        "--validate-every", type=int, default=5, metavar="EPOCHS", help="0: never (default: 5)"
    )
    parser.add_argument(
        "--save-every",
        type=int,
        default=0,
        metavar="STEPS",
        help="after which the state is saved; 0: once an epoch (default)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        help="processes that prepare photos (default: 4 beside a GPU, else none)",
    )
    parser.add_argument(
        "--tokens", type=Path, metavar="DIR", help="keep tokens there, for several runs to share"
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens")
    _add_fields(parser.add_argument_group("training"), TrainConfig)
    _add_fields(parser.add_argument_group("decoder, see clipcrop.decoder.network"), DecoderConfig)
    losses = parser.add_argument_group("losses, see clipcrop.training.criterion")
    _add_fields(losses, CriterionConfig)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train; the exit code."""
    config = _build(TrainConfig, options)
    decoder_config = _build(DecoderConfig, options)
    criterion_config = _build(CriterionConfig, options)
    with asked_to_stop() as is_stopped, joined(options.device) as processes:
        examples, validation = _read(options, decoder_config.variant, processes)
        if processes.is_first:
            check_examples([*examples, *validation], show_progress=sys.stderr.isatty())
        processes.wait()
        with memory_errors_named(processes.device):
            outcome = train(
                examples,
                validation,
                load_encoder(options.model, str(processes.device), precision=config.precision),
                options.output,
                config=config,
                decoder_config=decoder_config,
                criterion_config=criterion_config,
                options=_run_options(options, processes),
                processes=processes,
                is_stopped=is_stopped,
            )
        if processes.is_first:
            _print_outcome(outcome, options.output)
    return 0 if outcome.is_done else EXIT_INTERRUPTED


def _read(
    options: argparse.Namespace, variant: DecoderVariant, processes: Processes
) -> tuple[list[Example], list[Example]]:
    """The examples to learn from, and those to look at; a photo without a text is left out."""
    found = read_set(options.data, name=options.layout, texts=options.texts)
    by_split: dict[str, list[Example]] = {}
    for one in found:
        by_split.setdefault(one.split, []).append(one)
    if options.split not in by_split:
        raise InputError(
            f"no part {options.split!r} in {str(options.data)!r}, only {', '.join(by_split)}; "
            "choose one with --split"
        )
    named = {
        name: with_text(by_split.get(name, []), variant)
        for name in (options.split, options.validation_split)
    }
    if not named[options.split]:
        raise InputError(
            f"no photo of the part {options.split!r} has a text, which the variant {variant!r} "
            "needs; name texts with --texts (`clipcrop data caption` makes some)"
        )
    for name, kept in named.items():
        count = len(by_split.get(name, []))
        if len(kept) < count and processes.is_first:
            tqdm.write(
                f"note: {count - len(kept)} of the {count} photos of the part {name!r} have no "
                "text and are left out",
                file=sys.stderr,
            )
    validation = named[options.validation_split]
    if not validation and options.validate_every and processes.is_first:
        tqdm.write(
            f"note: no part {options.validation_split!r} to look at while training", file=sys.stderr
        )
    return named[options.split], validation


def _run_options(options: argparse.Namespace, processes: Processes) -> RunOptions:
    for name in ("validate_every", "save_every", "workers"):
        value = getattr(options, name)
        if value is not None and value < 0:
            raise InputError(f"--{name.replace('_', '-')} must be 0 or more, got {value}")
    workers = options.workers
    if workers is None:
        workers = min(4, os.cpu_count() or 1) if processes.device.type == "cuda" else 0
    return RunOptions(
        validate_every=options.validate_every,
        save_every=options.save_every,
        num_workers=workers,
        tokens=options.tokens,
        show_progress=sys.stderr.isatty(),
    )


def _print_outcome(outcome: Outcome, folder: Path) -> None:
    if not outcome.is_done:
        print(
            f"stopped after step {outcome.step} of {outcome.num_steps}; the same command goes on "
            "from there",
            file=sys.stderr,
        )
        return
    print(f"{outcome.num_steps} steps are done: {folder / LAST_DECODER}")
    if outcome.best is not None:
        print(f"best in validation, IoU {outcome.best:.4f}: {folder / BEST_DECODER}")


def _add_fields(group: argparse._ArgumentGroup, config: type[Any]) -> None:
    """An option for each field of a configuration."""
    for one in fields(config):
        if one.name in _FROM_ELSEWHERE:
            continue
        option = f"--{one.name.replace('_', '-')}"
        sentence = sentence_of(one) if one.metadata else f"see {config.__name__}.{one.name}"
        help_text = f"{sentence} (default: {_shown(one.default)})".replace("%", "%%")
        if isinstance(one.default, bool):
            group.add_argument(
                option, action=argparse.BooleanOptionalAction, default=one.default, help=help_text
            )
            continue
        group.add_argument(
            option,
            type=_numbers if isinstance(one.default, tuple) else type(one.default),
            choices=choices_of(one),
            default=one.default,
            metavar=None
            if choices_of(one)
            else "N"
            if not isinstance(one.default, str)
            else "NAME",
            help=help_text,
        )


def _build(config: type[_Config], options: argparse.Namespace) -> _Config:
    """A configuration of the options that were made of its fields."""
    known: Mapping[str, Any] = vars(options)
    values = {one.name: known[one.name] for one in _fields_of(config)}
    try:
        return config(**values)
    except InputError:
        raise
    except ValueError as exc:
        raise InputError(str(exc)) from exc


def _fields_of(config: type[Any]) -> Sequence[Field[Any]]:
    return [one for one in fields(config) if one.name not in _FROM_ELSEWHERE]


def _numbers(text: str) -> tuple[int, ...]:
    """1,2,3 -> (1, 2, 3); raises ValueError, which argparse tells."""
    return tuple(int(part) for part in text.split(","))


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
