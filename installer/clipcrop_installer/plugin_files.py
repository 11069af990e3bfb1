"""What is put into an editor: the shell and the packages beside it, nothing that is compiled.

A plug-in runs in a Python that we do not choose, so all of it is pure Python; of msgpack it is the
half that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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


PACKAGES = ("clipcrop_plugin", "clipcrop_wire", "msgpack")
"""The import names of `Sources.packages`."""


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
