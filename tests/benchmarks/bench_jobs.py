"""Time a folder of photos with one worker and with several.

    python tests/benchmarks/bench_jobs.py [PHOTO.jpg ...] [--photos 64] [--jobs 2] [--rounds 3]
        [--json FILE]

Each run is a whole `clipcrop suggest FOLDER ... --model lite` with one thread a process; the start
of the processes and the loading of the model are included. Runs with one job and with several
alternate; the ratio is that of the medians. On a busy machine trust the processor times: N jobs on
N idle cores cannot be faster than N times the one over the other. Memory is the most that the
processes of a run held together, where Linux tells it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from timing import write_json

SAMPLES = sorted((Path(__file__).parents[2] / "clipcrop" / "samples").glob("*.jpg"))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photos_given", nargs="*", type=Path, metavar="PHOTO.jpg", default=SAMPLES)
    parser.add_argument("--photos", type=int, default=64, help="copies of them in the folder")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    options = parser.parse_args()
    runs: dict[int, list[Run]] = {1: [], options.jobs: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.photos):
            photo = options.photos_given[number % len(options.photos_given)]
            shutil.copy(photo, folder / f"{number:05}.jpg")
        for _ in range(options.rounds):
            for jobs, results in runs.items():
                results.append(run(folder, jobs))
    walls = {
        jobs: statistics.median(run.wall_s for run in results) for jobs, results in runs.items()
    }
    for jobs, results in runs.items():
        memory_mb = max(run.memory_mb for run in results)
        processor_s = statistics.median(run.processor_s for run in results)
        print(
            f"--jobs {jobs}: {walls[jobs]:.2f} s ({processor_s:.2f} s of processor time) for "
            f"{options.photos} photos, {memory_mb:.0f} MB"
        )
    ratio = walls[1] / walls[options.jobs]
    print(f"{ratio:.2f} times as fast; load of the machine {os.getloadavg()[0]:.1f}")
    if options.json:
        write_json(options.json, {"runs": runs, "ratio": ratio})


class Run(NamedTuple):
    """What one run took."""

    wall_s: float
    processor_s: float
    memory_mb: float


def run(folder: Path, jobs: int) -> Run:
    """Time one run."""
    arguments = [
        "suggest",
        str(folder),
        "the cat",
        "--json",
        "--model",
        "lite",
        "--jobs",
        str(jobs),
    ]
    started, used = time.perf_counter(), _processor_s()
    with subprocess.Popen(
        [sys.executable, "-m", "clipcrop.cli", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    ) as program:
        watch = Watch(program.pid)
        watch.start()
        code = program.wait()
    if code:
        sys.exit(f"--jobs {jobs} ended with exit code {code}")
    wall_s = time.perf_counter() - started
    return Run(wall_s, _processor_s() - used, watch.most_mb())


def _processor_s() -> float:
    """Of all processes that were started here and have ended, and of those that they started."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


class Watch(threading.Thread):
    """Adds up what a process and its children hold (PSS), again and again until it has ended."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._most_kb = 0

    def run(self) -> None:
        """Look five times a second."""
        while (kilobytes := _held_kb(self._pid)) is not None:
            self._most_kb = max(self._most_kb, kilobytes)
            time.sleep(0.2)

    def most_mb(self) -> float:
        """The most that was held."""
        self.join()
        return self._most_kb / 1024


def _held_kb(pid: int) -> int | None:
    """Of a process and its children; None when it has ended, or where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    own = next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), None)
    if own is None:
        return None
    return own + sum(_held_kb(int(child)) or 0 for child in children)


if __name__ == "__main__":
    main()
