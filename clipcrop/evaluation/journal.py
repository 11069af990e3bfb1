"""What methods answered so far, on disk: a run that was cut goes on where it was.

JSON lines. The first says which run it is, each of the others is one answer. A journal of another
run is refused, never mixed in; one that has served is removed once the results are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..imaging.images import reason_of

Key = tuple[str, str, str]
"""Photo, text, method."""

Known = tuple[list[list[float]], float]
"""[R][4] crops xyxy, and seconds."""


class Journal:
    """Answers of one run.

    Args:
        path: The file; its folder is made. None keeps answers in memory only.
        run: What makes the run another one: data, methods, weights; JSON types.

    Raises:
        InputError: The file is of another run, or cannot be read or written.
    """

    def __init__(self, path: Path | None, run: Mapping[str, Any]) -> None:
        self._path = path
        self._answers: dict[Key, Known] = {}
        if path is not None:
            self._open(path, run)

    def _open(self, path: Path, run: Mapping[str, Any]) -> None:
        """Take up what is in the file."""
        head = json.dumps({"run": run}, sort_keys=True)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            if lines and lines[0] != head:
                raise InputError(
                    f"{str(path)!r} holds answers of another run (other queries, methods or "
                    "weights); choose another folder, or delete that file"
                )
            kept = [head, *self._read(lines[1:])]
            # Written anew: the end of the file may be half a line.
            path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise _unusable(path, exc) from exc

    def __len__(self) -> int:
        """Answers so far."""
        return len(self._answers)

    def recall(self, key: Key) -> Known | None:
        """An answer from before."""
        return self._answers.get(key)

    def keep(self, key: Key, crops_xyxy: list[list[float]], seconds: float) -> None:
        """Note an answer, at once.

        Raises:
            InputError: The file cannot be written.
        """
        self._answers[key] = (crops_xyxy, seconds)
        if self._path is None:
            return
        line = json.dumps({"key": key, "crops": crops_xyxy, "seconds": seconds})
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as exc:
            raise _unusable(self._path, exc) from exc

    def throw_away(self) -> None:
        """Delete the file: the results are written."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _read(self, lines: list[str]) -> list[str]:
        """Take up answers, up to a line that a kill cut short; gives the lines that were good."""
        for number, line in enumerate(lines):
            try:
                record = json.loads(line)
                photo, text, method = record["key"]
                self._answers[photo, text, method] = (record["crops"], record["seconds"])
            except (ValueError, KeyError, TypeError):
                return lines[:number]
        return lines


def _unusable(path: Path, exc: Exception) -> InputError:
    return InputError(
        f"cannot keep answers in {str(path)!r}: {reason_of(exc)}; choose another folder"
    )
