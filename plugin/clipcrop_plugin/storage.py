"""Small files and notes of ours: they may be missing, damaged, huge, older or newer.

Reading never fails: what is of no use counts as absent. What a newer version has written is kept
when a note is written back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping

MAX_CHARS = 64 * 1024
"""Longer notes are not ours."""


def parse(text: str) -> dict[str, Any]:
    """The fields of a JSON object; none if it is not one."""
    if len(text) > MAX_CHARS:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return values if type(values) is dict else {}


def compose(version: int, values: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """A JSON object in ASCII, which every editor can keep.

    Args:
        version: Of the form of ``values``.
        values: Ours.
        others: What was there and is not ours, a newer version too.
    """
    newer = others.get("version")
    if type(newer) is int and newer > version:
        version = newer
    return json.dumps({**others, "version": version, **values}, sort_keys=True)


def is_text(value: object, max_chars: int) -> bool:
    """A string that every editor can show."""
    if type(value) is not str or len(value) > max_chars:
        return False
    try:
        value.encode("utf-8")  # fails for halves of surrogate pairs
    except UnicodeEncodeError:
        return False
    return True


def read(path: Path) -> str:
    """A small text file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CHARS + 1)
        return "" if len(content) > MAX_CHARS else content.decode("utf-8")
    except (OSError, ValueError):
        return ""
