"""A user's home, where programs are fakes; what the installer does to its files is real."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fake_programs import FakePrograms

from clipcrop_installer.disk import Disk
from clipcrop_installer.install import Choices, Source, plan_install, summary
from clipcrop_installer.installation import Result, carry_out, opened
from clipcrop_installer.login import all_undo_handlers
from clipcrop_installer.machine import Machine, Places, places
from clipcrop_installer.plan import Context
from clipcrop_installer.uninstall import Removal, uninstall


class FakeHome:
    """A user, and what the installer does for them.

    Args:
        folder: Holds the home and all else.
        name: The home's.
    """

    def __init__(self, folder: Path, name: str = "home") -> None:
        self.home = folder / name
        self.home.mkdir()
        self.checkout = folder / "checkout"
        self.programs = FakePrograms(folder / "programs")
        self.disk = Disk()
        self.said: list[str] = []
        self.variables = {"PATH": ""}
        self.release("1")

    def release(self, number: str) -> None:
        """Another version to install."""
        self.programs.release = number
        (self.checkout / "clipcrop").mkdir(parents=True, exist_ok=True)
        (self.checkout / "clipcrop" / "__init__.py").write_text(number)
        (self.checkout / "pyproject.toml").write_text(f'version = "{number}"\n')
        (self.checkout / "constraints.txt").write_text("torch==2.13.0\n")

    @property
    def context(self) -> Context:
        disk = self.disk
        machine = Machine(
            "linux",
            self.home,
            self.variables,
            lambda path: disk.names_in(Path(path)),
            lambda path: disk.read(Path(path)),
        )
        return Context(machine, disk, self.programs, self.said.append, self.programs.start)

    @property
    def places(self) -> Places:
        return places(self.context.machine)

    def with_editors(self) -> FakeHome:
        """GIMP 3.0 and Krita were started once."""
        (self.home / ".config" / "GIMP" / "3.0").mkdir(parents=True)
        (self.home / ".local" / "share" / "krita").mkdir(parents=True)
        (self.home / ".config" / "kritarc").write_text(
            "[python]\nenable_other=true\n\n[theme]\na=b"
        )
        return self

    def install(self, *, force: bool = False, **choices: Any) -> list[Result]:
        """What ``install`` does."""
        context = self.context
        with opened(self.places, context) as manifest:
            source = Source(self.programs.release, self.checkout)
            made = Choices(**choices)
            plan = plan_install(
                source, made, context, manifest, self.places, all_undo_handlers(), force=force
            )
            results = carry_out(plan, context, manifest, all_undo_handlers())
            self.said += summary(plan, results)
            return results

    def uninstall(self, **rest: bool) -> Removal:
        """What ``uninstall`` does."""
        with opened(self.places, self.context) as manifest:
            return uninstall(self.places, self.context, manifest, all_undo_handlers(), **rest)

    def contents(self) -> dict[str, str]:
        """Every file and folder of the home -> what it is."""
        return {str(path.relative_to(self.home)): _describe(path) for path in self.home.rglob("*")}


def _describe(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "folder"
    return f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def errors_of(results: list[Result]) -> Mapping[str, str]:
    """Step -> why it was not done."""
    return {one.name: str(one.error) for one in results if one.error is not None}
