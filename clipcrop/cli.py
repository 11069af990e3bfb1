"""The command line: ``clipcrop suggest | models | train | evaluate``.

It parses, calls, prints and picks the exit code: 0 all went well, 1 some images failed, 2 the
request cannot be carried out, 70 a bug.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from . import __version__, cagic_command
from .data.cli import add_data
from .errors import ClipCropError, EmptyPrompt, InputError
from .evaluation.cli import add_evaluate
from .weights.cli import add_models

if TYPE_CHECKING:
    from .contact_sheet import Row
    from .grounding import GroundingOptions
    from .images import LoadedImage
    from .suggestions import Suggestions

    Ask = Callable[[LoadedImage], tuple[Suggestions, float]]
    """Whoever answers for an image; beside the answer, the seconds that looking at it took."""

logger = logging.getLogger(__name__)

EXIT_SOME_FAILED = 1
EXIT_BAD_REQUEST = 2
EXIT_BUG = 70

_FORMATS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".ppm"}
_STAGES = ("read", "encode", "suggest")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(is_training="train" in arguments[:1]).parse_args(arguments)
    level = logging.DEBUG if options.verbose else logging.WARNING
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=level)
    try:
        exit_code: int = options.run(options)
    except ClipCropError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return EXIT_BAD_REQUEST
    except BrokenPipeError:
        # Whoever reads the output has stopped; Python would complain once more at exit.
        sys.stdout = None
        return 0
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except Exception:
        logger.exception("command.failed version=%s", __version__)
        print("error: that is a bug in clipcrop; please report the lines above", file=sys.stderr)
        return EXIT_BUG
    return exit_code


def _parser(*, is_training: bool = False) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clipcrop", description="Smart crops by description.")
    parser.add_argument("--version", action="version", version=f"clipcrop {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_suggest(commands.add_parser("suggest", help="suggest crops of images"))
    add_models(commands.add_parser("models", help="weights: list, download, verify, remove"))
    train = commands.add_parser("train", help="train the crop decoder")
    if is_training:  # its options are made of the network's, which takes seconds to import
        from .training.cli import add_arguments

        add_arguments(train)
    add_data(commands.add_parser("data", help="check data sets, make texts for their photos"))
    evaluate = commands.add_parser("evaluate", help="measure against what people annotated")
    add_evaluate(evaluate, _add_model)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--verbose", action="store_true", help="log what happens")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default="auto",
        help="auto (owlvit when its weights are here, else lite), lite, owlvit, owlv2, another "
        "name that `clipcrop models` lists, or a folder of weights",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")


def _add_suggest(parser: argparse.ArgumentParser) -> None:
    parser.usage = "clipcrop suggest IMAGE... PROMPT [options]"
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IMAGE... PROMPT",
        help='images or folders, then what to keep; "" for a good crop of anything',
    )
    parser.add_argument("--count", type=int, default=8, help="crops for each image")
    parser.add_argument("--aspect", default="free", help="free, original, or width:height as 3:2")
    parser.add_argument(
        "--min-size", default="", help="smallest crop in pixels: 1200x800, or 1200 for both sides"
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="TEXT", help="leave this out; repeatable"
    )
    parser.add_argument(
        "--query-image",
        type=Path,
        metavar="FILE",
        help="an example of what to keep; no PROMPT then",
    )
    parser.add_argument(
        "--grounding",
        choices=("default", "main", "key", "both"),
        default="default",
        help="how the prompt selects boxes: default, or as in the paper by the whole prompt "
        "(main), its keywords (key), or both",
    )
    _add_model(parser)
    parser.add_argument(
        "--decoder",
        default="auto",
        metavar="FILE",
        help="a decoder that `clipcrop train` wrote, whose crops join the others; auto: the one in "
        "the models folder that is named after the model, decoders/MODEL.safetensors, if it is "
        "there; none",
    )
    parser.add_argument(
        "--daemon",
        action="store_true",
        help="ask the running daemon, which has the model loaded already",
    )
    parser.add_argument(
        "--method",
        choices=("clipcrop", cagic_command.METHOD),
        default="clipcrop",
        help="how crops are found: clipcrop (default), or cagic as below",
    )
    parser.add_argument("--write-crops", type=Path, metavar="DIR", help="write the crops there")
    parser.add_argument(
        "--contact-sheet", type=Path, metavar="FILE", help="draw images and crops into this picture"
    )
    cagic_command.add_options(parser)
    _add_common(parser)
    parser.set_defaults(run=_suggest)


def _suggest(options: argparse.Namespace) -> int:
    paths, prompt = _split_inputs(options.inputs, options.query_image)
    # Before the weights are loaded: a mistake is told at once.
    request = _check_request(options, prompt)
    who = _the_daemon if options.daemon else _a_predictor
    if options.method == cagic_command.METHOD:
        who = _a_search
    with who(options, prompt, request) as ask:
        return _suggest_all(options, paths, prompt, ask)


def _suggest_all(options: argparse.Namespace, paths: list[Path], prompt: str, ask: Ask) -> int:
    rows: list[Row] = []
    num_failed = 0
    for path in _with_progress(paths):
        try:
            image, suggestions, seconds = _suggest_one(ask, path)
            if options.write_crops:
                _write_crops(path, suggestions, options.write_crops)
        except InputError as exc:
            if len(paths) == 1:
                raise
            num_failed += 1
            _say(f"error: {exc}")
            continue
        _print_answer(path, suggestions, seconds, options.json)
        if options.contact_sheet:
            rows.append(_row(path, prompt, image, suggestions))
    if rows:
        from .contact_sheet import write_contact_sheet

        for sheet in write_contact_sheet(rows, options.contact_sheet):
            _say(f"contact sheet: {sheet}")
    if num_failed:
        _say(f"{num_failed} of {len(paths)} images failed")
    return EXIT_SOME_FAILED if num_failed else 0


def _split_inputs(inputs: list[str], query_image: Path | None) -> tuple[list[Path], str]:
    """Images and folders -> image files, and the prompt that comes after them.

    Raises:
        InputError: No image, no prompt, or a folder without images.
    """
    if query_image is not None:
        images, prompt = inputs, ""
        last = Path(inputs[-1])
        if len(inputs) > 1 and last.suffix.lower() not in _FORMATS and not _is_there(last):
            images, prompt = inputs[:-1], inputs[-1]
    else:
        images, prompt = inputs[:-1], inputs[-1]
        if prompt.strip() and _is_there(Path(prompt)):
            raise EmptyPrompt(
                f"no prompt after the images ({prompt!r} is a file); say last, in quotes, what to "
                'keep: "the dog", or "" for a good crop of anything'
            )
        if not images:
            raise InputError(
                f"no image before the prompt {prompt[:60]!r}; write: clipcrop suggest photo.jpg "
                '"the dog"'
            )
    paths = [path for name in images for path in _expand(Path(name))]
    return paths, prompt


def _expand(path: Path) -> list[Path]:
    """A folder -> its images in order of name; anything else as it is."""
    if not _is_there(path) or not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in _FORMATS)
    if not found:
        raise InputError(f"no images in the folder {str(path)!r}; name one that has some")
    return found


def _is_there(path: Path) -> bool:
    """Whether there is such a file or folder; what is too long for a name is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _check_request(options: argparse.Namespace, prompt: str) -> dict[str, Any]:
    """Everything of a request that can be judged without an image or a model."""
    from .constraints import Constraints
    from .contact_sheet import sheet_format
    from .prompt import check_prompt, parse_prompt

    cagic_command.check_options(options, prompt)
    if options.daemon:
        _check_daemon_options(options)
    if not 1 <= options.count <= 100:
        raise InputError(f"no such count: {options.count}; ask for 1 to 100 crops")
    if options.contact_sheet:
        sheet_format(options.contact_sheet)
    query = None
    if options.query_image is not None:
        from .images import load_image

        query = load_image(options.query_image)
    constraints = Constraints.parse(options.aspect, options.min_size)
    # Either raises what is wrong with it; the daemon has spaCy, so that stays unloaded here.
    (check_prompt if options.daemon else parse_prompt)(prompt, options.exclude)
    return {
        "constraints": constraints,
        "exclude": options.exclude,
        "image_query": query,
        "count": options.count,
    }


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
    check_limits(options.model, options.count, options.exclude)


