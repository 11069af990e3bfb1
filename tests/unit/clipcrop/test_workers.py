from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import worker_tasks
from worker_tasks import only_one, set_up

from clipcrop.errors import InputError, WorkerDied
from clipcrop.workers import ITEMS_AHEAD, map_in_order

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the tests' workers wait at named pipes")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_results_come_in_the_order_of_the_items(pipe: Path) -> None:
    # The first item is done only when the second one is in work.
    tasks = [f"wait {pipe}", f"open {pipe}", "third", "fourth", "fifth"]

    assert list(map_in_order(set_up, tasks, 2)) == tasks


def test_a_worker_that_dies_costs_its_item_only() -> None:
    first, died, *rest = map_in_order(set_up, ["one", "die", "three", "four"], 2)

    assert (first, rest) == ("one", ["three", "four"])
    assert isinstance(died, WorkerDied)
    assert "SIGKILL" in str(died)


def test_work_goes_on_where_every_item_ends_its_worker() -> None:
    assert [type(one) for one in map_in_order(set_up, ["die"] * 3, 1)] == [WorkerDied] * 3


def test_an_error_of_the_set_up_is_raised() -> None:
    with pytest.raises(InputError, match="no weights"):
        list(map_in_order(worker_tasks.refuse, ["one", "two"], 2))


def test_no_worker_that_lives_through_its_set_up_is_an_error() -> None:
    with pytest.raises(WorkerDied, match="SIGKILL"):
        list(map_in_order(worker_tasks.die, ["one", "two", "three"], 2))


def test_fewer_workers_do_all_where_there_is_no_room_for_more(pipe: Path) -> None:
    tasks = [str(number) for number in range(8)]

    assert list(map_in_order(only_one(pipe, others=5), tasks, 6)) == tasks


def test_a_worker_uses_one_thread() -> None:
    assert list(map_in_order(set_up, ["threads"], 1)) == ["1"]


class Watched(Sequence[str]):
    """Items that know the last one that was asked for."""

    last = -1

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        self.last = max(self.last, index)
        return str(index)


def test_what_is_done_ahead_is_limited_by_the_workers() -> None:
    items = Watched()

    with contextlib.closing(map_in_order(set_up, items, 2)) as results:
        for turn in range(5):
            next(results)
            assert items.last < turn + 2 * ITEMS_AHEAD + 1


def test_closing_ends_workers_in_the_middle_of_their_work(pipe: Path) -> None:
    results = map_in_order(set_up, ["pid", f"wait {pipe}", f"wait {pipe}"], 2)
    next(results)
    results.close()

    assert multiprocessing.active_children() == []


def test_ctrl_c_ends_all_at_once(pipe: Path) -> None:
    with subprocess.Popen(
        [sys.executable, worker_tasks.__file__, str(pipe)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        workers = {int(program.stdout.readline()) for _ in range(2)}
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does

        assert program.stderr.read() == ""  # ends when no process holds it any more

    assert program.returncode == 130
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
