"""One line of another program's settings file (``[group]``, ``key=value``), as text in, text out.

Every other byte stays as it is; what `put` did, `take_back` undoes to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .disk import sha256_of


@dataclass(frozen=True)
class Line:
    """What shall stand in the file."""

    group: str
    key: str
    value: str


def value_of(content: bytes, line: Line) -> str | None:
    """What the key has now; None: it is not there."""
    found = _find(_lines(content), line)
    if found is None:
        return None
    return _lines(content)[found].partition(b"=")[2].strip().decode("utf-8", "replace")


def put(content: bytes | None, line: Line) -> tuple[bytes, dict[str, Any]]:
    """The file with the line in it, and what `take_back` needs; None: there is no file."""
    before = content or b""
    lines = _lines(before)
    at = _find(lines, line)
    details: dict[str, Any] = {
        "group": line.group,
        "key": line.key,
        "value": line.value,
        "before": None if at is None else lines[at].decode("utf-8", "surrogateescape"),
        "sha256": None if content is None else sha256_of(before),
        "has_group": _header(lines, line) is not None,
    }
    new = f"{line.key}={line.value}\n".encode()
    if at is not None:
        lines[at] = new
        return b"".join(lines), details
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    header = _header(lines, line)
    if header is None:
        lines += [*([b"\n"] if lines else []), f"[{line.group}]\n".encode(), new]
    else:
        lines.insert(header + 1, new)
    return b"".join(lines), details


def take_back(content: bytes, details: dict[str, Any]) -> bytes | None:
    """The file as it would be without us; None: it need not be there.

    The line must still be ours (`value_of`).
    """
    line = Line(details["group"], details["key"], details["value"])
    lines = _lines(content)
    at = _find(lines, line)
    if at is None:
        return content
    if details["before"] is not None:
        lines[at] = details["before"].encode("utf-8", "surrogateescape")
    else:
        del lines[at]
        header = _header(lines, line)
        if not details["has_group"] and header is not None and _is_empty(lines, header):
            start = header - 1 if header and not lines[header - 1].strip() else header
            del lines[start : header + 1]
    after = b"".join(lines)
    if details["sha256"] is None:
        return after if after.strip() else None
    # The last line may have had no end before.
    cut = after[:-1]
    return cut if sha256_of(cut) == details["sha256"] else after


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _header(lines: list[bytes], line: Line) -> int | None:
    wanted = f"[{line.group}]".encode()
    return next((at for at, one in enumerate(lines) if one.strip() == wanted), None)


def _find(lines: list[bytes], line: Line) -> int | None:
    header = _header(lines, line)
    if header is None:
        return None
    for at in range(header + 1, _end(lines, header)):
        if lines[at].partition(b"=")[0].strip() == line.key.encode():
            return at
    return None


def _end(lines: list[bytes], header: int) -> int:
    """Of the group: where the next one begins."""
    following = range(header + 1, len(lines))
    return next((at for at in following if lines[at].startswith(b"[")), len(lines))


def _is_empty(lines: list[bytes], header: int) -> bool:
    return not any(one.strip() for one in lines[header + 1 : _end(lines, header)])
