"""The command line: ``clipcrop suggest | models | train | evaluate``.

It parses, calls, prints and picks the exit code: 0 all went well, 1 some images failed, 2 the
request cannot be carried out or its output cannot be written, 70 a bug.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import __version__
from .cagic import command as cagic_command
from .errors import CheckpointError, ClipCropError, DaemonUnavailable, InputError, WorkerDied
from .extras import require_checkout, require_extra
from .reports import printable
from .weights.cli import add_models

if TYPE_CHECKING:
    from .grounding import GroundingOptions
    from .imaging.contact_sheet import PictureRow, SheetWriter
    from .imaging.images import LoadedImage
    from .imaging.output_files import FileId
    from .imaging.photo_inputs import Photo
    from .predictor import Predictor
    from .suggestions import Suggestions

    Ask = Callable[[LoadedImage], tuple[Suggestions, float]]
    """Suggests crops for an image; returns the answer and the seconds that encoding took."""

T = TypeVar("T")

logger = logging.getLogger(__name__)

EXIT_SOME_FAILED = 1
EXIT_BAD_REQUEST = 2
EXIT_BUG = 70

# What writing to a terminal, pipe or file fails with.
_OUTPUT_ERRORS = {errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG}
PHOTOS_FOR_A_WORKER = 8
"""By default there is one worker for so many photos: one for fewer would start for longer than it
works."""

MAX_JOBS = 256

_STAGES = ("read", "encode", "suggest")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _show_all_characters()
    exit_code = _run(arguments)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as exc:
        return _output_failed(exc)
    return exit_code


def _set_up_logging(options: argparse.Namespace) -> None:
    level = logging.DEBUG if options.verbose else logging.ERROR
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=level)
    if not options.verbose:  # warnings of libraries are of no use to a photographer
        logging.getLogger("clipcrop").setLevel(logging.WARNING)


def _run(arguments: Sequence[str]) -> int:
    """One command's exit code; what went wrong has been said."""
    try:
        options = _parser(*arguments[:1]).parse_args(arguments)
        _set_up_logging(options)
        exit_code: int = options.run(options)
    except ClipCropError as exc:
        _print_error(str(exc))
        return EXIT_BAD_REQUEST
    except KeyboardInterrupt:
        _print_error("stopped", kind="")
        return 130
    except Exception as exc:
        if isinstance(exc, OSError) and exc.errno in _OUTPUT_ERRORS and exc.filename is None:
            return _output_failed(exc)
        logger.exception("command.failed version=%s", __version__)
        _print_error("that is a bug in clipcrop; please report the lines above")
        return EXIT_BUG
    return exit_code


def _show_all_characters() -> None:
    """Escape what the terminal's encoding lacks, rather than end with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _output_failed(exc: Exception) -> int:
    """Say so, and send what is still buffered nowhere: Python would try again at exit."""
    _print_error(f"cannot write the output: {getattr(exc, 'strerror', None) or exc}")
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return EXIT_BAD_REQUEST


def _print_error(line: str, kind: str = "error: ") -> None:
    """A line on stderr; if that cannot be written either, the exit code has to do."""
    with contextlib.suppress(OSError, ValueError):
        print(f"{kind}{line}", file=sys.stderr, flush=True)


def _parser(command: str = "") -> argparse.ArgumentParser:
    """Options of all commands; of those that import much only when they are named."""
    parser = argparse.ArgumentParser(prog="clipcrop", description="Smart crops by description.")
    parser.add_argument("--version", action="version", version=f"clipcrop {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_suggest(commands.add_parser("suggest", help="suggest crops of images"))
    add_models(commands.add_parser("models", help="weights: list, download, verify, remove"))
    train = commands.add_parser("train", help="train the crop decoder")
    if command == "train":
        require_extra("train", "`clipcrop train`")
        from .training.cli import add_arguments

        add_arguments(train)
    data = commands.add_parser("data", help="check data sets, make texts for their photos")
    if command == "data":
        from .datasets.cli import add_data

        add_data(data)
    evaluate = commands.add_parser("evaluate", help="measure against what people annotated")
    if command == "evaluate":
        require_checkout("evaluation", "`clipcrop evaluate`")
        from .evaluation.cli import add_evaluate

        add_evaluate(evaluate, _add_model)
    return parser


def _add_common(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--verbose", action="store_true", help="log what happens")


def _add_model(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--model",
        default="auto",
        help="auto (owlvit when its weights are here, else lite), lite, owlvit, owlv2, another "
        "name that `clipcrop models` lists, or a folder of weights",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")


_SUGGEST_EXAMPLES = """\
examples:
  clipcrop suggest photo.jpg "the dog"
  clipcrop suggest photo.jpg "the rider" --aspect 16:9 --exclude "the car"
  clipcrop suggest photos/ "the bride" --write-crops crops/ --contact-sheet sheet.jpg

