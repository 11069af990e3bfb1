from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import msgpack
import pytest

pytestmark = pytest.mark.slow

PACKAGES = (
    "clipcrop",
    "clipcrop_daemon",
    "clipcrop_installer",
    "clipcrop_plugin",
    "clipcrop_wire",
)


LEFT_OUT = ("clipcrop/evaluation/", "clipcrop/training/lite/", "clipcrop/training/composition.py")
"""The recipes of the weights, and what measures them: they are run from a checkout."""

IMPORT_ALL = """
import importlib, pkgutil, sys, clipcrop
for module in pkgutil.walk_packages(clipcrop.__path__, "clipcrop."):
    importlib.import_module(module.name)
print(clipcrop.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built as a release would be."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[str]:
    """Every file in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_installs_exactly_our_names(names: list[str], checkout: Path):
    project = (checkout / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    metadata = f"clipcrop_desktop-{version}.dist-info"

    ours = set(PACKAGES)
    assert {name.split("/")[0] for name in names} == {*ours, metadata}


def test_every_package_file_but_recipes_and_evaluation_is_in_the_wheel(
    names: list[str], checkout: Path
):
    folders = [
        "clipcrop",
        "daemon/clipcrop_daemon",
        "daemon/clipcrop_wire",
        "installer/clipcrop_installer",
        "plugin/clipcrop_plugin",
    ]
    command = ["git", "ls-files", *folders]
    kept = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)

    expected = {
        re.sub("^(daemon|installer|plugin)/", "", name)
        for name in kept.stdout.splitlines()
        if not name.startswith(LEFT_OUT)
    }

    assert expected <= set(names)
    assert not [name for name in names if name.startswith(LEFT_OUT)]
    assert "clipcrop/samples/astronaut.jpg" in expected
    assert "clipcrop_plugin/locale/de/LC_MESSAGES/clipcrop.mo" in expected


def test_nothing_in_the_wheel_needs_what_is_left_out(wheel: Path, tmp_path: Path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    variables = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(program: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )

    imported = run(IMPORT_ALL)
    refused = run(
        "import sys; from clipcrop.cli import main; sys.exit(main(['evaluate', 'crops']))"
    )

    assert imported.stdout.strip() == str(tmp_path / "clipcrop" / "__init__.py"), imported.stderr
    assert refused.returncode == 2
    assert "repository" in refused.stderr


def test_types_are_declared_in_every_package(names: list[str]):
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)


def test_nothing_built_or_cached_is_in_the_wheel(names: list[str]):
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".log"))]


def test_the_terms_travel_with_the_wheel(names: list[str]):
    assert {Path(name).name for name in names if ".dist-info/licenses/" in name} == {
        "LICENSE",
        "NOTICE",
    }


def test_the_wheel_is_small_enough_for_a_registry(wheel: Path):
    assert wheel.stat().st_size < 40_000_000


def test_the_wheel_has_the_editors_shells_for_the_installer(names: list[str], checkout: Path):
    command = ["git", "ls-files", "plugin/gimp/clipcrop_gimp", "plugin/krita/clipcrop_krita*"]
    kept = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)

    expected = {
        name.replace("plugin/", "clipcrop_installer/_shells/", 1)
        for name in kept.stdout.splitlines()
    }

    assert len(expected) > 20
    assert expected <= set(names)


@pytest.mark.skipif(sys.platform == "win32", reason="its folders are laid out for other systems")
def test_a_wheel_installed_by_pip_brings_the_plug_ins(wheel: Path, tmp_path: Path, home: Path):
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    shutil.copytree(Path(msgpack.__file__).parent, packages / "msgpack")
    (home / ".config" / "GIMP" / "3.0").mkdir(parents=True)
    before = sorted(home.rglob("*"))
    program = [environment / "bin" / "python", "-c"]
    program += ["import sys; from clipcrop_installer.cli import setup; sys.exit(setup())"]

    # Without what ClipCrop needs nothing can be started; all else is as ever.
    choices = ["--no-login", "--no-daemon"]
    subprocess.run([*program, "install", *choices], check=True, capture_output=True)
    plug_in = home / ".config/GIMP/3.0/plug-ins/clipcrop_gimp"
    assert (plug_in / "gimp_shell" / "panel.py").exists()
    assert (plug_in / "clipcrop_gimp.py").stat().st_mode & 0o100
    settings = json.loads((home / ".local/share/clipcrop/plugin.json").read_text())
    assert settings["start_command"] == [str(environment / "bin" / "clipcrop-daemon"), "run"]

    subprocess.run([*program, "uninstall"], check=True, capture_output=True)
    assert sorted(home.rglob("*")) == before
