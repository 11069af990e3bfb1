"""Decides what ``install`` and ``upgrade`` do: the plan."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path, PurePath

from .choices import NEW, Choices
from .editors import Found, Gimp, Krita, find_editors, gimp_folders, krita_folders, krita_settings
from .engine import AUTO, LIGHT, OWLVIT, Engine, choose_engine, how_to_change
from .environment import Recipe, check_python, is_ready, program
from .errors import EditorNotFound, InstallError
from .login.step import STEP_NAME as LOGIN
from .login.step import StartAtLogin, login_item
from .machine import Machine
from .manifest import Item, Manifest
from .places import Places, pip_cache, weights_here
from .plan import Plan, Step, World
from .programs import Environment
from .steps.daemon import StartDaemon, StopDaemon
from .steps.environment import STEP_NAME as ENVIRONMENT
from .steps.environment import MakeEnvironment
from .steps.link_commands import STEP_NAME as COMMANDS
from .steps.link_commands import LinkCommands, bin_folder
from .steps.plug_in import NAMES_BEGIN, InstallPlugIn, gimp_target, krita_target
from .steps.removal import Remove
from .steps.self_test import SelfTest
from .steps.settings import WriteSettings
from .undo import Undo

_VERSION = re.compile(r'^version = "(.+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """What is installed."""

    version: str
    """Of ClipCrop."""

    checkout: Path | None
    """To make environments from; None: ClipCrop is in the environment that this program runs in."""


def read_source(checkout: Path) -> Source:
    """A checkout, or what pip has unpacked of one.

    Raises:
        InstallError: it is neither.
    """
    try:
        found = _VERSION.search((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError as exc:
        raise InstallError(
            f"there is no checkout of ClipCrop at {checkout}; run `python3 installer` in one, or "
            "use --environment this where pip or pipx has put ClipCrop"
        ) from exc
    if found is None:
        raise InstallError(f"{checkout / 'pyproject.toml'} names no version; is it ClipCrop's?")
    return Source(found[1], checkout)


def plan_install(
    source: Source,
    choices: Choices,
    world: World,
    manifest: Manifest,
    places: Places,
    kinds: Mapping[str, Undo],
    *,
    force: bool = False,
) -> Plan:
    """Decide all of it, and touch nothing.

    Args:
        source: What to install.
        choices: How.
        world: Where; is only looked at.
        manifest: What is there already.
        places: Where ours goes.
        kinds: Undo what is not wanted any more.
        force: Move aside what is in the way.

    Raises:
        EditorNotFound: a folder that the user named is not there.
        InstallError: the choices do not fit.
    """
    recipe, engine = _recipe(source, choices, world.machine, places)
    environment = _environment(recipe, world.machine)
    found, notes = _editors(choices, world)
    steps: list[Step] = []
    if recipe is not None:
        if not is_ready(recipe):
            check_python()
        steps.append(MakeEnvironment(recipe, environment, engine))
    has_flatpak = found.has_flatpak
    steps.append(
        WriteSettings(source.version, environment, places, has_flatpak=has_flatpak, force=force)
    )
    if recipe is not None and world.machine.platform != "win32":  # where links need rights
        steps.append(LinkCommands(environment, bin_folder(world.machine)))
    targets = [*map(gimp_target, found.gimps), *map(krita_target, found.kritas)]
    hashes = {one for item in manifest.items if item.kind == "file" for one in item.hashes}
    steps += [InstallPlugIn(one, environment, force=force, hashes=hashes) for one in targets]
    old = manifest.values.get("python")
    if old and old != str(environment.python):
        steps.append(StopDaemon(Environment(Path(old), world.machine.platform), places))
    by_session: Sequence[Sequence[str]] = ()
    if choices.login:
        try:
            login = StartAtLogin(login_item(world, environment.daemon_command))
            by_session = login.start_commands
            steps.append(login)
        except InstallError as exc:
            notes.append(str(exc))
    if choices.daemon:
        steps.append(StartDaemon(environment, places, by_session))
        if choices.self_test:
            steps.append(SelfTest(environment, places))
    steps += _removals(steps, manifest, kinds)
    if recipe is not None or manifest.of_step(ENVIRONMENT):
        steps.append(_clearing_up(environment.python.parent.parent, kinds))
    return Plan(f"{_verb(source, manifest)} ClipCrop {source.version}", steps, notes, engine.name)


def _verb(source: Source, manifest: Manifest) -> str:
    if not manifest.version:
        return "install"
    return "repair or renew" if manifest.version == source.version else "upgrade to"


def _recipe(
    source: Source, choices: Choices, machine: Machine, places: Places
) -> tuple[Recipe | None, Engine]:
    has_weights = bool(weights_here(machine))
    engine = choose_engine(
        machine, choices.engine, choices.torch, choices.torch_index, has_weights=has_weights
    )
    if choices.environment != NEW:
        has_torch = find_spec("torch") is not None
        if choices.engine != AUTO and (choices.engine == OWLVIT) is not has_torch:
            advice = how_to_change(has_torch, is_private=False)
            raise InstallError(f"{sys.executable} has the other engine; use {advice}")
        return None, replace(engine, name=OWLVIT if has_torch else LIGHT)
    if source.checkout is None:
        raise InstallError(
            "there is no checkout to make an environment from; use --environment this"
        )
    nameless = Recipe(
        source.checkout,
        "",
        parent=places.environments,
        is_copy=True,
        extras=engine.extras,
        torch=engine.torch,
        torch_fallback=engine.fallback,
        cache=None if pip_cache(machine) else places.downloads,
        needed_bytes=engine.cost.needed_bytes,
        fallback_bytes=engine.fallback_cost.needed_bytes if engine.fallback_cost else 0,
        log_file=places.pip_log,
    )
    return replace(nameless, name=f"{source.version}-{nameless.digest()[:8]}"), engine


def _environment(recipe: Recipe | None, machine: Machine) -> Environment:
    if recipe is None:
        return Environment(Path(sys.executable), machine.platform)
    return Environment(program(recipe, "python"), machine.platform)


def _editors(choices: Choices, world: World) -> tuple[Found, list[str]]:
    """Those that are wanted, and what the user should know about others."""
    machine = world.machine
    found = find_editors(machine)
    gimps, kritas = found.gimps, found.kritas
    if choices.gimp_folder:
        gimps = tuple(Gimp("3", path) for path in _named(choices.gimp_folder, world))
    if choices.krita_folder:
        settings = krita_settings(machine)
        kritas = tuple(Krita(path, settings) for path in _named(choices.krita_folder, world))
    notes = list(found.notes) if choices.gimp and not choices.gimp_folder else []
    if choices.gimp and not gimps and not notes:
        notes.append(f"no plug-in for GIMP: no GIMP 3 in {_list(gimp_folders(machine))}")
    if choices.krita and not kritas:
        notes.append(f"no plug-in for Krita: none in {_list(krita_folders(machine))}")
    wanted = Found(
        gimps if choices.gimp else (), kritas if choices.krita else (), (), found.has_flatpak
    )
    return wanted, notes


def _named(folders: tuple[str, ...], world: World) -> Iterator[Path]:
    for name in folders:
        path = Path(name).expanduser().absolute()
        if world.disk.kind_of(path) not in ("folder", "link"):
            raise EditorNotFound(f"there is no folder {path}; name one that the editor has made")
        yield path


def _removals(steps: list[Step], manifest: Manifest, kinds: Mapping[str, Undo]) -> Iterator[Step]:
    """What earlier installations have left that this one does not want."""
    names = {step.name for step in steps}
    unwanted = [
        name
        for name in dict.fromkeys(item.step for item in manifest.items)
        if name not in names and (name.startswith(NAMES_BEGIN) or name in (LOGIN, COMMANDS))
    ]
    if unwanted:
        yield Remove(
            "what is not wanted any more",
            ["take back what is not wanted any more", *unwanted],
            lambda manifest: [item for item in manifest.items if item.step in unwanted],
            kinds,
        )


def _clearing_up(current: Path, kinds: Mapping[str, Undo]) -> Step:
    """Removes what is not needed once plug-ins, login and daemon use the environment."""

    def old(manifest: Manifest) -> list[Item]:
        trees = [item for item in manifest.of_step(ENVIRONMENT) if item.kind == "tree"]
        return [item for item in trees if item.path != str(current)]

    return Remove("clearing up", ["remove downloads and older environments"], old, kinds)


def _list(folders: Sequence[PurePath]) -> str:
    return " or ".join(map(str, folders))
