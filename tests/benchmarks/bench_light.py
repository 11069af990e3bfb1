"""What the light engine costs, against another commit's environment in the same run.

    PYTHON tests/benchmarks/bench_light.py --reference OTHER_PYTHON [--rounds 5] [--json FILE]

PYTHON is of an environment with ClipCrop and without PyTorch, such as the demo's; OTHER_PYTHON is
of the one to compare with. Rounds of the two alternate, each on one core with one thread:

cold suggest      a whole `clipcrop suggest PHOTO ... --model lite`
daemon            from the start of `clipcrop-daemon run` until its first suggestion is printed by
                  a `clipcrop suggest --daemon`, which is started when the daemon can be asked;
                  the processor time is the daemon's and its worker's
its memory        daemon and worker after ten photos, in MB; what they share counts once (PSS)
encode, suggest   in one process that has loaded the model, with a prompt for the first time
second prompt     another one on the same photo
closer look       one that the model looks at parts of the photo for
disk              PYTHON's environment, in MB

Times are medians in milliseconds; on a busy machine trust the processor times. For Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from timing import Timing, medians, write_json

SAMPLE = Path(__file__).parents[2] / "clipcrop" / "samples" / "astronaut.jpg"
PHOTOS = 10
TIMEOUT_S = 120

IN_PROCESS = """
import itertools, json, sys, time
from clipcrop import Predictor
try:
    from clipcrop.imaging.images import load_image
except ImportError:  # of an older commit
    from clipcrop.images import load_image

def timed(work):
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor

photo = load_image(sys.argv[1])
predictor = Predictor.load("lite", "cpu")
encoded = predictor.encode(photo)
prompts = itertools.cycle(["the woman", "a woman in orange", "her face", "the person"])
tasks = {
    "encode, suggest": lambda: predictor.suggest(predictor.encode(photo), next(prompts)),
    "second prompt": lambda: predictor.suggest(encoded, next(prompts)),
    "closer look": lambda: predictor.suggest(encoded, "a red rocket"),
}
print(json.dumps({name: [timed(work) for _ in range(13)][1:] for name, work in tasks.items()}))
"""


class Engine:
    """An environment, and what was measured of it."""

    def __init__(self, python: Path, core: int) -> None:
        self.python = python
        self._core = core
        self.timings: dict[str, list[Timing]] = {}
        self.memory_mb: list[float] = []

    def measure(self, photos: list[Path]) -> None:
        """One round."""
        used = processor_s()
        started = time.perf_counter()
        self.run("clipcrop", "suggest", photos[0], "the woman", "--model", "lite")
        self._add("cold suggest", time.perf_counter() - started, processor_s() - used)
        for name, timings in json.loads(self.run("python", "-c", IN_PROCESS, photos[0])).items():
            self.timings.setdefault(name, []).extend(Timing(*timing) for timing in timings)
        self._measure_daemon(photos)

    def run(self, program: str, *arguments: object, **variables: str) -> str:
        """What a program of the environment prints."""
        done = subprocess.run(
            [self.python.with_name(program), *map(str, arguments)],
            env=self._environment(**variables),
            preexec_fn=self._use_one_core,
            cwd=self.python.parent,  # not in a checkout, from which `python -c` would import
            stdout=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=True,
        )
        return done.stdout.decode()

    def _measure_daemon(self, photos: list[Path]) -> None:
        with tempfile.TemporaryDirectory(prefix="cc") as folder:
            file = Path(folder) / "connection.json"
            options = [
                "--model",
                "lite",
                "--connection-file",
                file,
                "--log-file",
                file.parent / "log",
            ]
            started = time.perf_counter()
            daemon = subprocess.Popen(
                [self.python.with_name("clipcrop-daemon"), "run", *options],
                env=self._environment(),
                preexec_fn=self._use_one_core,
                stderr=subprocess.DEVNULL,
            )
            try:
                while not file.exists():
                    if daemon.poll() is not None or time.perf_counter() > started + TIMEOUT_S:
                        sys.exit("the daemon did not start")
                    time.sleep(0.005)
                asks = {"CLIPCROP_CONNECTION_FILE": str(file)}
                for photo in photos:
                    self.run("clipcrop", "suggest", photo, "the woman", "--daemon", **asks)
                    if photo is photos[0]:
                        self._add("daemon", time.perf_counter() - started, tree_s(daemon.pid))
                # Memory is given back after an answer, and before the next request.
                self.run("clipcrop-daemon", "warm", **asks)
                self.memory_mb.append(sum(map(held_mb, tree(daemon.pid))))
            finally:
                daemon.terminate()
                daemon.wait()

    def _add(self, name: str, wall_s: float, processor: float) -> None:
        self.timings.setdefault(name, []).append(Timing(wall_s, processor))

    def _environment(self, **variables: str) -> dict[str, str]:
        # Compiled modules are kept, as everywhere; an empty word is none.
        own = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
        return {**os.environ, **own, **variables}

    def _use_one_core(self) -> None:
        os.sched_setaffinity(0, {self._core})


def tree(pid: int) -> list[int]:
    """A process and its children."""
    files = Path(f"/proc/{pid}/task").glob("*/children")  # of each thread its own
    return [pid, *(int(child) for file in files for child in file.read_text().split())]


def tree_s(pid: int) -> float:
    """Processor time of a process and its children."""
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in tree(pid)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def held_mb(pid: int) -> float:
    """What a process holds; memory that it shares counts in part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.split("Pss:")[1].split()[0]) * 1024 / 1e6


def folder_mb(folder: Path) -> float:
    """What it takes on the disk."""
    told = subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[0]) * 1024 / 1e6


def processor_s() -> float:
    """Of the processes that were started here and have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--reference", type=Path, required=True, help="its environment's Python")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    options = parser.parse_args()
    core = min(os.sched_getaffinity(0))
    engines = [
        Engine(python.absolute(), core) for python in (Path(sys.executable), options.reference)
    ]
    with tempfile.TemporaryDirectory() as folder:
        photos = [Path(folder) / f"{number}.jpg" for number in range(PHOTOS)]
        with Image.open(SAMPLE) as sample:
            for number, photo in enumerate(photos):
                sample.resize((1024, 700 + number)).save(photo, quality=92)
        for _ in range(options.rounds):
            for engine in engines:
                engine.measure(photos)

    ours, reference = engines
    print(f"{options.rounds} rounds, medians; load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| what | wall ms | processor ms | of the reference: wall | processor |")
    print("|---|---|---|---|---|")
    for name in ours.timings:
        ours_s, reference_s = medians(ours.timings[name]), medians(reference.timings[name])
        shown = " | ".join(f"{1e3 * seconds:.1f}" for seconds in ours_s)
        ratios = (mine / other for mine, other in zip(ours_s, reference_s, strict=True))
        print(f"| {name} | {shown} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")
    memory_mb, other_mb = (max(engine.memory_mb) for engine in engines)
    disk_mb = folder_mb(ours.python.parents[1])
    print(f"\nmemory of the daemon {memory_mb:.0f} MB, {memory_mb / other_mb:.2f} of the reference")
    print(f"environment on disk  {disk_mb:.0f} MB")
    if options.json:
        timings = [engine.timings for engine in engines]
        sizes_mb = {"memory": [memory_mb, other_mb], "disk": disk_mb}
        write_json(options.json, {"timings": timings, "MB": sizes_mb})


if __name__ == "__main__":
    main()
