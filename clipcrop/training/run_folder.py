"""The folder of a run: what a training leaves behind, and goes on from.

    config.json     the command's values, for people
    metrics.jsonl   one object a step, and one a validation
    curve.png       the same as a picture
    last.pt         everything that the next step depends on
    looks/          validation photos with their crops, a picture each time
    tokens/         what the encoder saw, where views are kept

Beside them the loop writes its decoders, ``last`` and ``best``. Files are replaced in one step, so
a process that is killed leaves the old or the new one, never half of one.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, InputError
from ..imaging.output_files import written_at_once

STATE_FILE = "last.pt"
METRICS_FILE = "metrics.jsonl"
CURVE_FILE = "curve.png"
LOOKS_FOLDER = "looks"
TOKENS_FOLDER = "tokens"


class RunFolder:
    """One run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_path = path / STATE_FILE
        self.metrics_path = path / METRICS_FILE
        self.curve_path = path / CURVE_FILE
        self.looks = path / LOOKS_FOLDER
        self.tokens = path / TOKENS_FOLDER

    def make(self) -> None:
        """Make the folder, if it is not there.

        Raises:
            InputError: It cannot be made.
        """
        try:
            self.looks.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise InputError(
                f"cannot make the folder {str(self.path)!r}: {exc.strerror}; name another for "
                "the run"
            ) from exc

    def require_space(self, bytes_needed: int) -> None:
        """Refuse to start what the disk has no room for.

        Raises:
            InputError: With what is needed and what is free.
        """
        free = shutil.disk_usage(self.path).free
        if free < bytes_needed:
            raise InputError(
                f"the run needs about {bytes_needed / 1e9:.1f} GB in {str(self.path)!r}, where "
                f"{free / 1e9:.1f} GB are free; make room, or name a folder on another disk"
            )

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write what the training goes on from, in one step.

        Raises:
            InputError: It cannot be written: the disk is full.
        """
        with written_at_once(self.state_path) as part:
            torch.save(dict(state), part)
            with part.open("rb") as file:
                os.fsync(file.fileno())  # else a power cut may leave an empty file in its place

    def read_state(self) -> dict[str, Any] | None:
        """What `save_state` wrote; None in a new folder.

        Raises:
            CheckpointError: It is damaged, or something else.
        """
        if not self.state_path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(
                self.state_path, map_location="cpu", weights_only=True
            )
            state["step"] = int(state["step"])
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError) as exc:
            raise self._damaged() from exc
        except pickle.UnpicklingError as exc:
            raise self._damaged() from exc
        return state

    def _damaged(self) -> CheckpointError:
        return CheckpointError(
            f"not a training's state: {str(self.state_path)!r}; move it away to start anew"
        )

    def log(self, record: Mapping[str, Any]) -> None:
        """Add a line to the metrics."""
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def records(self) -> list[dict[str, Any]]:
        """The lines of the metrics so far."""
        try:
            lines = self.metrics_path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def forget_after(self, step: int) -> None:
        """Drop metrics of steps that will be done again: those after the state was saved.

        A line that a kill cut short is among them.
        """
        if not self.metrics_path.exists():
            return
        kept = []
        for line in self.metrics_path.read_text(encoding="utf-8").splitlines():
            try:
                done = json.loads(line)["step"]
            except ValueError:
                break
            if done > step:
                break
            kept.append(line + "\n")
        with written_at_once(self.metrics_path) as part:
            part.write_text("".join(kept), encoding="utf-8")
