"""What is put into an editor: the shell and the packages beside it, nothing that is compiled.

A plug-in runs in a Python that we do not choose, so all of it is pure Python; of msgpack it is the
half that is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .editors import SNAP, Gimp, Krita
from .errors import InstallError
from .files import (
    NewFile,
    claim,
    copies_of_ours,
    items_of,
    missing_folders,
    move_aside,
    remove_copies,
    write_all,
)
from .manifest import Manifest, ManifestEntry
from .plan import Context, Step
from .programs import PACKAGES, PACKAGES_NEEDED, Environment
from .settings_line import Line, put, value_of

GIMP_NAME, KRITA_NAME = "clipcrop_gimp", "clipcrop_krita"

_COMPILED = (".so", ".pyd", ".pyx", ".pyi", ".c", ".pyc")
_SHELLS = "_shells"
_HERE = PurePosixPath()

Tree = Mapping[PurePosixPath, tuple[bytes, bool]]
"""Path in the editor's folder -> content, and whether it can be executed."""


@dataclass(frozen=True)
class Sources:
    """Folders to copy from."""

    shells: Path
    """With ``gimp`` and ``krita`` in it."""

    packages: tuple[Path, ...]
    """`clipcrop_plugin`, `clipcrop_wire` and msgpack."""


def sources(folder_of: Callable[[str], Path]) -> Sources:
    """From an environment: its wheel has the shells; a checkout that it links to has them too.

    Args:
        folder_of: Import name -> folder of the package.
    """
    installer = folder_of("clipcrop_installer")
    bundled = installer / _SHELLS
    shells = bundled if bundled.is_dir() else installer.parents[1] / "plugin"
    return Sources(shells, tuple(folder_of(name) for name in PACKAGES))


def gimp_plug_in(found: Sources) -> Tree:
    """The folder ``clipcrop_gimp``, for ``plug-ins``; GIMP executes the script in it."""
    script = PurePosixPath(f"{GIMP_NAME}.py")
    tree = dict(_files_in(found.shells / "gimp" / GIMP_NAME))
    for package in found.packages:
        tree.update(_files_in(package, PurePosixPath(package.name)))
    return {path: (content, path == script) for path, content in tree.items()}


def krita_plug_in(found: Sources) -> Tree:
    """Files for Krita's folder of resources; the packages lie inside ours."""
    pykrita, package = PurePosixPath("pykrita"), PurePosixPath("pykrita", KRITA_NAME)
    shell = found.shells / "krita"
    tree = dict(_files_in(shell / KRITA_NAME, package))
    for one in found.packages:
        tree.update(_files_in(one, package / "vendor" / one.name))
    desktop, action = f"{KRITA_NAME}.desktop", f"{KRITA_NAME}.action"
    tree[pykrita / desktop] = (shell / desktop).read_bytes()
    tree[PurePosixPath("actions", action)] = (shell / action).read_bytes()
    return {path: (content, False) for path, content in tree.items()}


