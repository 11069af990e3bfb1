"""The wire and the plug-ins' common half run in whatever Python an editor brings."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REAL_HOME = str(Path.home())
OLDEST = (3, 8)
MINORS = range(8, 15)
FOLDERS = ("daemon/clipcrop_wire", "plugin")
"""What is copied into editors."""


def interpreters() -> dict[str, str]:
    """Version -> program, for the oldest and the newest that this machine has."""
    found = {}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in MINORS:
        places = sorted(str(place) for place in root.glob(f"3.{minor}.*/bin/python3"))
        on_path = shutil.which(f"python3.{minor}")
        for place in [*places, *([on_path] if on_path else [])]:
            told = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
            if re.match(rf"Python 3\.{minor}\.", told.stdout):
                found[f"3.{minor}"] = place
    versions = list(found)
    return {version: found[version] for version in {*versions[:1], *versions[-1:]}}


PYTHONS = interpreters()


def test_every_file_is_in_the_oldest_pythons_syntax(checkout: Path):
    files = sorted(file for folder in FOLDERS for file in (checkout / folder).rglob("*.py"))

    for file in files:
        ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=OLDEST)
    assert {"zmtp.py", "session.py"} <= {file.name for file in files}


@pytest.fixture(scope="module", params=sorted(PYTHONS, key=lambda version: int(version[2:])))
def old_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An environment's Python, with pytest and msgpack; of each version."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([PYTHONS[request.param], "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    variables = {**os.environ, "HOME": REAL_HOME}  # pip's cache is there
    subprocess.run([*install, "pytest", "msgpack"], check=True, env=variables)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["tests/unit/wire", "tests/unit/plugin"])
def test_the_unit_tests_pass_in_the_oldest_and_the_newest_python(
    old_python: str, folder: str, checkout: Path
):
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-c", os.devnull]
    options += ["--rootdir", ".", "--import-mode=importlib", f"--confcutdir={folder}"]
    path = os.pathsep.join(("daemon", "plugin"))
    variables = {**os.environ, "PYTHONPATH": path, "MSGPACK_PUREPYTHON": "1"}

    ran = subprocess.run(
        [old_python, "-m", "pytest", *options, folder],
        cwd=checkout,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-4000:]
    assert re.search(r"\d{3,} passed", ran.stdout)
