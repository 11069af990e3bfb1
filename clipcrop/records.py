"""JSON lines: files of one JSON object a line, whose mistakes are told with file and line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import InputError
from .images import reason_of


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a text file that are not blank, with their numbers from 1.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        # Not splitlines: a text may hold a separator that only Unicode takes for an end of line.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"cannot read {path}: {reason_of(exc)}; check the name") from exc
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def read_records(path: Path, expected: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects of a JSON lines file, with their line numbers from 1.

    Args:
        path: The file.
        expected: What a line is, for messages: "a rated image".

    Raises:
        InputError: The file cannot be read, or a line is no JSON object; file and line are named.
    """
    for number, line in read_lines(path):
        with naming_line(path, number, expected):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise ValueError(f"not JSON: {exc}") from exc
            if not isinstance(record, dict):
                raise TypeError(f"expected a JSON object, got {type(record).__name__}")
        yield number, record


@contextlib.contextmanager
def naming_line(path: Path, number: int, expected: str) -> Iterator[None]:
    """Turn what is wrong with a record into an InputError that names its file and line.

    Inside the block, KeyError stands for a missing field; TypeError, ValueError and OverflowError
    say themselves what is wrong.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        reason = f"no {exc} in it" if isinstance(exc, KeyError) else exc
        raise InputError(f"{path}, line {number}: not {expected}: {reason}") from exc


def text_of(record: dict[str, Any], name: str) -> str:
    """A field that must be a text with a word in it; raises KeyError or ValueError."""
    value = record[name]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name!r} must be a text, got {value!r}")
    return value
