"""A machine of any system, made up of paths: what pure decisions of the installer are tested on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from clipcrop_installer.machine import Machine

HOMES: Mapping[str, PurePath] = {
    "linux": PurePosixPath("/home/zoë"),
    "darwin": PurePosixPath("/Users/zoë"),
    "win32": PureWindowsPath("C:/Users/Zoë"),
}


def fake_machine(
    platform: str,
    *paths: str,
    files: Mapping[str, bytes] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Machine:
    """A machine on which there is nothing but this.

    Args:
        platform: linux, darwin, win32.
        paths: What is there; ``~`` is the home. All folders around it are there too.
        files: What is there and can be read.
        variables: Of the environment.
    """
    home = HOMES[platform]

    def whole(path: str) -> PurePath:
        return home / path[2:] if path.startswith("~/") else type(home)(path)

    contents = {whole(path): content for path, content in (files or {}).items()}
    there = {*map(whole, paths), *contents}
    there |= {parent for path in there for parent in path.parents}

    def names_in(folder: PurePath) -> list[str]:
        return sorted(path.name for path in there if path.parent == folder and path != folder)

    return Machine(platform, home, variables or {}, names_in, contents.get)
