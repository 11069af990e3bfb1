"""The programs and packages of an environment with ClipCrop, and the links to its commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import InstallError
from .files import is_our_link, missing_folders
from .machine import Machine
from .manifest import Manifest, ManifestEntry
from .plan import Context, Step

COMMANDS = ("clipcrop", "clipcrop-daemon", "clipcrop-setup")
"""The programs that users call."""

PACKAGES = ("clipcrop_plugin", "clipcrop_wire", "msgpack")
"""Import names of the packages that a plug-in carries beside its shell."""

PACKAGES_NEEDED = ("clipcrop", "clipcrop_daemon", "clipcrop_installer", *PACKAGES)
"""Import names that an environment with ClipCrop has."""

_FIND = """\
import importlib.util, json, sys
find = importlib.util.find_spec
print(json.dumps({name: find(name).submodule_search_locations[0] for name in sys.argv[1:]}))
"""


DISTRIBUTION, NAMESAKE = "clipcrop-desktop", "clipcrop"
"""Names of distributions: ours; another project's with the same import name, formerly ours."""

WHY_NOT = f"another project, or {DISTRIBUTION} under its former name; each overwrites the other"


def remedy(python: Path) -> str:
    """What to do about the namesake in an environment."""
    return (
        f"run {python} -m pip uninstall {NAMESAKE}, then "
        f"{python} -m pip install --force-reinstall --no-deps {DISTRIBUTION}"
    )


@dataclass(frozen=True)
class Environment:
    """Where ClipCrop's programs are."""

    python: Path
    """Its Python; the programs are beside it."""

    platform: str
    """As `sys.platform`."""

    def program(self, name: str) -> Path:
        """By the name that it has on every system."""
        return self.python.with_name(f"{name}.exe" if self.platform == "win32" else name)

    @property
    def daemon_command(self) -> tuple[str, ...]:
        """Starts the daemon, without a window on any system."""
        if self.platform == "win32":  # its clipcrop-daemon.exe would open a console
            return (str(self.python.with_name("pythonw.exe")), "-I", "-m", "clipcrop_daemon", "run")
        return (str(self.program("clipcrop-daemon")), "run")

    def packages(self, names: Sequence[str], context: Context) -> Callable[[str], Path]:
        """Where packages are: name -> folder.

        Raises:
            InstallError: one is missing.
        """
        code, lines = self.run_code(_FIND, names, context)
        if code:
            raise InstallError(f"packages are missing in the environment of {self.python}")
        found: dict[str, str] = json.loads(lines[-1])
        return lambda name: Path(found[name])

    def has_package(self, name: str, context: Context) -> bool:
        """Whether the package can be imported in this environment."""
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({name!r}) is None)"
        return self.run_code(code, (), context)[0] == 0

    def run_code(
        self, code: str, arguments: Sequence[str], context: Context
    ) -> tuple[int, list[str]]:
        """Run lines of Python in it; the exit code, and what they printed."""
        return context.output_of([self.python, "-I", "-c", code, *arguments])

    def run(
        self,
        program: str,
        arguments: Sequence[str | Path],
        context: Context,
        variables: Mapping[str, str],
    ) -> tuple[int, list[str]]:
        """Run a program of it; returns its exit code and what it said."""
        command = [self.program(program), *arguments]
        return context.output_of(command, {"HF_HUB_OFFLINE": "1", **variables})


def installed_environment(manifest: Manifest, context: Context) -> Environment | None:
    """The one that plug-ins and daemon use; None if it is not there."""
    python = manifest.values.get("python")
    if not isinstance(python, str) or not Path(python).exists():
        return None
    return Environment(Path(python), context.machine.platform)


def last_line(lines: Sequence[str]) -> str:
    """What a program said at its end, which mostly is why it failed."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


COMMANDS_STEP = "commands"


def bin_folder(machine: Machine) -> Path:
    """The one that Linux distributions and pipx use."""
    return Path(machine.home, ".local", "bin")


class LinkCommands(Step):
    """Makes the links. What is there already and is not ours stays."""

    name = COMMANDS_STEP

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._environment = environment
        self._folder = folder

    def describe(self) -> list[str]:
        """The commands, and the folder of the links."""
        return [f"make {', '.join(COMMANDS)} commands of your shell", str(self._folder)]

    def items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """The links, and folders that are missing for them."""
        links = [
            ManifestEntry(kind="link", path=str(path), step=COMMANDS_STEP, details={"to": str(to)})
            for path, to in self._links()
            if _is_free(path, context, manifest)
        ]
        folders = missing_folders(self._folder, context, manifest) if links else []
        return [
            *(ManifestEntry(kind="folder", path=str(one), step=COMMANDS_STEP) for one in folders),
            *links,
        ]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Make the links; returns a note on each command that another program has there."""
        for item in manifest.of_step(COMMANDS_STEP):
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