The exit code is 0, 1 when some photos of several failed, 2 when nothing could be done.
"""


def _add_suggest(parser: argparse.ArgumentParser) -> None:
    parser.usage = "clipcrop suggest IMAGE... PROMPT [options]"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _SUGGEST_EXAMPLES
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IMAGE... PROMPT",
        help='photos or folders, then in English what to keep; "" for a good crop of anything',
    )
    crops = parser.add_argument_group("crops")
    crops.add_argument(
        "--exclude", action="append", default=[], metavar="TEXT", help="leave this out; repeatable"
    )
    crops.add_argument(
        "--query-image",
        type=Path,
        metavar="FILE",
        help="a picture of what to keep, in place of PROMPT",
    )
    crops.add_argument(
        "--aspect",
        default="free",
        metavar="W:H",
        help="width to height, such as 3:2; original, as the photo; free (default)",
    )
    crops.add_argument(
        "--min-size",
        default="",
        metavar="SIZE",
        help="smallest crop in pixels: 1200x800, or 1200 for both sides",
    )
    crops.add_argument("--count", type=int, default=8, metavar="N", help="crops of each photo (8)")

    output = parser.add_argument_group("output")
    output.add_argument("--write-crops", type=Path, metavar="DIR", help="write the crops there")
    output.add_argument(
        "--contact-sheet", type=Path, metavar="FILE", help="draw photos and crops into this picture"
    )
    output.add_argument(
        "--overwrite",
        action="store_true",
        help="replace crops and pictures of the same names; photos that are looked at never are",
    )
    _add_common(output)

    folders = parser.add_argument_group("folders")
    folders.add_argument(
        "--recursive", action="store_true", help="look into the folders within folders, too"
    )
    folders.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="photos to work on at once, each by a process with the model in its memory; "
        "by default as many as there are cores with lite and many photos, else 1",
    )

    model = parser.add_argument_group("model")
    _add_model(model)
    model.add_argument(
        "--daemon",
        action="store_true",
        help="ask the running daemon, which has the model loaded already",
    )
    model.add_argument(
        "--grounding",
        choices=("default", "main", "key", "both"),
        default="default",
        help="how the prompt selects boxes: default, or as in the paper by the whole prompt "
        "(main), its keywords (key), or both",
    )
    model.add_argument(
        "--min-score",
        type=float,
        metavar="SCORE",
        help="what scores less, 0 to 1, is not in the photo (default: the model's own threshold)",
    )
    model.add_argument(
        "--decoder",
        default="auto",
        metavar="FILE",
        help="a decoder that `clipcrop train` wrote, whose crops join the others; auto: the one in "
        "the models folder that is named after the model, decoders/MODEL.safetensors, if it is "
        "there; none",
    )
    model.add_argument(
        "--method",
        choices=("clipcrop", cagic_command.METHOD),
        default="clipcrop",
        help="how crops are found: clipcrop (default), or cagic as below",
    )
    cagic_command.add_options(parser)
    parser.set_defaults(run=_suggest)


def _suggest(options: argparse.Namespace) -> int:
    from .imaging.photo_inputs import split_inputs

    inputs = split_inputs(options.inputs, options.query_image, recursive=options.recursive)
    # Before the weights are loaded: a mistake is told at once.
    request = _check_request(options, inputs.prompt)
    protected = _check_outputs(options, inputs.photos)
    for path in inputs.left_out:
        _print_status(f"left out: {path}: {_reason_left_out(path)}")
    num_workers = _num_workers(options, len(inputs.photos))
    task = _Task(options, inputs.prompt, request, protected)
    results: Iterable[_Result | WorkerDied | str]
    with _contact_sheet(options) as sheet, contextlib.ExitStack() as stack:
        if num_workers > 1:
            from .workers import map_in_order

            results = stack.enter_context(
                contextlib.closing(map_in_order(task.worker, inputs.photos, num_workers))
            )
        else:
            ask = stack.enter_context(task.asking())
            results = task.one_by_one(inputs.photos, ask)
        return _print_results(options, inputs.photos, results, sheet)


def _num_workers(options: argparse.Namespace, num_photos: int) -> int:
    """Processes to start; 1 stands for this one."""
    if options.jobs is not None:
        jobs: int = options.jobs
        return min(jobs, num_photos)
    if options.daemon or options.method == cagic_command.METHOD:
        return 1
    from .weights.checkpoint import find_checkpoint

    if find_checkpoint(options.model).needs_torch:
        return 1  # it is large, and has use for all cores or a GPU with one photo already
    num_workers = min(_num_cores(), num_photos // PHOTOS_FOR_A_WORKER)
    return max(1, num_workers)


def _num_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _print_results(
    options: argparse.Namespace,
    photos: Sequence[Photo],
    results: Iterable[_Result | WorkerDied | str],
    sheet: SheetWriter | None,
) -> int:
    """Print the results, which are in the order of the photos; returns the exit code."""
    num_failed = 0
    for photo, result in zip(photos, _with_progress(results, len(photos)), strict=True):
        if not isinstance(result, _Result):
            num_failed += 1
            line = result if isinstance(result, str) else _line_about(photo.path, result)
            _print_status(f"error: {line}")
            continue
        for note in result.notes:
            _print_status(f"warning: {note}")
        _print_answer(photo.path, result, options.json)
        if sheet is not None and result.row is not None:
            sheet.add(result.row)
    if num_failed:
        _print_status(f"{num_failed} of {len(photos)} images failed")
    return EXIT_SOME_FAILED if num_failed else 0


@dataclass(frozen=True)
class _Result:
    """What became of one photo."""

    suggestions: Suggestions

    seconds: dict[str, float]
    """What each stage took."""

    crops: Sequence[Path]
    """The files written, one for each suggestion; empty if none were asked for."""

    notes: Sequence[str]
    """Sentences about what is damaged or could not be kept."""

    row: PictureRow | None
    """Its row of the contact sheet, if one was asked for."""


@dataclass(frozen=True)
class _Task:
    """What is done with each photo; goes to the workers."""

    options: argparse.Namespace

    prompt: str

    request: dict[str, Any]
    """What the prompt is asked with."""

    protected: Collection[FileId]
    """Files that are only read."""

    def asking(self) -> contextlib.AbstractContextManager[Ask]:
        """Load what answers."""
        if self.options.method == cagic_command.METHOD:
            return _ask_cagic(self.options, self.prompt, self.request)
        if self.options.daemon:
            return _ask_daemon(self.options, self.request)
        return contextlib.nullcontext(_ask_predictor(self.options, self.request))

    def one_by_one(self, photos: Sequence[Photo], ask: Ask) -> Iterator[_Result | str]:
        """The results of photos, or lines about what went wrong with them.

        Raises:
            ClipCropError: What went wrong with the only photo, or the daemon cannot be asked.
        """
        has_answer = False
        for photo in photos:
            try:
                result: _Result | str = self.process(photo, ask)
                has_answer = True
            except Exception as exc:
                is_hopeless = isinstance(exc, DaemonUnavailable) and not has_answer
                if len(photos) == 1 or is_hopeless:
                    raise
                result = _line_about(photo.path, exc)
            yield result

    def worker(self) -> Callable[[Photo], _Result | str]:
        """In a worker process: load the model."""
        _set_up_logging(self.options)
        ask = _ask_predictor(self.options, self.request)

        def work(photo: Photo) -> _Result | str:
            try:
                return self.process(photo, ask)
            except Exception as exc:
                return _line_about(photo.path, exc)

        return work

    def process(self, photo: Photo, ask: Ask) -> _Result:
        """Everything about one photo; depends on no other photo."""
        options = self.options
        image, suggestions, seconds = _suggest_one(ask, photo.path)
        crops: Sequence[Path] = ()
        notes = list(image.notes)
        row = None
        if options.write_crops:
            from .imaging.crop_files import write_crops

            boxes_px = [crop.crop_px for crop in suggestions.crops]
            stems = [
                options.write_crops / f"{photo.crop_stem}_crop{number}"
                for number in range(1, len(boxes_px) + 1)
            ]
            crops = write_crops(
                photo.path,
                boxes_px,
                stems,
                overwrite=options.overwrite,
                inputs=self.protected,
                tell=notes.append,
            )
        if options.contact_sheet:
            from .imaging.contact_sheet import picture_row

            title = f"{photo.path.name}: {self.prompt or 'like the example image'}"
            row = picture_row(printable(title), image.rgb, suggestions)
        return _Result(suggestions, seconds, crops, notes, row)


def _line_about(path: Path, exc: Exception) -> str:
    """An error of one photo among others, as a line."""
    if isinstance(exc, InputError):
        return str(exc)
    if isinstance(exc, ClipCropError):
        return f"{str(path)!r}: {exc}"
    logger.debug("photo.failed path=%r", str(path), exc_info=exc)
    what = f"{type(exc).__name__}: {exc}"
    return f"{str(path)!r}: {what}; that is a bug in clipcrop, please report it"


def _reason_left_out(path: Path) -> str:
    from .extras import install_command
    from .imaging.deep_images import RAW_SUFFIXES

    if path.suffix.lower() in RAW_SUFFIXES:
        return f"a raw photo; export it as TIFF or JPEG, or run `{install_command('raw')}`"
    return "of a kind that cannot be read; export it as TIFF or JPEG"


def _check_outputs(options: argparse.Namespace, photos: Sequence[Photo]) -> Collection[FileId]:
    """Refuse outputs that would replace a file; returns the files that are only read.

    Raises:
        InputError: An output is an input, is there already, or its folder cannot be written.
    """
    from .imaging.output_files import check_folder, check_new, file_id

    paths = [photo.path for photo in photos]
    if options.query_image is not None:
        paths.append(options.query_image)
    inputs = {identity for path in paths if (identity := file_id(path)) is not None}
    outputs: list[Path] = []
    if options.contact_sheet:
        from .imaging.contact_sheet import sheet_names

        outputs += sheet_names(options.contact_sheet, len(photos))
    if options.path_picture:
        names = cagic_command.picture_names(options.path_picture)
        outputs += [next(names) for _ in photos]
    for output in outputs:
        check_new(output, overwrite=options.overwrite, inputs=inputs)
    if options.write_crops:
        try:
            options.write_crops.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InputError(
                f"cannot make the folder {str(options.write_crops)!r}: {exc.strerror}"
            ) from exc
        check_folder(options.write_crops)
    return inputs


@contextlib.contextmanager
def _contact_sheet(options: argparse.Namespace) -> Iterator[SheetWriter | None]:
    """Takes rows inside the block; those of a run that is stopped are written, too."""
    if not options.contact_sheet:
        yield None
        return
    from .imaging.contact_sheet import SheetWriter

    sheet = SheetWriter(options.contact_sheet, overwrite=options.overwrite)
    try:
        yield sheet
    finally:
        for path in sheet.finish():
            _print_status(f"contact sheet: {path}")


def _check_request(options: argparse.Namespace, prompt: str) -> dict[str, Any]:
    """Everything of a request that can be judged without an image or a model."""
    from .constraints import Constraints
    from .prompt.paper import paper_prompt
    from .prompt.parser import check_prompt, parse_prompt

    cagic_command.check_options(options, prompt)
    if options.daemon:
        _check_daemon_options(options)
    if not 1 <= options.count <= 100:
        raise InputError(f"no such count: {options.count}; ask for 1 to 100 crops")
    _check_jobs(options)
    _check_min_score(options)
    if options.contact_sheet:
        from .imaging.contact_sheet import sheet_format

        sheet_format(options.contact_sheet)
    query = None
    if options.query_image is not None:
        from .imaging.images import load_image

        query = load_image(options.query_image)
    constraints = Constraints.parse(options.aspect, options.min_size)
    if options.daemon:  # which has spaCy, so that stays unloaded here
        check_prompt(prompt, options.exclude)
    read = parse_prompt if options.grounding == "default" else paper_prompt
    return {
        # Read once: workers need no spaCy, either.
        "prompt": prompt if options.daemon else read(prompt, options.exclude),
        "constraints": constraints,
        "exclude": options.exclude,
        "image_query": query,
        "count": options.count,
    }


def _check_min_score(options: argparse.Namespace) -> None:
    if options.min_score is None:
        return
    if not 0 <= options.min_score <= 1:
        raise InputError(f"no such --min-score: {options.min_score:g}; use 0 to 1")
    if options.grounding != "default" or options.method == cagic_command.METHOD:
        beside = (
            f"--grounding {options.grounding}"
            if options.grounding != "default"
            else f"--method {options.method}"
        )
        raise InputError(
            f"no --min-score {options.min_score:g} beside {beside}, which has no threshold; leave "
            "out one of the two"
        )


def _check_jobs(options: argparse.Namespace) -> None:
    if options.jobs is None:
        return
    if not 1 <= options.jobs <= MAX_JOBS:
        raise InputError(f"no such number of --jobs: {options.jobs}; use 1 to {MAX_JOBS}")
    if options.jobs > 1 and (options.daemon or options.method == cagic_command.METHOD):
        beside = "--daemon" if options.daemon else f"--method {options.method}"
        raise InputError(
            f"no --jobs {options.jobs} beside {beside}, which takes one photo at a time; leave out "
            "one of the two"
        )


def _check_daemon_options(options: argparse.Namespace) -> None:
    """Refuse what only a model in this process can do."""
    from .remote import check_limits

    if options.device != "auto":
        raise InputError(
            f"no --device {options.device} beside --daemon: that is the daemon's own setting; "
            "leave out one of the two"
        )
    if options.decoder != "auto":
        raise InputError(
            f"no --decoder {options.decoder} beside --daemon, which takes the one in the models "
            "folder; leave out one of the two"
        )
    if options.grounding != "default":
        raise InputError(
            f"no --grounding {options.grounding} beside --daemon, which has its default only; "
            "leave out one of the two"
        )
    if options.min_score is not None:
        raise InputError(
            f"no --min-score {options.min_score:g} beside --daemon, which has the model's own; "
            "leave out one of the two"
        )
    check_limits(options.model, options.count, options.exclude)


def _grounding(options: argparse.Namespace, predictor: Predictor) -> GroundingOptions | None:
    from .grounding import GroundingOptions, Variant

    if options.grounding != "default":
        return GroundingOptions.paper(cast("Variant", options.grounding))
    if options.min_score is None:
        return None
    floor: float = options.min_score
    return replace(predictor.grounding_options(), min_score=floor, min_query_score=floor)


def _ask_predictor(options: argparse.Namespace, request: dict[str, Any]) -> Ask:
    """The model in this process."""
    from .predictor import Predictor

    predictor = Predictor.load(options.model, options.device, options.decoder)
    grounding = _grounding(options, predictor)
    tell = (lambda: _print_status("looking closer")) if sys.stderr.isatty() else None

    def ask(image: LoadedImage) -> tuple[Suggestions, float]:
        encoded = predictor.encode(image)
        suggestions = predictor.suggest(
            encoded, grounding=grounding, on_closer_look=tell, **request
        )
        return suggestions, encoded.seconds

    return ask


@contextlib.contextmanager
def _ask_cagic(options: argparse.Namespace, prompt: str, request: dict[str, Any]) -> Iterator[Ask]:
    """CAGIC, in this process."""
    with cagic_command.searcher(options, prompt, request["constraints"], _print_status) as ask:
        yield ask


@contextlib.contextmanager
def _ask_daemon(options: argparse.Namespace, request: dict[str, Any]) -> Iterator[Ask]:
    """The model in the running daemon."""
    from .remote import RemotePredictor

    tell = (lambda stage: _print_status(f"daemon: {stage}")) if sys.stderr.isatty() else None

    def ask(image: LoadedImage) -> tuple[Suggestions, float]:
        answer = predictor.suggest(image, **request)
        return answer.suggestions, answer.encode_s

    with RemotePredictor(options.model, on_slow_stage=tell) as predictor:
        yield ask


def _suggest_one(ask: Ask, path: Path) -> tuple[LoadedImage, Suggestions, dict[str, float]]:
    import time

    from .imaging.images import load_image

    started = time.perf_counter()
    image = load_image(path)
    read_s = time.perf_counter() - started
    suggestions, encode_s = ask(image)
    if not all(math.isfinite(crop.quality) for crop in suggestions.crops):
        raise CheckpointError(
            f"the model {suggestions.model} answers with values that are not numbers; its weights "
            "are damaged: `clipcrop models verify`"
        )
    took = (read_s, encode_s, suggestions.seconds)
    return image, suggestions, dict(zip(_STAGES, took, strict=True))


def _print_answer(path: Path, result: _Result, as_json: bool) -> None:
    from .reports import as_record, as_text

    if as_json:
        record = as_record(str(path), result.suggestions, result.seconds, result.crops)
        # Escapes above ASCII: whatever the terminal's encoding, and names that are no text at all.
        print(json.dumps(record, allow_nan=False), flush=True)
    else:
        print(as_text(str(path), result.suggestions, result.crops), flush=True)


def _with_progress(results: Iterable[T], total: int) -> Iterable[T]:
    if total == 1:
        return results
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(results, total=total, unit="image", file=sys.stderr, disable=None)
    return bar


def _print_status(line: str) -> None:
    """A line for people, past a progress bar if there is one."""
    from tqdm import tqdm

    with contextlib.suppress(OSError, ValueError):
        tqdm.write(printable(line), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
