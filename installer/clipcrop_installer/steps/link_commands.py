"""Links to ClipCrop's commands in the user's folder of programs, so that a shell finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..files import missing_folders
from ..machine import Machine
from ..manifest import Manifest, ManifestEntry
from ..plan import Context, Step
from ..programs import COMMANDS, Environment
from ..undo import is_our_link

STEP_NAME = "commands"


def bin_folder(machine: Machine) -> Path:
    """The one that Linux distributions and pipx use."""
    return Path(machine.home, ".local", "bin")


class LinkCommands(Step):
    """Makes the links. What is there already and is not ours stays."""

    name = STEP_NAME

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment = environment
        self._folder = folder

    def describe(self) -> list[str]:
        """The commands, and where."""
        return [f"make {', '.join(COMMANDS)} commands of your shell", str(self._folder)]

    def items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """The links, and folders that are missing for them."""
        links = [
            ManifestEntry(kind="link", path=str(path), step=STEP_NAME, details={"to": str(to)})
            for path, to in self._links()
            if _is_free(path, context, manifest)
        ]
        folders = missing_folders(self._folder, context, manifest) if links else []
        return [
            *(ManifestEntry(kind="folder", path=str(one), step=STEP_NAME) for one in folders),
            *links,
        ]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Make the links; returns a note on each command that another program has there."""
        for item in manifest.of_step(STEP_NAME):
            if item.kind == "folder":
                context.disk.make_folder(Path(item.path))
        notes = []
        for path, to in self._links():
            if _is_free(path, context, manifest):
                context.disk.link(path, to)
            else:
                notes.append(f"{path} is another program's, and stays; ours is {to}")
        return notes

    def _links(self) -> Iterator[tuple[Path, Path]]:
        for name in COMMANDS:
            yield self._folder / name, self._environment.program(name)


def _is_free(path: Path, context: Context, manifest: Manifest) -> bool:
    """Whether nothing is there, or a link of ours."""
    item = manifest.find("link", path)
    return not context.disk.kind_of(path) or (item is not None and is_our_link(item, context))
