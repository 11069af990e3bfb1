"""``install`` and ``upgrade``: make a plan, show it, carry it out, say what became of it."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

from .daemon import SelfTest, StartDaemon, StopDaemon, WriteSettings
from .editors import Found, Gimp, Krita, find_editors, gimp_folders, krita_folders, krita_settings
from .engine import AUTO, LIGHT, OWLVIT, Engine, choose_engine, how_to_change
from .environment import ENVIRONMENT_STEP as ENVIRONMENT
from .environment import MakeEnvironment, Recipe, check_python, is_ready, program
from .errors import EditorNotFound, IncompleteInstall, InstallError
from .files import UndoHandlers
from .installation import Remove, Result, carry_out, opened, read_manifest
from .login import LOGIN_STEP as LOGIN
from .login import StartAtLogin, all_undo_handlers, login_item
from .machine import Machine, Places, is_on_path, pip_cache, places, weights_here
from .manifest import Manifest, ManifestEntry
from .models import run_models
from .plan import Context, Plan, Step, agrees
from .plugin_files import NAMES_BEGIN, InstallPlugIn, gimp_target, krita_target
from .programs import (
    COMMANDS,
    DISTRIBUTION,
    NAMESAKE,
    WHY_NOT,
    Environment,
    LinkCommands,
    bin_folder,
    installed_environment,
    remedy,
)
from .programs import COMMANDS_STEP as LINKS

NEW, THIS = "new", "this"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """All of them; the options of ``install`` are made from the fields."""

    engine: str = field(
        default="auto",
        metadata={
            "help": "light: the small model, without PyTorch; owlvit: OWL-ViT and OWLv2 too, with "
            "PyTorch; auto: owlvit where an NVIDIA driver or such weights are, else light",
            "choices": ("auto", "light", "owlvit"),
        },
    )
    torch: str = field(
        default="auto",
        metadata={
            "help": "which PyTorch: auto (CUDA where an NVIDIA driver is, else for the CPU), cpu, "
            "cuda, or a requirement such as torch==2.13.0"
        },
    )
    torch_index: str = field(
        default="",
        metadata={
            "help": "address of an index of packages with that PyTorch, or usual: pip's own; by "
            "default PyTorch's own index for the CPU build on Linux, else pip's own"
        },
    )
    environment: str = field(
        default=NEW,
        metadata={
            "help": "new: a private environment; this: the one that this program runs in, where "
            "ClipCrop was installed with pip or pipx",
            "choices": (NEW, THIS),
        },
    )
    gimp: bool = field(default=True, metadata={"help": "no plug-in for GIMP"})
    krita: bool = field(default=True, metadata={"help": "no plug-in for Krita"})
    gimp_folder: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "a folder of GIMP's settings, such as ~/.config/GIMP/3.0, instead of those "
            "found"
        },
    )
    krita_folder: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "a folder of Krita's resources, such as ~/.local/share/krita, instead of those "
            "found"
        },
    )
    login: bool = field(default=True, metadata={"help": "do not start the daemon at login"})
    daemon: bool = field(default=True, metadata={"help": "do not start the daemon now"})
    self_test: bool = field(default=True, metadata={"help": "no crop of a sample photo at the end"})


def remembered(values: Any) -> Choices:
    """Those of an earlier installation; what a newer version has added is left out."""
    if not isinstance(values, dict):
        return Choices()
    known = {one.name: one for one in fields(Choices)}
    kept: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
        if name in known
    }
    return Choices(**kept)


def to_remember(choices: Choices) -> dict[str, Any]:
    """The choices as values of JSON, for the manifest."""
    return asdict(choices)


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``install`` and ``upgrade`` to the commands."""
    install = commands.add_parser(
        "install",
        help="put everything in place: environment, plug-ins, start at login",
        description="Put everything in place. Run again it repairs, and brings up to date.",
    )
    upgrade = commands.add_parser(
        "upgrade",
        help="bring what is installed up to date",
        description="Bring what is installed up to date, with the choices made then, unless others "
        "are given. The old version works until the new one stands.",
    )
    for parser, is_upgrade in ((install, False), (upgrade, True)):
        for one in fields(Choices):
            _add_choice(parser, one)
        parser.add_argument(
            "--force", action="store_true", help="move aside what is in the way and is not ours"
        )
        parser.add_argument("--dry-run", action="store_true", help="show the plan and do nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask on a terminal")
        parser.set_defaults(run=_run, is_upgrade=is_upgrade)