def _grounding(name: str) -> GroundingOptions | None:
    from .grounding import GroundingOptions, Variant

    return None if name == "default" else GroundingOptions.paper(cast("Variant", name))


@contextlib.contextmanager
def _a_predictor(
    options: argparse.Namespace, prompt: str, request: dict[str, Any]
) -> Iterator[Ask]:
    """The model in this process."""
    from .predictor import Predictor

    predictor = Predictor.load(options.model, options.device, options.decoder)
    grounding = _grounding(options.grounding)

    def ask(image: LoadedImage) -> tuple[Suggestions, float]:
        encoded = predictor.encode(image)
        suggestions = predictor.suggest(encoded, prompt, grounding=grounding, **request)
        return suggestions, encoded.seconds

    yield ask


@contextlib.contextmanager
def _a_search(options: argparse.Namespace, prompt: str, request: dict[str, Any]) -> Iterator[Ask]:
    """CAGIC, in this process."""
    with cagic_command.searcher(options, prompt, request["constraints"], _say) as ask:
        yield ask


@contextlib.contextmanager
def _the_daemon(options: argparse.Namespace, prompt: str, request: dict[str, Any]) -> Iterator[Ask]:
    """The model in the running daemon."""
    from .remote import RemotePredictor

    # What takes long is of use to who watches; notes, told below, to whoever reads the answer.
    tell = (lambda stage: _say(f"daemon: {stage}")) if sys.stderr.isatty() else None
    told: set[str] = set()

    def ask(image: LoadedImage) -> tuple[Suggestions, float]:
        answer = predictor.suggest(image, prompt, **request)
        for note in answer.notes:
            if note not in told:
                _say(f"note: {note}")
                told.add(note)
        return answer.suggestions, answer.encode_s

    with RemotePredictor(options.model, on_slow_stage=tell) as predictor:
        yield ask


