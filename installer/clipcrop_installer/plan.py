"""A plan: steps that say what they would do, what they make, and do it.

`Plan.lines` is what ``--dry-run`` shows; `installation.carry_out` does it. A new part of an
installation (a way to start at login, say) is one more class with the methods of `Step`, and, where
it makes something that is neither file nor folder, a function that undoes it (`files.Undo`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .disk import Disk
from .machine import Machine
from .manifest import Manifest, ManifestEntry
from .process import Runner, Starter, start_detached


@dataclass(frozen=True)
class Context:
    """The edges: all that steps may touch. Tests put fakes here."""

    machine: Machine
    disk: Disk
    run: Runner
    say: Callable[[str], None]
    """Shows a line to the user."""

    start: Starter = start_detached

    is_live: bool = False
    """The user watches a terminal, where a line may be written over."""

    ask: Callable[[str], str] | None = None
    """Puts a question to the user and returns the answer; None: no terminal to ask on."""

    def output_of(
        self, command: Sequence[str | Path], variables: Mapping[str, str] | None = None
    ) -> tuple[int, list[str]]:
        """Run a command in the home; its exit code, and the lines that it printed.

        Raises:
            OSError: it cannot be run.
        """
        lines: list[str] = []
        code = self.run(
            command,
            folder=Path(self.machine.home),
            variables=variables or {},
            on_line=lines.append,
        )
        return code, lines


def agrees(context: Context, question: str = "Go on?") -> bool:
    """Whether the user wants it; without a terminal the answer is yes."""
    if context.ask is None:
        return True
    answer = context.ask(f"\n{question} [Y/n] ")  # with its end; empty: there was none
    return answer.lower().strip() in ("", "y", "yes") and answer != ""


class Step:
    """One part of an installation."""

    name = ""
    """Such as "plug-in for GIMP 3.0"; always the same for the same thing.

    The manifest's items carry it, and the summary shows it.
    """

    is_needed = False
    """Nothing works without it: if it fails, the command ends there.

    Any other is reported as not done, with the reason, and the next one follows.
    """

    def describe(self) -> Sequence[str]:
        """What it would do, for people: one line, perhaps some more with paths. Touches nothing."""
        raise NotImplementedError

    def items(self, context: Context, manifest: Manifest) -> Sequence[ManifestEntry]:
        """What it is about to make, folders before what is in them; touches nothing.

        They are listed in the manifest before `apply`, and as made after it. What the manifest has
        of this step and this does not return any more is undone after `apply`. Called when all
        steps before are done. What is there and not in the manifest is not ours:

        Raises:
            NotOurs: it is in the way.
            InstallError: it cannot be done; the reason in a sentence.
        """
        return ()

    def apply(self, context: Context, manifest: Manifest) -> Sequence[str]:
        """Do it. May have been done before, wholly or in part: then only what is missing is done.

        Returns:
            What the user should know besides, each a sentence; mostly nothing.

        Raises:
            InstallError: it failed; the reason in a sentence.
            OSError: likewise; the disk's reason is put in a sentence.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Plan:
    """What a command would do."""

    title: str
    """Such as "install ClipCrop 0.1.0"."""

    steps: Sequence[Step]
    """In their order."""

    notes: Sequence[str] = field(default=())
    """What will not be done, and why; each a sentence."""

    engine: str = ""
    """See `engine.Engine.name`."""

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"To {self.title}:"]
        for number, step in enumerate(self.steps, start=1):
            first, *rest = step.describe()
            lines += [f"{number:2}. {first}", *(f"    {line}" for line in rest)]
        return [*lines, *(f"Not done: {note}" for note in self.notes)]
