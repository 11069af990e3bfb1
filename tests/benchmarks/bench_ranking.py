"""How long it takes to find, judge and rank frames: python tests/benchmarks/bench_ranking.py [JSON]

Times are of the processor, so that a busy machine spoils them less: the median and
the spread (10th to 90th percentile) of many calls. The reference judges the same frames one at a
time: what the scorer's batching is worth.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import write_json

from clipcrop.arrays import FloatArray
from clipcrop.boxes import as_boxes
from clipcrop.composing.candidates import candidates
from clipcrop.composing.composition import CompositionScorer
from clipcrop.composing.ranking import rank
from clipcrop.constraints import Constraints

WIDTH_PX, HEIGHT_PX = 1024, 683
NUM_OBJECTS = 10


def measure(call: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Median, 10th and 90th percentile of a call's time, in milliseconds of processor time."""
    for _ in range(3):
        call()
    times_ms = []
    for _ in range(repeats):
        start_ns = time.process_time_ns()
        call()
        times_ms.append((time.process_time_ns() - start_ns) / 1e6)
    tenths = statistics.quantiles(times_ms, n=10)
    return statistics.median(times_ms), tenths[0], tenths[-1]


def main() -> None:
    """Print a table, and write it as JSON where a file is named."""
    random = np.random.default_rng(0)
    corner = random.random((NUM_OBJECTS, 2)) * 0.7
    size = 0.05 + random.random((NUM_OBJECTS, 2)) * 0.25
    objects = as_boxes(np.concatenate([corner, corner + size], axis=1))
    subject, small = as_boxes([0.3, 0.2, 0.6, 0.9]), as_boxes([0.3, 0.4, 0.4, 0.55])
    margins = random.random((600, 4)) * 0.3
    frames = as_boxes(np.concatenate([margins[:, :2], 1 - margins[:, 2:]], axis=1))
    nothing, free = as_boxes([]), Constraints()
    scorer = CompositionScorer.load()
    aspect = WIDTH_PX / HEIGHT_PX

    def rank_with(
        subjects: FloatArray, constraints: Constraints, excluded: FloatArray
    ) -> Callable[[], object]:
        union = subjects[0] if len(subjects) else None
        return lambda: rank(
            union, subjects, objects, excluded, constraints, WIDTH_PX, HEIGHT_PX, scorer, 8
        )

    calls: dict[str, tuple[Callable[[], object], int]] = {
        "scorer, 600 frames, 10 objects": (lambda: scorer.score(frames, objects, 1, aspect), 60),
        "the same, frame by frame": (
            lambda: [scorer.score(frame[None], objects, 1, aspect) for frame in frames],
            3,
        ),
        "candidates, any ratio": (lambda: candidates(subject[0], free, WIDTH_PX, HEIGHT_PX), 60),
        "rank, one subject": (rank_with(subject, free, nothing), 60),
        "rank, a small subject": (rank_with(small, free, nothing), 60),
        "rank, 16:9": (rank_with(subject, Constraints(aspect=16 / 9), nothing), 60),
        "rank, nothing asked for": (rank_with(nothing, free, nothing), 60),
        "rank, one thing excluded": (rank_with(small, free, objects[-1:]), 60),
    }
    results = {name: measure(call, repeats) for name, (call, repeats) in calls.items()}
    reference = results["the same, frame by frame"][0]

    print("| what | median ms | 10 % to 90 % | frame by frame / this |")
    print("|---|---|---|---|")
    for name, (median, low, high) in results.items():
        is_same_work = name in ("scorer, 600 frames, 10 objects", "the same, frame by frame")
        ratio = f"{reference / median:.1f}" if is_same_work else ""
        print(f"| {name} | {median:.2f} | {low:.2f} to {high:.2f} | {ratio} |")
    if len(sys.argv) > 1:
        write_json(Path(sys.argv[1]), results)


if __name__ == "__main__":
    main()
