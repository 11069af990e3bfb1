"""The program ``clipcrop``: looks at its environment, then runs the command line.

The package index has another project named ``clipcrop``, with the same import name. In one
environment with ours each overwrites files of the other, also ``__init__.py``: so this module needs
nothing from the package before it has looked.
"""

from __future__ import annotations

import sys
from pathlib import Path

EXIT_BAD_REQUEST = 2


def namesake_sentence(folder: Path) -> str:
    """What is wrong with a folder of packages, and what to do; empty where nothing is.

    Args:
        folder: The one that has this package in it.
    """
    found = next(folder.glob("clipcrop-[0-9]*.dist-info"), None)
    if found is None:
        return ""
    python = sys.executable
    return (
        f"{found.stem} is in {folder}: another project, or this one under its former name, and "
        f"each overwrites the other; run {python} -m pip uninstall clipcrop, then "
        f"{python} -m pip install --force-reinstall --no-deps clipcrop-desktop"
    )


def main() -> int:
    """``clipcrop``; returns the exit code."""
    sentence = namesake_sentence(Path(__file__).parents[1])
    if sentence:
        sys.stderr.write(f"error: {sentence}\n")
        return EXIT_BAD_REQUEST
    from .cli import main as run

    return run()
