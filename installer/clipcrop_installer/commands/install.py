"""``install`` and ``upgrade``: make a plan, show it, carry it out, say what became of it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path, PurePath
from typing import Any

from ..apply import Result, carry_out
from ..choices import NEW, THIS, Choices, remembered, to_remember
from ..engine import OWLVIT
from ..errors import IncompleteInstall, InstallError
from ..install import Source, plan_install, read_source
from ..installation import opened, read_manifest
from ..kinds import all_kinds
from ..machine import Machine, is_on_path
from ..manifest import Manifest
from ..places import Places, places, weights_here
from ..plan import Plan, World, agrees
from ..programs import COMMANDS, DISTRIBUTION, NAMESAKE, WHY_NOT, installed_environment, remedy
from ..steps.link_commands import STEP_NAME as LINKS
from ..steps.plug_in import NAMES_BEGIN
from .models import run_models


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both."""
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


def _run(options: argparse.Namespace, world: World) -> int:
    _refuse_sudo(world)
    where = places(world.machine)
    if options.dry_run:
        manifest = read_manifest(where, world)
        for line in _plan(options, world, manifest, where)[0].lines():
            world.say(line)
        return 0
    if options.is_upgrade and not read_manifest(where, world).version:
        raise InstallError("nothing is installed that could be upgraded; use install")
    with opened(where, world) as manifest:
        exit_code, wants_weights = _install(options, world, manifest, where)
    return run_models(["download", "owlvit"], world) if wants_weights else exit_code


def _refuse_sudo(world: World) -> None:
    if world.machine.variables.get("SUDO_USER") and hasattr(os, "geteuid") and not os.geteuid():
        raise InstallError(
            "with sudo all of it would be root's, and no editor of yours would find it; run the "
            "same without sudo: it needs no rights"
        )


def _plan(
    options: argparse.Namespace, world: World, manifest: Manifest, where: Places
) -> tuple[Plan, Choices]:
    choices = _choices(options, manifest)
    source = _source(choices, options.checkout)
    plan = plan_install(source, choices, world, manifest, where, all_kinds(), force=options.force)
    return plan, choices


def _install(
    options: argparse.Namespace, world: World, manifest: Manifest, where: Places
) -> tuple[int, bool]:
    """The exit code, and whether the user wants OWL-ViT's weights too."""
    plan, choices = _plan(options, world, manifest, where)
    for line in plan.lines():
        world.say(line)
    if not options.yes and not agrees(world):
        world.say("Nothing was done.")
        return 0, False
    manifest.values["choices"] = to_remember(choices)
    world.say("")
    results = carry_out(plan, world, manifest, all_kinds())
    for line in (*summary(plan, results), *_where_commands_are(world, manifest)):
        world.say(line)
    exit_code = _exit_code(plan, results)
    lacks_weights = plan.engine == OWLVIT and not weights_here(world.machine)
    if exit_code or not lacks_weights:
        return exit_code, False
    world.say("OWL-ViT finds more than the small model; its weights are about 0.6 GB more:")
    world.say("  clipcrop-setup models download owlvit")
    can_ask = world.ask is not None and not options.yes
    return exit_code, can_ask and agrees(world, "Download them now?")


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
        lines.append("Run the same again when that is put right: it goes on where it is needed.")
    elif any(step.name.startswith(NAMES_BEGIN) for step in plan.steps):
        lines.append("Editors that run must be started anew to show it.")
    return lines


def _where_commands_are(world: World, manifest: Manifest) -> list[str]:
    """How to look after it when the checkout is gone."""
    environment = installed_environment(manifest, world)
    if environment is None:
        return []
    links = [Path(item.path) for item in manifest.of_step(LINKS) if item.kind == "link"]
    has_all = len(links) == len(COMMANDS)  # else some are not ours
    folder = links[0].parent if has_all else environment.python.parent
    lines = [f"Its commands are in {folder}"]
    if not is_on_path(folder, world.machine):
        lines += _how_to_be_on_path(folder, world.machine)
    lines += [
        "  clipcrop-setup doctor     what is wrong, and what to do",
        "  clipcrop-setup models     larger models",
    ]
    if world.machine.platform != "win32":  # where a program that runs cannot be removed
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