def _suggest_one(ask: Ask, path: Path) -> tuple[LoadedImage, Suggestions, dict[str, float]]:
    import time

    from .images import load_image

    started = time.perf_counter()
    image = load_image(path)
    read_s = time.perf_counter() - started
    suggestions, encode_s = ask(image)
    took = (read_s, encode_s, suggestions.seconds)
    return image, suggestions, dict(zip(_STAGES, took, strict=True))


def _write_crops(path: Path, suggestions: Suggestions, folder: Path) -> None:
    from .crop_files import write_crops

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"cannot make the folder {str(folder)!r}: {exc.strerror}") from exc
    # The whole name, so that a.jpg and a.png of one folder don't overwrite each other's crops.
    stems = [
        folder / f"{path.name.replace('.', '_')}_crop{number}"
        for number in range(1, len(suggestions.crops) + 1)
    ]
    write_crops(path, [crop.crop_px for crop in suggestions.crops], stems)


def _print_answer(
    path: Path, suggestions: Suggestions, seconds: dict[str, float], as_json: bool
) -> None:
    from .reports import as_record, as_text

    if as_json:
        record = as_record(str(path), suggestions, seconds)
        print(json.dumps(record, ensure_ascii=False), flush=True)
    else:
        print(as_text(str(path), suggestions), flush=True)


def _row(path: Path, prompt: str, image: LoadedImage, suggestions: Suggestions) -> Row:
    from .contact_sheet import Row

    return Row(f"{path.name}: {prompt or 'like the example image'}", image.rgb, suggestions)


def _with_progress(paths: list[Path]) -> Iterator[Path]:
    if len(paths) == 1:
        return iter(paths)
    from tqdm import tqdm

    return iter(tqdm(paths, unit="image", file=sys.stderr))


def _say(line: str) -> None:
    """A line for people, past a progress bar if there is one."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
