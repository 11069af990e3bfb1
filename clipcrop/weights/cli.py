"""``clipcrop models``: list, where, download, place, verify, remove.

It parses, calls, prints and picks the exit code: 0 done, 1 something is wrong with weights, 2 it
cannot be done, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError
from ..extras import require_extra

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .registry import PublishedModel
    from .store import Progress

EXIT_PROBLEM = 1
EXIT_INTERRUPTED = 130

_LINE_EVERY = 0.1
"""Of the whole, where progress is not watched on a terminal."""


def add_models(parser: argparse.ArgumentParser) -> None:
    """Give the command its own commands; without one it lists."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
    )
    common.add_argument(
        "--verbose", action="store_true", default=argparse.SUPPRESS, help="log what happens"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--verbose", action="store_true", help="log what happens")
    parser.set_defaults(run=_list)
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        command = commands.add_parser(name, parents=[common], help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("list", _list, "the models and decoders, and where their weights are")
    where = add("where", _where, "where weights are looked for, and where they can be had")
    where.add_argument("name", help="as `clipcrop models` lists it")
    download = add("download", _download, "download weights; goes on where it was interrupted")
    download.add_argument("names", nargs="+", metavar="NAME")
    download.add_argument(
        "--revision",
        metavar="COMMIT",
        help="another commit than the pinned one; needed where `list` says that none is pinned",
    )
    place = add("place", _place, "put in weights that were downloaded by hand")
    place.add_argument("name")
    place.add_argument("folder", type=Path, help="with config.json, the weights, the tokenizer")
    verify = add("verify", _verify, "read weights and compare their hashes")
    verify.add_argument("names", nargs="*", metavar="NAME", help="by default all that are here")
    remove = add("remove", _remove, "take away what download and place have put in")
    remove.add_argument("names", nargs="+", metavar="NAME")


def _list(options: argparse.Namespace) -> int:
    from .checkpoint import list_checkpoints
    from .registry import ENCODERS
    from .store import partial_bytes

    for one in list_checkpoints():
        part_bytes = partial_bytes(one.name) if one.name in ENCODERS else 0
        if options.json:
            _print_json({**_fields_of(one), "partial_bytes": part_bytes})
            continue
        size = f"{one.size_bytes / 1e6:.1f} MB" if one.is_present else "not here"
        place = f"{one.where}{f': {one.path}' if one.path else ''}"
        if not one.is_present and one.name in ENCODERS:
            place += f"; {_download_of(ENCODERS[one.name])}"
        part = f" ({part_bytes / 1e6:.1f} MB of a download are here)" if part_bytes else ""
        print(f"{one.name:<30} {size:>10}  {place}{part}")
    _list_decoders(options)
    return 0


def _download_of(model: PublishedModel) -> str:
    if model.revision is None:
        return "no commit is pinned: download it with --revision COMMIT"
    return f"{model.size_bytes / 1e6:.1f} MB to download"


def _list_decoders(options: argparse.Namespace) -> None:
    """Those in the models folder, with the encoder that each is for."""
    from .checkpoint import default_models_folder
    from .decoders import read_decoder_info

    folder = default_models_folder() / "decoders"
    for path in sorted(folder.glob("*.safetensors")):
        encoder = problem = ""
        try:
            encoder = read_decoder_info(path).encoder
        except CheckpointError as exc:
            problem = str(exc)
        size_bytes = path.stat().st_size
        if options.json:
            values = {"name": path.name, "kind": "decoder", "present": True, "path": str(path)}
            _print_json({**values, "size_bytes": size_bytes, "tower": encoder, "problem": problem})
            continue
        text = problem or f"a decoder for {encoder}: {path}"
        print(f"{path.name:<30} {f'{size_bytes / 1e6:.1f} MB':>10}  {text}")


def _where(options: argparse.Namespace) -> int:
    from .checkpoint import default_models_folder, find_checkpoint
    from .registry import LICENCE, PICKLE, WEIGHTS_FILE, find_encoder
    from .store import addresses

    model = find_encoder(options.name)
    folder = default_models_folder() / model.name
    found = find_checkpoint(model.name)
    urls = addresses(model.name)
    if options.json:
        values = {**_fields_of(found), "folder": str(folder), "revision": model.revision}
        sha256 = {one.name: one.sha256 for one in model.files}
        _print_json({**values, "licence": LICENCE, "addresses": urls, "sha256": sha256})
        return 0
    print(f"here         {found.path or 'no'}")
    print(f"folder       {folder}")
    commit = f"commit {model.revision}" if model.revision else "no commit is pinned"
    print(f"published    {model.repository}, {commit}, {LICENCE}")
    if model.size_bytes:
        print(f"size         {model.size_bytes / 1e6:.1f} MB")
    print("to download  " + "\n             ".join(urls))
    if not model.files:
        print(f"             ({PICKLE} where it has no {WEIGHTS_FILE})")
    print(f"then         clipcrop models place {options.name} FOLDER-WITH-THE-FILES")
    return 0


def _download(options: argparse.Namespace) -> int:
    require_extra("owlvit", "a download of weights")
    from .store import download

    for name in options.names:
        printer = _ProgressPrinter()
        try:
            folder = download(name, revision=options.revision, on_progress=printer.show)
        except KeyboardInterrupt:
            printer.end()
            _print_error("stopped; what came is kept: run the same again to go on")
            return EXIT_INTERRUPTED
        finally:
            printer.end()
        _print_place(options, name, folder)
    return 0


def _place(options: argparse.Namespace) -> int:
    from .store import place

    printer = _ProgressPrinter()
    try:
        folder = place(options.name, options.folder, on_progress=printer.show)
    finally:
        printer.end()
    _print_place(options, options.name, folder)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from .store import PROOFS, verify

    printer = _ProgressPrinter()
    try:
        verdicts = verify(options.names, on_progress=printer.show)
    finally:
        printer.end()
    for one in verdicts:
        if options.json:
            values = _fields_of(one.checkpoint)
            found = {"problems": list(one.problems), "proof": one.proof}
            _print_json({**values, **found, "proof_text": PROOFS[one.proof]})
            continue
        print(f"{one.checkpoint.name}: {'; '.join(one.problems) or PROOFS[one.proof]}")
    return EXIT_PROBLEM if any(one.problems for one in verdicts) else 0


def _remove(options: argparse.Namespace) -> int:
    from .store import remove

    for name in options.names:
        num_bytes = remove(name)
        if options.json:
            _print_json({"name": name, "removed_bytes": num_bytes})
        else:
            print(f"{name}: {f'{num_bytes / 1e6:.1f} MB are free again' if num_bytes else 'none'}")
    return 0


class _ProgressPrinter:
    """Shows progress on standard error: in one line on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._is_live = sys.stderr.isatty()
        self._shown: tuple[bool, int] | None = None
        self._has_line = False

    def show(self, progress: Progress) -> None:
        """Show how far it is, unless that was shown already."""
        share = progress.done_bytes / progress.total_bytes if progress.total_bytes else 1.0
        step = int(share / (0.01 if self._is_live else _LINE_EVERY))
        key = (progress.stage == "converting", step)
        if key == self._shown:
            return
        self._shown = key
        size = f"{progress.total_bytes / 1e6:.1f} MB"
        line = f"{progress.stage} {progress.file}: {share:.0%} of {size}"
        if self._is_live:
            print(f"\r{line[:79]:<79}", end="", file=sys.stderr, flush=True)
            self._has_line = True
        else:
            _print_error(line)

    def end(self) -> None:
        """Leave the line."""
        if self._has_line:
            print(file=sys.stderr, flush=True)
        self._has_line = False


def _fields_of(one: Checkpoint) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "present": one.is_present,
        "path": str(one.path) if one.path else None,
        "size_bytes": one.size_bytes,
        "where": one.where,
        "problem": one.problem,
    }


def _print_place(options: argparse.Namespace, name: str, folder: Path) -> None:
    if options.json:
        _print_json({"name": name, "path": str(folder)})
    else:
        print(f"{name}: {folder}")


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values, ensure_ascii=False), flush=True)


def _print_error(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
