"""What lies inside the package is imported, and nobody else's modules are touched."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import importlib.util, json, sys, types
theirs = types.ModuleType("msgpack")
sys.modules["msgpack"] = theirs
before = list(sys.path)
spec = importlib.util.spec_from_file_location("vendored", {path!r})
vendored = importlib.util.module_from_spec(spec)
spec.loader.exec_module(vendored)
vendored.prepare()
prepared = sorted(name for name in sys.modules if name.startswith("clipcrop"))
vendored.load()
vendored.load()
import clipcrop_wire.protocol as protocol
print(json.dumps({{
    "prepared": prepared,
    "theirs": sys.modules["msgpack"] is theirs and protocol.msgpack is not theirs,
    "rest": [name for name in sys.modules if name.startswith("msgpack.")],
    "path": sys.path == before,
    "from": protocol.__file__,
    "packs": protocol.msgpack.packb(1).hex(),
}}))
"""


@pytest.fixture
def package(tmp_path: Path, checkout: Path) -> Path:
    """A folder with the module, and what is vendored beside it."""
    import msgpack

    folder = tmp_path / "clipcrop_krita"
    folder.mkdir()
    shutil.copy(checkout / "plugin" / "krita" / "clipcrop_krita" / "vendored.py", folder)
    leave = shutil.ignore_patterns("__pycache__", "*.so")
    for part in (
        checkout / "plugin" / "clipcrop_plugin",
        checkout / "daemon" / "clipcrop_wire",
        Path(msgpack.__file__).parent,
    ):
        shutil.copytree(part, folder / "vendor" / part.name, ignore=leave)
    return folder


def test_another_plug_ins_msgpack_stays_and_ours_is_our_own(package: Path):
    program = PROGRAM.format(path=str(package / "vendored.py"))

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )

    got = json.loads(done.stdout)
    assert got["prepared"] == ["clipcrop_plugin", "clipcrop_wire"]
    assert (got["theirs"], got["rest"], got["path"]) == (True, [], True)
    assert got["from"].startswith(str(package / "vendor"))
    assert got["packs"] == "01"
