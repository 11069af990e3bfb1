"""The daemon on a real GPU: it uses it, gives its memory back, and does without when it is full."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.gpu

SLACK_BYTES = 64 * 2**20
PATIENCE_S = 20.0

Run = Callable[..., str]


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    """``clipcrop`` and ``clipcrop-daemon``, with a daemon on the GPU."""

    def program(name: str) -> Path:
        return Path(sys.executable).with_name(name)

    def command(name: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [program(name), *arguments], capture_output=True, text=True, timeout=300, check=True
        )
        return done.stdout

    daemon = subprocess.Popen(
        [program("clipcrop-daemon"), "run", "--device", "cuda", "--model", "lite"]
    )
    try:
        until = time.monotonic() + PATIENCE_S
        while subprocess.run([program("clipcrop-daemon"), "ping"], check=False).returncode:
            assert time.monotonic() < until
        yield command
    finally:
        daemon.terminate()
        daemon.wait(PATIENCE_S)


def free_bytes() -> int:
    """Of the first GPU, for all programs."""
    return int(torch.cuda.mem_get_info(0)[0])


def test_it_computes_there_and_unloading_gives_all_memory_back(run: Run, astronaut_path: Path):
    before = free_bytes()

    warm = json.loads(run("clipcrop-daemon", "warm", "--json"))
    answer = json.loads(
        run("clipcrop", "suggest", astronaut_path, "the woman", "--daemon", "--json")
    )
    during = free_bytes()
    run("clipcrop-daemon", "unload")

    assert warm["device"] == "cuda:0"
    assert answer["suggestions"]
    assert during < before - SLACK_BYTES
    until = time.monotonic() + PATIENCE_S
    while free_bytes() < before - SLACK_BYTES:
        assert time.monotonic() < until


def test_its_crops_are_those_of_the_processor(run: Run, astronaut_path: Path):
    request = ("suggest", astronaut_path, "the woman", "--json")

    there = json.loads(run("clipcrop", *request, "--daemon"))
    here = json.loads(run("clipcrop", *request, "--model", "lite", "--device", "cpu"))

    best, reference = (answer["suggestions"][0]["box_px"] for answer in (there, here))
    assert max(abs(a - b) for a, b in zip(best, reference, strict=True)) <= 2


def test_a_full_gpu_is_told_and_the_processor_answers(run: Run, astronaut_path: Path):
    blocks = []
    while free_bytes() > 2 * SLACK_BYTES:
        size = min(2**30, free_bytes() - SLACK_BYTES)
        blocks.append(torch.empty(size, dtype=torch.uint8, device="cuda"))

    warm = json.loads(run("clipcrop-daemon", "warm", "--json"))

    assert warm["device"] == "cpu"
    assert "not enough memory on cuda:0" in warm["notes"][0]