def _add_choice(parser: argparse.ArgumentParser, one: Any) -> None:
    """A choice that is not made is None, so that it can come from elsewhere."""
    option, text = one.name.replace("_", "-"), one.metadata["help"]
    if one.type == "bool":
        parser.add_argument(
            f"--no-{option}", dest=one.name, action="store_false", default=None, help=text
        )
        return
    choices = one.metadata.get("choices")
    action = "append" if one.default == () else "store"
    metavar = None if choices else one.name.rpartition("_")[2].upper()
    parser.add_argument(
        f"--{option}", dest=one.name, action=action, metavar=metavar, choices=choices, help=text
    )


def _run(options: argparse.Namespace, context: Context) -> int:
    _refuse_sudo(context)
    where = places(context.machine)
    if options.dry_run:
        manifest = read_manifest(where, context)
        for line in _plan(options, context, manifest, where)[0].lines():
            context.say(line)
        return 0
    if options.is_upgrade and not read_manifest(where, context).version:
        raise InstallError(
            "ClipCrop is not installed yet, so there is nothing to upgrade; use install"
        )
    with opened(where, context) as manifest:
        exit_code, wants_weights = _install(options, context, manifest, where)
    return run_models(["download", "owlvit"], context) if wants_weights else exit_code


def _refuse_sudo(context: Context) -> None:
    if context.machine.variables.get("SUDO_USER") and hasattr(os, "geteuid") and not os.geteuid():
        raise InstallError(
            "do not use sudo: the files would belong to root, and your editors would not find "
            "them; run the same command without sudo"
        )


def _plan(
    options: argparse.Namespace, context: Context, manifest: Manifest, where: Places
) -> tuple[Plan, Choices]:
    choices = _choices(options, manifest)
    source = _source(choices, options.checkout)
    plan = plan_install(
        source, choices, context, manifest, where, all_undo_handlers(), force=options.force
    )
    return plan, choices


def _install(
    options: argparse.Namespace, context: Context, manifest: Manifest, where: Places
) -> tuple[int, bool]:
    """The exit code, and whether the user wants OWL-ViT's weights too."""
    plan, choices = _plan(options, context, manifest, where)
    for line in plan.lines():
        context.say(line)
    if not options.yes and not agrees(context):
        context.say("Nothing was done.")
        return 0, False
    manifest.values["choices"] = to_remember(choices)
    context.say("")
    results = carry_out(plan, context, manifest, all_undo_handlers())
    for line in (*summary(plan, results), *_where_commands_are(context, manifest)):
        context.say(line)
    exit_code = _exit_code(plan, results)
    lacks_weights = plan.engine == OWLVIT and not weights_here(context.machine)
    if exit_code or not lacks_weights:
        return exit_code, False
    context.say("OWL-ViT finds more than the small model; its weights are about 0.6 GB more:")
    context.say("  clipcrop-setup models download owlvit")
    can_ask = context.ask is not None and not options.yes
    return exit_code, can_ask and agrees(context, "Download them now?")


def _exit_code(plan: Plan, results: Sequence[Result]) -> int:
    """Of what ended it; else whether all was done."""
    failed = {one.name: one.error for one in results if one.error is not None}
    needed = [step.name for step in plan.steps if step.is_needed and step.name in failed]
    if needed:
        return failed[needed[0]].exit_code
    return IncompleteInstall.exit_code if failed else 0


def _choices(options: argparse.Namespace, manifest: Manifest) -> Choices:
    """Those given, else those of the last time, else the usual ones."""
    base = Choices(environment=NEW if options.in_checkout else THIS)
    if options.is_upgrade and "choices" in manifest.values:
        base = remembered(manifest.values["choices"])
    given = {one.name: getattr(options, one.name) for one in fields(Choices)}
    made: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }
    return replace(base, **made)


