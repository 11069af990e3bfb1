"""A user's whole way: a copy of the project, an empty home, real editors; installed once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[2]
_EDITORS = HERE.parent
sys.path[:0] = [str(_EDITORS / name) for name in ("", "editors", "gimp", "krita")]

from krita_driver import Krita  # noqa: E402 - on the path just added
from place import Place  # noqa: E402

REAL_HOME = Path.home()

GIMP_BATCH = ("gimp-console", "--no-interface", "--no-data", "--no-fonts", "--quit")
GIMP_BATCH += ("--batch-interpreter=python-fu-eval", "-b")


class User:
    """Somebody whose home is empty but for what GIMP and Krita have made at their first start.

    Args:
        folder: Holds the home; its path must be short, since sockets will be in it.
        gimp_root: Of the system that GIMP is on.
        krita_root: Of the one that Krita is on.
    """

    def __init__(self, folder: Path, gimp_root: Path, krita_root: Path) -> None:
        self.folder = folder
        seen = (folder, CHECKOUT / "clipcrop" / "samples", _EDITORS)
        self.gimp_place, krita_place = Place(gimp_root, seen), Place(krita_root, seen)
        self.krita = Krita(krita_place, folder, [], {}, switched_on=())
        self.home = self.krita.home
        profile = self.krita.profile  # of which the driver has begun to make what a home has
        shutil.move(profile / "config", self.home / ".config")
        (self.home / ".local").mkdir()
        shutil.move(profile / "data", self.home / ".local" / "share")
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            del self.krita.variables[name]
        self.copy = folder / "A copy of ClipCrop"

    def start_editors_once(self) -> None:
        """As anybody has done who wants plug-ins in them."""
        self.in_gimp("pass")
        self.krita.start()
        self.krita.quit()
        self.krita.end()

    def in_gimp(self, source: str) -> str:
        """Run Python in a GIMP without a window, as it comes; returns what it wrote."""
        script = self.folder / "script.py"
        script.write_text(source)
        command = [*GIMP_BATCH, f"exec(compile(open({str(script)!r}).read(), 'script', 'exec'))"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = self.gimp_place.start(command, {"HOME": str(self.home)}, **streams)
        said: str = process.popen.communicate(timeout=120)[0]
        assert process.popen.returncode == 0, said
        return said

    def run(self, *command: str | Path, folder: Path | None = None) -> str:
        """Run a program as this user, on the machine itself; returns what it said."""
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        variables = {
            **kept,
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            # Else every run downloads everything again.
            "PIP_CACHE_DIR": str(REAL_HOME / ".cache" / "pip"),
        }
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder or self.home,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def copy_project(self) -> None:
        """As a clone has it."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
            text=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (CHECKOUT / name).is_file():
                (self.copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(CHECKOUT / name, self.copy / name)

    def installer(self, *arguments: str) -> str:
        """Run it with a Python that has nothing installed."""
        python = Path(sys.base_prefix, "bin", "python3")
        return self.run(python, "-I", "installer", *arguments, folder=self.copy)

    def contents(self) -> dict[str, str]:
        """Every file and folder of the home -> what it is."""
        return {str(one.relative_to(self.home)): _describe(one) for one in self.home.rglob("*")}


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if not path.is_file():
        return "folder" if path.is_dir() else "neither file nor folder"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _root_of(editor: str) -> Path:
    """Of the system that an editor is on, set up if need be; the newest."""
    setup = _EDITORS / editor / "setup.py"
    done = subprocess.run([sys.executable, setup], capture_output=True, text=True)
    lines = done.stdout.strip().splitlines() or [done.stderr]
    if done.returncode:
        pytest.fail(f"these tests need an editor: {lines[-1]}", pytrace=False)
    roots = [line[5:] for line in lines if line.startswith("root ")]
    return Path(roots[0] if roots else lines[-1])


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    """Ready to install."""
    folder = Path(tempfile.mkdtemp(prefix="u"))
    one = User(folder, _root_of("gimp"), _root_of("krita"))
    try:
        one.start_editors_once()
        one.copy_project()
        yield one
    finally:
        one.krita.end()
        for daemon in one.home.glob(".local/share/clipcrop/environments/*/bin/clipcrop-daemon"):
            subprocess.run([daemon, "stop"], env={"HOME": str(one.home)}, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
