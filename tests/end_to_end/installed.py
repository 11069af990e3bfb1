"""The plug-ins as the installer puts them into an editor, out of this checkout."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from clipcrop_installer.plugin_files import Tree, gimp_plug_in, krita_plug_in, sources


def install_for_gimp(plug_ins: Path) -> Path:
    """Put it into a folder of plug-ins -> its own folder."""
    folder = plug_ins / "clipcrop_gimp"
    for path, (content, is_program) in gimp_plug_in(sources(_folder_of)).items():
        _write(folder / path, content, is_program=is_program)
    return folder


def install_for_krita(folder: Path) -> Path:
    """Put what goes into ``pykrita`` and ``actions`` into one folder, which is returned."""
    tree: Tree = krita_plug_in(sources(_folder_of))
    for path, (content, is_program) in tree.items():
        _write(folder.joinpath(*path.parts[1:]), content, is_program=is_program)
    return folder


def _folder_of(package: str) -> Path:
    found = find_spec(package)
    assert found is not None
    assert found.submodule_search_locations is not None, f"{package} is not installed"
    return Path(found.submodule_search_locations[0])


def _write(path: Path, content: bytes, *, is_program: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if is_program else 0o644)
