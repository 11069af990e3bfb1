"""Imports what lies inside this package: clipcrop_plugin, clipcrop_wire, and a msgpack.

One interpreter runs all of Krita's plug-ins. Another one may have a msgpack of its own, or none: so
ours is seen by ours only, and ``sys.path`` is as it was after each function here. The names of our
own packages stay, which no other plug-in has.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

FOLDER = Path(__file__).with_name("vendor")
_SHARED = "msgpack"
_OURS = ("clipcrop_plugin", "clipcrop_wire")


def prepare() -> None:
    """Make our own packages known, without what is in them; takes no time."""
    with _on_path():
        for name in _OURS:
            importlib.import_module(name)


def load() -> None:
    """Import all that needs msgpack; with it the plug-in has what it needs."""
    if "clipcrop_wire.protocol" in sys.modules:
        return
    theirs = _take_away_shared()
    try:
        with _on_path():
            importlib.import_module("clipcrop_wire.protocol")
    finally:
        if FOLDER.is_dir():
            _take_away_shared()  # ours are held by the modules that imported them
            sys.modules.update(theirs)


def _take_away_shared() -> dict:  # type: ignore[type-arg]
    """Forget the modules of that name -> those that there were."""
    if not FOLDER.is_dir():  # a checkout, whose environment has a msgpack
        return {}
    names = [name for name in sys.modules if name.partition(".")[0] == _SHARED]
    return {name: sys.modules.pop(name) for name in names}


@contextmanager
def _on_path() -> Iterator[None]:
    """What is vendored comes before all else."""
    path = str(FOLDER)
    sys.path.insert(0, path)
    try:
        yield
    finally:
        sys.path.remove(path)