def _source(choices: Choices, checkout: Path) -> Source:
    if choices.environment == NEW:
        return read_source(checkout)
    ours, namesake = _version_of(DISTRIBUTION), _version_of(NAMESAKE)
    if namesake:
        text = f"clipcrop {namesake} is in the environment of {sys.executable}: {WHY_NOT}"
        raise InstallError(f"{text}; {remedy(Path(sys.executable))}")
    if ours is None:
        raise InstallError(
            f"ClipCrop is not installed in the environment of {sys.executable}; "
            "use --environment new in a checkout"
        )
    return Source(ours, None)


def _version_of(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def summary(plan: Plan, results: Sequence[Result]) -> list[str]:
    """What was done, what was not and why, for people."""
    lines = [""]
    for one in results:
        if one.is_done:
            lines += [f"  {one.name}", *(f"    {note}" for note in one.notes)]
    if len(lines) > 1:
        lines.insert(1, "Done:")
    not_begun = plan.steps[len(results) :]
    not_done = [f"{one.name}: {one.error}" for one in results if one.error is not None]
    not_done += [f"  {note}" for one in results if not one.is_done for note in one.notes]
    not_done += [f"{step.name}: not begun" for step in not_begun]
    not_done += plan.notes
    if not_done:
        lines += ["Not done:", *(f"  {line}" for line in not_done)]
    if any(one.error is not None for one in results):
        lines.append(
            "Put that right and run the same command again: it does what is still missing."
        )
    elif any(step.name.startswith(NAMES_BEGIN) for step in plan.steps):
        lines.append("Restart GIMP and Krita if they are open.")
    return lines


def _where_commands_are(context: Context, manifest: Manifest) -> list[str]:
    """How to look after it when the checkout is gone."""
    environment = installed_environment(manifest, context)
    if environment is None:
        return []
    links = [Path(item.path) for item in manifest.of_step(LINKS) if item.kind == "link"]
    has_all = len(links) == len(COMMANDS)  # else some are not ours
    folder = links[0].parent if has_all else environment.python.parent
    lines = [f"Its commands are in {folder}"]
    if not is_on_path(folder, context.machine):
        lines += _how_to_be_on_path(folder, context.machine)
    lines += [
        "  clipcrop-setup doctor     what is wrong, and what to do",
        "  clipcrop-setup models     larger models",
    ]
    if context.machine.platform != "win32":  # where a program that runs cannot be removed
        lines.append("  clipcrop-setup uninstall  takes all of it away")
    return lines


def _how_to_be_on_path(folder: Path, machine: Machine) -> list[str]:
    if machine.platform == "win32":
        return ["  To call them by name add that folder to Path, in Windows' settings."]
    shell = PurePath(machine.variables.get("SHELL", "")).name
    if shell == "fish":
        line, file = f"fish_add_path {shlex.quote(str(folder))}", "~/.config/fish/config.fish"
    else:
        line = f'export PATH={shlex.quote(str(folder))}:"$PATH"'
        file = {"zsh": "~/.zshrc", "bash": "~/.bashrc"}.get(shell, "~/.profile")
    return [
        f"  To call them by name add this line to {file} and open a new terminal:",
        f"    {line}",
    ]


_VERSION = re.compile(r'^version = "(.+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """The version to install, and where it comes from."""

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
    context: Context,
    manifest: Manifest,
    places: Places,
    undo_handlers: UndoHandlers,
    *,
    force: bool = False,
) -> Plan:
    """Decide all of it, and touch nothing.

    Args:
        source: What to install.
        choices: How.
        context: Where; is only looked at.
        manifest: What is there already.
        places: Where ours goes.
        undo_handlers: Undo what is not wanted any more.
        force: Move aside what is in the way.

    Raises:
        EditorNotFound: a folder that the user named is not there.
        InstallError: the choices do not fit.
    """
    recipe, engine = _recipe(source, choices, context.machine, places)
    environment = _environment(recipe, context.machine)
    found, notes = _editors(choices, context)
    steps: list[Step] = []
    if recipe is not None:
        if not is_ready(recipe):
            check_python()
        steps.append(MakeEnvironment(recipe, environment, engine))
    has_flatpak = found.has_flatpak
    steps.append(
        WriteSettings(source.version, environment, places, has_flatpak=has_flatpak, force=force)
    )
    if recipe is not None and context.machine.platform != "win32":  # where links need rights
        steps.append(LinkCommands(environment, bin_folder(context.machine)))
    targets = [*map(gimp_target, found.gimps), *map(krita_target, found.kritas)]
    hashes = {one for item in manifest.items if item.kind == "file" for one in item.hashes}
    steps += [InstallPlugIn(one, environment, force=force, hashes=hashes) for one in targets]
    old = manifest.values.get("python")
    if old and old != str(environment.python):
        steps.append(StopDaemon(Environment(Path(old), context.machine.platform), places))
    by_session: Sequence[Sequence[str]] = ()
    if choices.login:
        try:
            login = StartAtLogin(login_item(context, environment.daemon_command))
            by_session = login.start_commands
            steps.append(login)
        except InstallError as exc:
            notes.append(str(exc))
    if choices.daemon:
        steps.append(StartDaemon(environment, places, by_session))
        if choices.self_test:
            steps.append(SelfTest(environment, places))
    steps += _removals(steps, manifest, undo_handlers)
    if recipe is not None or manifest.of_step(ENVIRONMENT):
        steps.append(_clearing_up(environment.python.parent.parent, undo_handlers))
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
        extras=("raw", *engine.extras),  # small, and a photographer has raw photos
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


def _editors(choices: Choices, context: Context) -> tuple[Found, list[str]]:
    """Those that are wanted, and what the user should know about others."""
    machine = context.machine
    found = find_editors(machine)
    gimps, kritas = found.gimps, found.kritas
    if choices.gimp_folder:
        gimps = tuple(Gimp("3", path) for path in _named(choices.gimp_folder, context))
    if choices.krita_folder:
        settings = krita_settings(machine)
        kritas = tuple(Krita(path, settings) for path in _named(choices.krita_folder, context))
    notes = list(found.notes) if choices.gimp and not choices.gimp_folder else []
    if choices.gimp and not gimps and not notes:
        notes.append(f"no plug-in for GIMP: no GIMP 3 in {_list(gimp_folders(machine))}")
    if choices.krita and not kritas:
        notes.append(f"no plug-in for Krita: none in {_list(krita_folders(machine))}")
    wanted = Found(
        gimps if choices.gimp else (), kritas if choices.krita else (), (), found.has_flatpak
    )
    return wanted, notes


def _named(folders: tuple[str, ...], context: Context) -> Iterator[Path]:
    for name in folders:
        path = Path(name).expanduser().absolute()
        if context.disk.kind_of(path) not in ("folder", "link"):
            raise EditorNotFound(
                f"there is no folder {path}; start the editor once, which makes its folder, or "
                "name another one"
            )
        yield path


def _removals(steps: list[Step], manifest: Manifest, undo_handlers: UndoHandlers) -> Iterator[Step]:
    """What earlier installations have left that this one does not want."""
    names = {step.name for step in steps}
    unwanted = [
        name
        for name in dict.fromkeys(item.step for item in manifest.items)
        if name not in names and (name.startswith(NAMES_BEGIN) or name in (LOGIN, LINKS))
    ]
    if unwanted:
        yield Remove(
            "what is not wanted any more",
            ["take back what is not wanted any more", *unwanted],
            lambda manifest: [item for item in manifest.items if item.step in unwanted],
            undo_handlers,
        )


def _clearing_up(current: Path, undo_handlers: UndoHandlers) -> Step:
    """Removes what is not needed once plug-ins, login and daemon use the environment."""

    def old(manifest: Manifest) -> list[ManifestEntry]:
        trees = [item for item in manifest.of_step(ENVIRONMENT) if item.kind == "tree"]
        return [item for item in trees if item.path != str(current)]

    return Remove("clearing up", ["remove downloads and older environments"], old, undo_handlers)


def _list(folders: Sequence[PurePath]) -> str:
    return " or ".join(map(str, folders))
