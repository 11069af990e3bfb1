"""``python3 installer COMMAND``: parse, call, print, exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .demo import run_demo
from .errors import InstallError

CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the process's exit code."""
    parser = argparse.ArgumentParser(
        prog="python3 installer", description="Try ClipCrop from a checkout."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="crop the sample photos by description, in an own environment")
    parser.parse_args(arguments)

    try:
        run_demo(CHECKOUT, say, is_live=sys.stderr.isatty())
    except InstallError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        print("\nstopped; run it again to go on", file=sys.stderr)
        return 130
    return 0


def say(line: str) -> None:
    """Show a line at once, also where the output is a file or a pipe."""
    print(line, flush=True)
