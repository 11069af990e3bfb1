"""Real pip and a fake of package indexes on this machine: where PyTorch comes from."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from clipcrop_installer import engine
from clipcrop_installer.environment import Recipe, ensure
from clipcrop_installer.machine import Machine

BACKEND = """\
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "clipcrop_desktop-1-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        info = "clipcrop_desktop-1.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: clipcrop-desktop\\n"
            "Version: 1\\nProvides-Extra: owlvit\\nRequires-Dist: torch>=2; extra == 'owlvit'\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
            "Tag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


def put_wheel(folder: Path, name: str, version: str, needs: str = "") -> None:
    """A package that has only its name, with its page in an index."""
    folder.mkdir(parents=True)
    info = f"{name}-{version}.dist-info/"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
        archive.writestr(info + "METADATA", text)
        text = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(info + "WHEEL", text)
        archive.writestr(info + "RECORD", "")
    (folder / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def indexes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of what is served; pip's usual index is ``usual`` in it."""
    served = tmp_path / "served"
    put_wheel(served / "usual" / "torch", "torch", "2.13.0", needs="sympy")
    put_wheel(served / "usual" / "sympy", "sympy", "1.0")
    handler = partial(Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/usual")
        monkeypatch.setattr(engine, "CPU_INDEX", f"{address}/cpu")
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def made_environment(tmp_path: Path) -> tuple[str, list[str]]:
    """The version of PyTorch in it, and what was said."""
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (tmp_path / "backend.py").write_text(BACKEND)
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")
    machine = Machine("linux", tmp_path, {}, lambda path: [], lambda path: None)
    wanted = engine.choose_engine(machine, "owlvit")
    recipe = Recipe(tmp_path, ".venv-try", is_copy=True, extras=wanted.extras, torch=wanted.torch)
    said: list[str] = []
    python = ensure(replace(recipe, torch_fallback=wanted.fallback), said.append)
    code = "from importlib.metadata import version; print(version('torch'), version('sympy'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()[0], said


@pytest.mark.slow
def test_pytorch_comes_from_its_own_index_and_what_it_needs_from_the_usual_one(
    indexes: Path, tmp_path: Path
):
    put_wheel(indexes / "cpu" / "torch", "torch", "2.13.0+cpu", needs="sympy")

    version, said = made_environment(tmp_path)

    assert version == "2.13.0+cpu"
    assert "usual index" not in " ".join(said)


@pytest.mark.slow
def test_where_that_index_cannot_be_had_pytorch_comes_from_the_usual_one(
    indexes: Path, tmp_path: Path
):
    version, said = made_environment(tmp_path)

    assert version == "2.13.0"
    assert "usual index" in " ".join(said)
