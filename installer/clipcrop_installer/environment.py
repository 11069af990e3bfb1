"""A virtual environment with the project and exact versions in it.

Made once; used again while what it was made from is the same; made anew otherwise. A build that
was interrupted has no stamp, because the stamp is written last. Nothing outside its folder is
written, except by pip to its cache.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .daemon import crop_sample
from .disk import size_of
from .engine import LIGHT, OWLVIT, Engine, how_to_change
from .errors import DiskFull, InstallError, NotOurs, PythonUnsuitable
from .files import missing_folders
from .manifest import KEPT_ON_FAILURE, Manifest, ManifestEntry
from .pip_output import Progress, explain
from .plan import Context, Step
from .process import Runner, run_command
from .programs import PACKAGES_NEEDED, Environment

NEEDED_BYTES = 1_000_000_000
"""Free space below which a build is not even begun: an environment without PyTorch takes half of
it, and pip unpacks beside it."""

_PACKAGES = ("clipcrop", "daemon", "installer", "plugin")  # folders of the checkout
_LAYOUT = "1"  # part of the stamp: raise it when this module builds something else
_CHECKERS = re.compile(rb"^\[tool\.(?!hatch)", re.MULTILINE)
_MARKER = "made-by-clipcrop"
_STAMP = "clipcrop-stamp"
_LOG = "install.log"


@dataclass(frozen=True)
class Recipe:
    """What an environment is made from."""

    checkout: Path
    """The root of the working tree, with pyproject.toml and constraints.txt."""

    name: str
    """The environment's folder in the checkout; one that git ignores (``.venv-*``)."""

    groups: tuple[str, ...] = ()
    """Dependency groups to install besides the project."""

    parent: Path | None = None
    """The folder that the environment's is in, instead of the checkout."""

    is_copy: bool = False
    """The project is copied into it, so that the checkout may go away; else it is linked."""

    extras: tuple[str, ...] = ()
    """Of the project, to install too."""

    torch: tuple[str, ...] = ()
    """Arguments of pip for a PyTorch to be there before all else; none: any that is needed."""

    torch_fallback: tuple[str, ...] = ()
    """The same, used where those fail: the index cannot be reached, or lacks the build."""

    fallback_bytes: int = 0
    """Free space that the fallback needs."""

    cache: Path | None = None
    """Where pip keeps what it downloads, instead of its usual place."""

    needed_bytes: int = NEEDED_BYTES
    """Free space below which a build is not even begun."""

    log_file: Path | None = None
    """Where what pip says is written, instead of into the environment's folder."""

    @property
    def folder(self) -> Path:
        """Where the environment is."""
        return (self.parent or self.checkout) / self.name

    @property
    def log(self) -> Path:
        """What pip said, line by line."""
        return self.log_file or self.folder / _LOG

    def stamp(self) -> str:
        """Another one for everything that asks for another environment, or for another place."""
        return self.digest(str(self.folder))

    def digest(self, place: str = "") -> str:
        """Another one for everything that asks for another environment."""
        digest = hashlib.sha256()
        parts = (_LAYOUT, sys.version, sys.base_prefix, place)
        for part in (*parts, *self.groups, *self.extras, *self.torch):
            digest.update(part.encode(errors="surrogateescape") + b"\0")
        if self.is_copy:
            digest.update(_digest_of_packages(self.checkout))
        project = (self.checkout / "pyproject.toml").read_bytes()
        # What follows are settings of checkers, which change often and install nothing.
        digest.update(_CHECKERS.split(project)[0] + b"\0")
        digest.update((self.checkout / "constraints.txt").read_bytes())
        return digest.hexdigest()


