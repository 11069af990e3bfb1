"""Records in files, and how their mistakes are told: with the file and the line.

Most files here are JSON lines, one object a line. A reader of one passes on an `ErrorHandler`: by
default the first mistake is raised; a checker collects them all, and the reader goes on.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError
from ..imaging.images import reason_of

T = TypeVar("T")

ErrorHandler = Callable[[InputError], None]
"""What is done with a mistake."""


def fail(problem: InputError) -> None:
    """Raise the first mistake."""
    raise problem


def read_text(path: Path) -> str:
    """A whole text file, UTF-8 with or without its mark.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"cannot read {path}: {reason_of(exc)}; check the name") from exc


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a text file that are not blank, with their numbers from 1.

    Raises:
        InputError: The file cannot be read.
    """
    # Not splitlines: a text may hold a separator that only Unicode takes for an end of line.
    lines = read_text(path).split("\n")
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def read_json(path: Path, expected: str) -> Any:
    """What a JSON file holds; ``expected`` says what it should, for messages.

    Raises:
        InputError: The file cannot be read, or is not JSON.
    """
    text = read_text(path)
    try:
        return _loads(text)
    except ValueError as exc:
        raise InputError(f"{path}: not {expected}: {exc}") from exc


def read_records(
    path: Path,
    expected: str,
    parse: Callable[[dict[str, Any], int], T],
    on_error: ErrorHandler = fail,
) -> list[T]:
    """Read a JSON lines file.

    Args:
        path: The file.
        expected: What a line is, for messages: "a rated image".
        parse: Called with a line's object and its number from 1; raises as `located_errors` says.
        on_error: What is done with a line that is wrong.

    Raises:
        InputError: The file cannot be read.
    """
    parsed = []
    for number, line in read_lines(path):
        with located_errors(f"{path}, line {number}", expected, on_error):
            parsed.append(parse(expect_object(_loads(line)), number))
    return parsed


@contextlib.contextmanager
def located_errors(place: str, expected: str, on_error: ErrorHandler = fail) -> Iterator[None]:
    """Tell what is wrong with a record together with its place.

    Inside the block, KeyError stands for a missing field; TypeError, ValueError and OverflowError
    say themselves what is wrong, and an InputError where it is, too.

    Args:
        place: File and line.
        expected: What the record should be: "a rated image".
        on_error: What is done with the mistake; the block is left in any case.
    """
    try:
        yield
    except InputError as exc:  # has its place already
        on_error(exc)
    except (KeyError, TypeError, ValueError, OverflowError) as exc:
        reason = f"no {exc} in it" if isinstance(exc, KeyError) else exc
        problem = InputError(f"{place}: not {expected}: {reason}")
        problem.__cause__ = exc
        on_error(problem)


def expect_object(value: object) -> dict[str, Any]:
    """A JSON value that must be an object; raises TypeError."""
    if not isinstance(value, dict):
        raise TypeError(f"expected a JSON object, got {type(value).__name__}")
    return value


def expect_list(value: object) -> list[Any]:
    """A JSON value that must be a list; raises TypeError."""
    if not isinstance(value, list):
        raise TypeError(f"expected a list, got {type(value).__name__}")
    return value


def expect_text(record: dict[str, Any], name: str) -> str:
    """A field that must be a text with a word in it; raises KeyError or ValueError."""
    value = record[name]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name!r} must be a text, got {value!r}")
    return value


def expect_numbers(values: object, count: int, name: str) -> tuple[float, ...]:
    """A JSON value that must be a list of so many numbers; raises ValueError."""
    if (
        not isinstance(values, list)
        or len(values) != count
        or any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in values)
    ):
        raise ValueError(f"{name} must be {count} numbers, got {values!r}")
    return tuple(float(value) for value in values)


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"not JSON: {exc}") from exc
