"""What the benchmarks of the plug-ins share: tasks that alternate, and a table of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable

Times = dict[str, list[float]]
"""Name of a task -> its seconds in each round; the first task is the reference."""


def rounds_of(tasks: dict[str, Callable[[], float]], rounds: int) -> Times:
    """Each task in each round, after one round of warming up."""
    times: Times = {name: [] for name in tasks}
    for index in range(rounds + 1):
        for name, task in tasks.items():
            seconds = task()
            if index:
                times[name].append(seconds)
    return times


def show(name: str, times: Times) -> None:
    """Print a table."""
    print(f"\n{name:<28}{'median ms':>10}{'from':>8}{'to':>8}{'ratio':>8}")
    reference = statistics.median(next(iter(times.values())))
    for task, taken in times.items():
        median = statistics.median(taken)
        low, high = 1e3 * min(taken), 1e3 * max(taken)
        ratio = median / reference
        print(f"{task:<28}{1e3 * median:>10.0f}{low:>8.0f}{high:>8.0f}{ratio:>8.2f}", flush=True)