def _digest_of_packages(checkout: Path) -> bytes:
    """Of everything in the checkout that is copied."""
    digest = hashlib.sha256()
    for name in _PACKAGES:
        for path in sorted((checkout / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(checkout)).encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def ensure(
    recipe: Recipe, say: Callable[[str], None], run: Runner = run_command, *, is_live: bool = False
) -> Path:
    """Make the environment where it is not there, or not the one that is asked for.

    Args:
        recipe: what it is made from.
        say: called with each line for the user.
        run: runs a command.
        is_live: whether the user watches a terminal, where a line may be written over.

    Returns:
        The environment's Python.

    Raises:
        InstallError: it cannot be made; the message says why and what to do.
    """
    if is_ready(recipe):
        return program(recipe, "python")

    check_python()
    _check_disk(recipe, recipe.needed_bytes)
    with _translated_disk_errors(recipe):
        _clear(recipe)
        say(f"Making an environment in {recipe.name} (once; some minutes, most of it downloads).")
        _build(recipe, say, run, is_live=is_live)
        (recipe.folder / _STAMP).write_text(recipe.stamp(), encoding="ascii")
    return program(recipe, "python")


def is_ready(recipe: Recipe) -> bool:
    """Whether the environment was built to its end, from the same things."""
    try:
        stamp = (recipe.folder / _STAMP).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return False
    return stamp == recipe.stamp() and program(recipe, "python").exists()


def program(recipe: Recipe, name: str) -> Path:
    """A program of the environment, by the name it has on every system."""
    if os.name == "nt":
        return recipe.folder / "Scripts" / f"{name}.exe"
    return recipe.folder / "bin" / name


def check_python() -> None:
    """Refuse a Python that cannot make environments, before anything is made.

    Raises:
        PythonUnsuitable: a module is missing.
    """
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise PythonUnsuitable(
                f"this Python has no module {module}, which makes virtual environments; "
                f"install it (Debian and Ubuntu: apt install python{version}-venv) and try again"
            )


def _check_disk(recipe: Recipe, needed_bytes: int) -> None:
    free_bytes = shutil.disk_usage(recipe.folder.parent).free
    if free_bytes < needed_bytes:
        raise DiskFull(_no_room(recipe, free_bytes, needed_bytes))


def _no_room(recipe: Recipe, free_bytes: int, needed_bytes: int) -> str:
    return (
        f"no room for the environment: {free_bytes / 1e9:.1f} GB are free where {recipe.folder} "
        f"would be, and it takes {needed_bytes / 1e9:.1f} GB; free some and try again"
    )


@contextmanager
def _translated_disk_errors(recipe: Recipe) -> Iterator[None]:
    """Errors of our own writing; pip's are read from what it says."""
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            free_bytes = shutil.disk_usage(recipe.folder.parent).free
            raise DiskFull(_no_room(recipe, free_bytes, recipe.needed_bytes)) from exc
        raise InstallError(
            f"cannot write {recipe.folder}: {exc.strerror or exc}; check that the folder is yours"
        ) from exc


def _clear(recipe: Recipe) -> None:
    """Make room for a new environment; only what an earlier run made is removed."""
    if recipe.folder.is_symlink() or (recipe.folder.exists() and not _is_ours(recipe.folder)):
        raise NotOurs(
            f"{recipe.folder} is in the way, and was not made by this program; "
            "move it away and try again"
        )
    if recipe.folder.exists():
        # The stamp goes first: whatever is left after an interruption does not count as ready.
        (recipe.folder / _STAMP).unlink(missing_ok=True)
        shutil.rmtree(recipe.folder)
    recipe.folder.mkdir(exist_ok=True)
    recipe.folder.chmod(0o755)  # whatever the umask
    (recipe.folder / _MARKER).touch()


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and ((folder / _MARKER).is_file() or not any(folder.iterdir()))


def _build(recipe: Recipe, say: Callable[[str], None], run: Runner, *, is_live: bool) -> None:
    python = program(recipe, "python")
    groups = [part for group in recipe.groups for part in ("--group", group)]
    pip: list[str | Path] = [python, "-I", "-m", "pip", "install"]
    pip += ["--constraint", _constraints(recipe)]
    # Compiling everything takes longer than all the rest; Python compiles what it uses.
    pip += ["--progress-bar", "off", "--no-compile"]
    place = f"{recipe.checkout}[{','.join(recipe.extras)}]" if recipe.extras else recipe.checkout
    project = [place] if recipe.is_copy else ["--editable", place]
    everything: list[str | Path] = [*pip, *project, *groups]

    # Downloads go through here rather than a system folder that may be small.
    temporary = recipe.folder / "tmp"
    temporary.mkdir()
    cache = {} if recipe.cache is None else {"PIP_CACHE_DIR": str(recipe.cache)}
    variables = {
        **cache,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_USER": "0",  # whatever the user's own settings of pip say
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
    }
    with recipe.log.open("w", encoding="utf-8") as log:

        def do(title: str, command: list[str | Path]) -> InstallError | None:
            progress = Progress(say, is_live=is_live)
            progress.begin(title)
            lines: list[str] = []

            def on_line(line: str) -> None:
                lines.append(line)
                log.write(line + "\n")
                log.flush()
                progress.show(line)

            code = run(command, folder=recipe.checkout, variables=variables, on_line=on_line)
            progress.end()
            return explain(lines, code, where=_machine(), log=recipe.log) if code else None

        def need(error: InstallError | None) -> None:
            if error is not None:
                raise error

        need(do("an empty environment", [sys.executable, "-I", "-m", "venv", recipe.folder]))
        need(do("pip", [*pip, "--upgrade", "pip"]))  # dependency groups need pip 25.1
        if recipe.torch:
            error = do("PyTorch", [*pip, *recipe.torch])
            if error is not None and recipe.torch_fallback and not isinstance(error, DiskFull):
                say("  PyTorch's own index has no build for this machine, or cannot be reached:")
                say("  the usual index is used, whose PyTorch has CUDA and is some GB larger.")
                _check_disk(recipe, recipe.fallback_bytes)
                error = do("PyTorch from the usual index", [*pip, *recipe.torch_fallback])
            need(error)
        need(do("ClipCrop and what it needs", everything))
    shutil.rmtree(temporary, ignore_errors=True)


def _constraints(recipe: Recipe) -> Path:
    """The exact versions; without that of PyTorch where another one is asked for."""
    path = recipe.checkout / "constraints.txt"
    if not recipe.torch or recipe.torch[0] == "torch":
        return path
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    others = recipe.folder / path.name
    others.write_text("".join(line for line in lines if not line.startswith("torch=")), "utf-8")
    return others


def _machine() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"Python {version} on {sysconfig.get_platform()}"


ENVIRONMENT_STEP = "environment"

_KEPT = {KEPT_ON_FAILURE: True}


class MakeEnvironment(Step):
    """Makes it, and lets it make a crop: only then it stands."""

    name = ENVIRONMENT_STEP
    is_needed = True

    def __init__(self, recipe: Recipe, environment: Environment, engine: Engine) -> None:
        self._recipe = recipe
        self._environment = environment
        self._engine = engine

    def describe(self) -> list[str]:
        """Where, with which engine, and what that takes."""
        recipe, engine = self._recipe, self._engine
        if is_ready(recipe):
            return ["use the environment that is there", str(recipe.folder)]
        lines = [
            "make a private environment with ClipCrop in it (some minutes of downloads)",
            str(recipe.folder),
            f"engine {engine.name}: {engine.reason}; "
            f"--engine {OWLVIT if engine.name == LIGHT else LIGHT} is the other one",
            str(engine.cost),
        ]
        if engine.fallback_cost:
            fetch_gb = engine.fallback_cost.fetch_mb / 1000
            lines.append(
                "where PyTorch's own index cannot be reached, the usual one: "
                f"{fetch_gb:.1f} GB to fetch, {engine.fallback_cost.disk_gb:.1f} GB on the disk"
            )
        return lines

    def items(self, context: Context, manifest: Manifest) -> list[ManifestEntry]:
        """Its folder, downloads, pip's log; and older environments, which stay until the end."""
        recipe = self._recipe
        folders = missing_folders(recipe.folder.parent, context, manifest)
        new = [ManifestEntry(kind="folder", path=str(one), step=self.name) for one in folders]
        if recipe.cache is not None and not is_ready(recipe):
            path = str(recipe.cache)
            new.append(ManifestEntry(kind="tree", path=path, step=self.name, details=_KEPT))
        new.append(ManifestEntry(kind="tree", path=str(recipe.folder), step=self.name))
        new.append(ManifestEntry(kind="trace", path=str(recipe.log), step=self.name, details=_KEPT))
        keys = {item.key for item in new}
        return [*(one for one in manifest.of_step(ENVIRONMENT_STEP) if one.key not in keys), *new]

    def apply(self, context: Context, manifest: Manifest) -> list[str]:
        """Make it unless it stands.

        Raises:
            InstallError: it cannot be made, or makes no crop.
        """
        recipe = self._recipe
        for item in self.items(context, manifest):
            if item.kind == "folder":
                context.disk.make_folder(Path(item.path), 0o700)
        if not is_ready(recipe):
            context.disk.remove_tree(recipe.folder)  # half made by a run that was killed
            ensure(recipe, context.say, context.run, is_live=context.is_live)
        self._environment.packages(PACKAGES_NEEDED, context)
        crop_sample(self._environment, context, through_daemon=False)
        engine, size_gb = self._engine, size_of(recipe.folder) / 1e9
        advice = how_to_change(engine.name == OWLVIT, is_private=True)
        return [
            f"engine {engine.name}: {size_gb:.1f} GB on the disk, about "
            f"{engine.cost.memory_gb:.1f} GB of memory while the model is loaded; to change it: "
            f"{advice}"
        ]
