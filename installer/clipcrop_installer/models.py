"""``models``: weights. The environment's ``clipcrop models`` does the work, and needs its packages.

What is had through the installer is in its manifest, so that it can be taken away again. What was
put there without it is the user's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from .engine import LIGHT, OWLVIT, how_to_change
from .errors import InstallError
from .files import missing_folders
from .installation import opened, read_manifest
from .machine import Places, places
from .manifest import Manifest, ManifestEntry
from .plan import Context
from .programs import Environment, installed_environment
from .uninstall import MODELS


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``models`` to the commands."""
    text = "weights: list, where, download, place, verify, remove"
    # With no character that begins an option, all words are left to `clipcrop models`.
    parser = commands.add_parser("models", help=text, add_help=False, prefix_chars="\0")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="COMMAND ...")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace, context: Context) -> int:
    return run_models(options.rest, context)


def run_models(words: Sequence[str], context: Context) -> int:
    """Run ``clipcrop models`` with these words; note in the manifest what it makes."""
    where = places(context.machine)
    environment = installed_environment(read_manifest(where, context), context)
    if environment is None:
        return _pass_on(words, _own_environment(context), context)
    names = names_in(words)
    if not names:
        code = _pass_on(words, environment, context)
        if list(words) in ([], ["list"]) and not code:
            context.say(_about_engine(environment, where, context))
        return code
    with opened(where, context) as manifest:
        note_begin(names, environment, context, manifest)
        try:
            return _pass_on(words, environment, context)
        finally:
            note_end(context, manifest)


def _about_engine(environment: Environment, where: Places, context: Context) -> str:
    has_torch = environment.has_package("torch", context)
    change = how_to_change(has_torch, is_private=where.environments in environment.python.parents)
    about = f"{OWLVIT} (PyTorch)" if has_torch else f"{LIGHT} (no PyTorch: lite alone can be used)"
    return f"engine: {about}; to change it: {change}"


def _own_environment(context: Context) -> Environment:
    """The one that this program is in, where pip or pipx has put ClipCrop.

    Raises:
        InstallError: ClipCrop is not there.
    """
    if find_spec("clipcrop") is None:
        raise InstallError("ClipCrop is not installed; run install first, which needs no weights")
    return Environment(Path(sys.executable), context.machine.platform)


def _pass_on(words: Sequence[str], environment: Environment, context: Context) -> int:
    is_for_programs = "--json" in words

    def show(line: str) -> None:
        if not is_for_programs or line.startswith("{"):  # progress is on the same stream here
            context.say(line)

    command: list[str | Path] = [environment.program("clipcrop"), "models", *words]
    return context.run(command, folder=Path.cwd(), variables={}, on_line=show)


CHANGES = ("download", "place", "remove")
"""The commands of ``clipcrop models`` after which there is more or less than before."""


def names_in(words: Sequence[str]) -> list[str]:
    """The models that a command line is about, if it changes anything."""
    plain = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and before != "--revision"
    ]
    if not plain or plain[0] not in CHANGES:
        return []
    return plain[1:2] if plain[0] == "place" else plain[1:]


def note_begin(
    names: Sequence[str], environment: Environment, context: Context, manifest: Manifest
) -> None:
    """List what is about to be made, before it is."""
    for name in names:
        code, lines = environment.run("clipcrop", ["models", "where", name, "--json"], context, {})
        if code == 0:
            folder = Path(json.loads(lines[-1])["folder"])
            manifest.begin(_items(folder, context, manifest))


def note_end(context: Context, manifest: Manifest) -> None:
    """Strike off what is not there, whatever became of the command."""
    items = manifest.of_step(MODELS)
    there = [item for item in items if context.disk.kind_of(Path(item.path))]
    manifest.finish(there)
    manifest.forget(item for item in items if item not in there)


def _items(folder: Path, context: Context, manifest: Manifest) -> Iterator[ManifestEntry]:
    for path in missing_folders(folder.parent, context, manifest):
        yield ManifestEntry(kind="folder", path=str(path), step=MODELS)
    # As clipcrop.weights.store calls them.
    yield ManifestEntry(
        kind="trace", path=str(folder.with_name(f".{folder.name}.lock")), step=MODELS
    )
    for path in (folder.with_name(f".{folder.name}.part"), folder):
        if not context.disk.kind_of(path) or manifest.find("tree", path):
            yield ManifestEntry(kind="tree", path=str(path), step=MODELS)
