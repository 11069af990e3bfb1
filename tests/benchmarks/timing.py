"""What the benchmarks share: alternating rounds, medians, and a record of machine and commit."""

from __future__ import annotations

import contextlib
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("numpy", "onnxruntime", "torch")
"""Whose versions are noted."""


class Timing(NamedTuple):
    """One task in one round."""

    wall_s: float
    processor_s: float


def measure(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[Timing]]:
    """Time each task in each round, after one round of warming up.

    The tasks alternate, so that what else runs on the machine hits them alike.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in tasks}
    for round_index in range(rounds + 1):
        for name, task in tasks.items():
            wall, processor = time.perf_counter(), time.process_time()
            task()
            timing = Timing(time.perf_counter() - wall, time.process_time() - processor)
            if round_index:
                timings[name].append(timing)
    return timings


def medians(timings: list[Timing]) -> Timing:
    """Of each kind of time."""
    return Timing(*(statistics.median(column) for column in zip(*timings, strict=True)))


def version_of(package: str) -> str | None:
    """Of an installed package."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def write_json(path: Path, results: object) -> None:
    """Write results, with the machine and the commit that they were measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    about = {
        "machine": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := version_of(name))},
        "commit": commit.stdout.strip(),
    }
    path.write_text(json.dumps({**about, "results": results}, indent=1) + "\n", encoding="utf-8")
