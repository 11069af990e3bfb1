"""Python files lie where the daemon or its model process stand: none of them is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clipcrop_wire.client import Client

MODULES = ("json", "msgpack", "random", "clipcrop", "clipcrop_daemon", "sitecustomize")


def plant(folder: Path, mark: Path) -> None:
    """Modules that leave a mark when they are imported."""
    code = f"import pathlib; pathlib.Path({str(mark)!r}).write_text(__file__)"
    for name in MODULES:
        (folder / f"{name}.py").write_text(code)


@pytest.mark.parametrize("place", ["working directory", "sockets"])
def test_neither_process_imports_what_lies_where_it_stands(start, short_path, place):
    mark, path = short_path / "mark", short_path / "connection.json"
    if place == "working directory":  # of the daemon, so of this test's choice
        plant(short_path, mark)
    run = [str(Path(sys.executable).with_name("clipcrop-daemon")), "run"]
    run += ["--connection-file", str(path), "--log-file", str(short_path / "log")]
    start(command=run)
    if place == "sockets":
        plant(short_path / "sockets", mark)

    with Client(path) as client:
        assert client.models(timeout_s=30).models  # the real model process, without weights

    assert not mark.exists(), mark.read_text()
