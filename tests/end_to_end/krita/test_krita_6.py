"""The plug-in on PyQt6, as Krita 6 has it, in a fake Krita: see `tests/fakes/krita.py`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from editor import PATIENCE_S
from place import Place
from real_daemon import Daemon

pytestmark = pytest.mark.krita

HERE = Path(__file__).parent


def test_it_works_on_pyqt6(
    krita_root: Path,
    installed_plug_in: Path,
    shared_daemon: Daemon,
    checkout: Path,
    astronaut_path: Path,
    tmp_path: Path,
):
    fakes = checkout / "tests" / "fakes"
    config = tmp_path / "plugin.json"
    config.write_text(json.dumps({"connection_file": str(shared_daemon.connection_file)}))
    seen = (tmp_path, installed_plug_in, shared_daemon.folder, HERE, fakes, astronaut_path.parent)
    variables = {
        "PYTHONPATH": f"{fakes}:{installed_plug_in}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "QT_QPA_PLATFORM": "offscreen",
        "CLIPCROP_PLUGIN_CONFIG": str(config),
        "HOME": str(tmp_path),
    }
    script, picture = str(HERE / "in_krita_6.py"), str(tmp_path / "panel.png")
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    process = Place(krita_root, seen).start(
        ["python3", "-X", "faulthandler", script, str(astronaut_path), picture], variables, **pipe
    )
    output, errors = process.popen.communicate(timeout=PATIENCE_S)

    assert process.popen.returncode == 0, errors
    got = json.loads(output)
    assert got["qt"].startswith("6.")
    assert "suggestions." in got["sentence"]
    assert got["first"] != got["second"]
    assert got["dismissed"] is None
    applied = got["applied"]
    x, y, width, height = applied["guides"]["rect"]
    assert applied["guides"]["guides"] == [x, x + width, y, y + height]
    assert applied["new_image"]["size"] == applied["new_image"]["rect"][2:]
    assert applied["selection"]["selected"] == applied["selection"]["rect"]
    assert got["own_actions"] == ["select_all"]
    assert applied["canvas"]["size"] == applied["canvas"]["rect"][2:]