def _files_in(folder: Path, prefix: PurePosixPath = _HERE) -> Iterator[tuple[PurePosixPath, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and path.suffix not in _COMPILED and "__pycache__" not in inside.parts:
            yield prefix / PurePosixPath(*inside.parts), path.read_bytes()


NAMES_BEGIN = "plug-in for "
"""The name of every such step."""


@dataclass(frozen=True)
class Target:
    """Where a plug-in goes."""

    title: str
    """Of the editor."""

    folder: Path
    """Paths of the tree are relative to it."""

    own: tuple[Path, ...]
    """What will be ours alone: if it is there, it is in the way."""

    tree_of: Callable[[Sources], Tree]
    """Which files."""

    settings: Path | None = None
    """A file with a line that switches the plug-in on."""

    line: Line | None = None

    warning: str = ""
    """What the user should know about that build."""


def gimp_target(gimp: Gimp) -> Target:
    """A folder of that name among the plug-ins."""
    folder = Path(gimp.plug_ins, GIMP_NAME)
    warning = _warning(gimp.title, gimp.build)
    return Target(gimp.title, folder, (folder,), gimp_plug_in, warning=warning)


def krita_target(krita: Krita) -> Target:
    """A package among Krita's, what describes it, its keys, and a line that switches it on."""
    folder = Path(krita.resources)
    own = (
        folder / "pykrita" / KRITA_NAME,
        folder / "pykrita" / f"{KRITA_NAME}.desktop",
        folder / "actions" / f"{KRITA_NAME}.action",
    )
    line = Line("python", f"enable_{KRITA_NAME}", "true")
    settings, warning = Path(krita.settings), _warning(krita.title, krita.build)
    return Target(krita.title, folder, own, krita_plug_in, settings, line, warning)


def _warning(title: str, build: str) -> str:
    if build != SNAP:
        return ""
    return f"{title} may find no daemon: Snap hides the folders of others; other builds do find it"


class InstallPlugIn(Step):
    """Copies what is not there yet, and switches it on.

    Args:
        target: Where it goes.
        environment: Has the files.
        force: Move aside what is in the way.
        hashes: SHA-256 of all files that earlier installations have made, in any editor.
    """

    def __init__(
        self,
        target: Target,
        environment: Environment,
        *,
        force: bool,
        hashes: Collection[str] = (),
    ) -> None:
        self.name = f"{NAMES_BEGIN}{target.title} in {target.folder}"
        self._target = target
        self._environment = environment
        self._force = force
        self._hashes = hashes
        self._files: Sequence[NewFile] = ()
        self._copies: Sequence[Path] = ()

    def describe(self) -> list[str]:
        """The editor, and where."""
        target = self._target
        lines = [f"put the plug-in into {target.title}", *map(str, target.own)]
        if target.settings and target.line:
            lines.append(f"{target.line.key}={target.line.value} in {target.settings}")
        return lines

    def items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """Its files and folders, and the line.

        Raises:
            NotOurs: another plug-in of the name is there.
            InstallError: the files to copy are missing.
        """
        target = self._target
        self._copies = copies_of_ours(target.own, self._hashes, context, manifest)
        others = [path for path in target.own if path not in self._copies]
        moved = claim(self.name, others, context, manifest, force=self._force)
        tree = target.tree_of(sources(self._environment.packages(PACKAGES_NEEDED, context)))
        if not tree:
            raise InstallError(f"the files of the plug-in for {target.title} are missing")
        self._files = [
            NewFile(target.folder / path, content, 0o755 if is_program else 0o644)
            for path, (content, is_program) in tree.items()
        ]
        items = items_of(self.name, self._files, context, manifest, moved, self._copies)
        return [*items, *self._setting_items(context, manifest)]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Write them."""
        target = self._target
        notes = [target.warning] if target.warning else []
        remove_copies(self._copies, context)
        notes += move_aside(self.name, context, manifest)
        notes += write_all(self._files, context, manifest)
        if target.settings is None or target.line is None:
            return notes
        item = manifest.find("setting", target.settings)
        if item is not None and item.details.get("is_switched_off"):
            return [*notes, f"{target.title} has it switched off, and that is left so"]
        path = target.settings.resolve()  # a link stays one
        content = context.disk.read(path)
        if content is None or value_of(content, target.line) != target.line.value:
            mode = 0o600 if content is None else path.stat().st_mode & 0o777
            context.disk.write(path, put(content, target.line)[0], mode)
        return notes

    def _setting_items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """The line, with what it takes to take it back; as it was found the first time."""
        path, line = self._target.settings, self._target.line
        if path is None or line is None:
            return []
        folders = [
            ManifestEntry(kind="folder", path=str(one), step=self.name)
            for one in missing_folders(path.parent, context, manifest)
        ]
        content = context.disk.read(path.resolve())
        found = None if content is None else value_of(content, line)
        listed = manifest.find("setting", path)
        details = put(content, line)[1] if listed is None else listed.details
        # An upgrade does not switch it on again when the user has switched it off.
        is_off = listed is not None and listed.is_made and found not in (None, line.value)
        details = {**details, "is_switched_off": is_off}
        return [
            *folders,
            ManifestEntry(kind="setting", path=str(path), step=self.name, details=details),
        ]
