"""``python3 installer COMMAND`` and ``clipcrop-setup COMMAND``: parse, call, print, exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from . import demo, doctor, install, models, uninstall
from .disk import Disk
from .errors import InstallError
from .installation import sentence_for
from .machine import this_machine
from .plan import Context
from .process import run_command

IN_CHECKOUT, IN_ENVIRONMENT = "python3 installer", "clipcrop-setup"
"""The two names of this program: on a bare Python, and where pip or pipx has put ClipCrop."""

EXIT_UNHEARD = 141
"""Exit code of a program whose output pipe was closed, as shells report it."""

CHECKOUT = Path(__file__).resolve().parents[2]


def main(
    arguments: Sequence[str] | None = None,
    program: str = IN_CHECKOUT,
    *,
    context: Context | None = None,
    checkout: Path = CHECKOUT,
) -> int:
    """Run one command; the return value is the process's exit code.

    Args:
        arguments: By default those of this process.
        program: Under which name it was called.
        context: By default this machine.
        checkout: What is installed where an environment is made.
    """
    parser = argparse.ArgumentParser(
        prog=program, description="Put ClipCrop in place, with its plug-ins, and take it away."
    )
    parser.set_defaults(in_checkout=program == IN_CHECKOUT, checkout=checkout)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    if program == IN_CHECKOUT:
        demo.add_command(commands)
    for command in (install, uninstall, doctor, models):
        command.add_command(commands)
    options = parser.parse_args(arguments)

    try:
        exit_code: int = options.run(options, context or _this_machine())
    except BrokenPipeError:  # the reader of the pipe has closed it, as `head` does
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # Python flushes it at the end
        return EXIT_UNHEARD
    except OSError as exc:
        return _print_error(sentence_for(exc))
    except InstallError as exc:
        return _print_error(exc)
    except KeyboardInterrupt:
        print("\nstopped; run the same command again to continue", file=sys.stderr)
        return 130
    return exit_code


def setup(arguments: Sequence[str] | None = None) -> int:
    """``clipcrop-setup``."""
    return main(arguments, IN_ENVIRONMENT)


def _this_machine() -> Context:
    if sys.platform != "win32":  # nothing that is made here, by pip too, is for others to write
        os.umask(os.umask(0o077) | 0o022)
    disk, is_live = Disk(), sys.stderr.isatty()
    can_be_asked = is_live and sys.stdin is not None and sys.stdin.isatty()
    ask = _ask if can_be_asked else None
    return Context(this_machine(disk), disk, run_command, say, is_live=is_live, ask=ask)


def say(line: str) -> None:
    """Show a line at once, also where the output is a file or a pipe."""
    print(line, flush=True)


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _print_error(error: InstallError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code
