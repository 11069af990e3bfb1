"""Without PyTorch: the demo's environment, in which it is not installed, does all that users do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from real_daemon import Daemon

from clipcrop_installer.demo import demo_recipe
from clipcrop_installer.environment import ensure

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[3]
SAMPLES = CHECKOUT / "clipcrop" / "samples"
LITE = ("--model", "lite")
MAX_DAEMON_MB = 300  # with its worker, after ten photos

Run = Callable[..., str]


@pytest.fixture(scope="module")
def python() -> Path:
    """Of the environment, which is made once for this folder and ``python3 installer demo``."""
    return ensure(demo_recipe(CHECKOUT), print)


@pytest.fixture
def run(python: Path, tmp_path: Path) -> Run:
    """Runs ``clipcrop`` there, and returns what it wrote."""

    def run_one(*arguments: object, code: int = 0, **variables: str) -> str:
        done = subprocess.run(
            [python.with_name("clipcrop"), *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run_one


def test_there_is_no_pytorch(python: Path):
    code = "from importlib.util import find_spec as f; print(f('torch'), f('transformers'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["None", "None"]


def test_a_photo_is_cropped(run: Run, tmp_path: Path):
    answer = json.loads(
        run(
            "suggest",
            SAMPLES / "chelsea.jpg",
            "the cat",
            *LITE,
            "--json",
            "--write-crops",
            tmp_path,
        )
    )

    assert [one["text"] for one in answer["matched"]] == ["cat"]
    assert len(list(tmp_path.glob("chelsea*.jpg"))) == len(answer["suggestions"])


def test_a_folder_is_cropped_onto_a_contact_sheet(run: Run, tmp_path: Path):
    lines = run(
        *("suggest", SAMPLES, "the main subject", *LITE, "--json", "--jobs", 2),
        *("--contact-sheet", tmp_path / "sheet.png"),
    ).splitlines()

    assert len(lines) == len(list(SAMPLES.glob("*.jpg")))
    with Image.open(tmp_path / "sheet.png") as sheet:
        sheet.load()


def test_the_daemon_answers(run: Run, python: Path):
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    daemon = Daemon(folder, python)
    daemon.start()
    try:
        connection = {"CLIPCROP_CONNECTION_FILE": str(daemon.connection_file)}
        answer = json.loads(
            run("suggest", SAMPLES / "chelsea.jpg", "the cat", "--daemon", "--json", **connection)
        )
    finally:
        daemon.end()
        shutil.rmtree(folder)

    assert [one["text"] for one in answer["matched"]] == ["cat"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_the_daemon_holds_little_memory_after_many_photos(run: Run, python: Path, tmp_path: Path):
    photos = tmp_path / "photos"
    photos.mkdir()
    with Image.open(SAMPLES / "chelsea.jpg") as cat:
        for number in range(10):
            size_px = (1024, 700 + number)
            cat.resize(size_px).save(photos / f"{number}.jpg")
    folder = Path(tempfile.mkdtemp(prefix="cc"))
    daemon = Daemon(folder, python)
    daemon.start()
    try:
        connection = {"CLIPCROP_CONNECTION_FILE": str(daemon.connection_file)}
        lines = run("suggest", photos, "the cat", "--daemon", "--json", **connection).splitlines()
        # Memory is given back after an answer, and before the next request.
        subprocess.run(
            [python.with_name("clipcrop-daemon"), "warm"],
            env={**os.environ, **connection},
            check=True,
        )
        front = daemon.process.pid
        tasks = Path(f"/proc/{front}/task").glob("*/children")  # of each thread its own
        children = [child for task in tasks for child in task.read_text().split()]
        assert children
        held_mb = sum(map(resident_mb, (front, *children)))
    finally:
        daemon.end()
        shutil.rmtree(folder)

    assert len(lines) == 10
    assert held_mb <= MAX_DAEMON_MB


def resident_mb(process_id: int | str) -> float:
    """What a process holds; memory that it shares counts in part (PSS)."""
    rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text()
    return int(rollup.split("Pss:")[1].split()[0]) * 1024 / 1e6


def test_grounding_is_measured(run: Run):
    queries = SAMPLES / "queries.jsonl"

    report = json.loads(run("evaluate", "grounding", queries, "--images", SAMPLES, *LITE, "--json"))

    assert report


def test_ratings_are_measured(run: Run, tmp_path: Path):
    ratings = {
        "image": "a.jpg",
        "width_px": 200,
        "height_px": 100,
        "objects_xyxy_px": [[20, 10, 100, 50]],
        "person_xyxy_px": None,
        "crops": [[0, 0, 200, 100, 1.0], [50, 25, 150, 75, 5.0], [0, 0, 100, 75, 3.0]],
    }
    (tmp_path / "ratings.jsonl").write_text(json.dumps(ratings) + "\n")

    assert json.loads(run("evaluate", "ratings", tmp_path / "ratings.jsonl", "--json"))


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["suggest", SAMPLES / "chelsea.jpg", "cat", "--model", "owlvit"], "owlvit"),
        (["suggest", SAMPLES / "chelsea.jpg", "cat", *LITE, "--method", "cagic"], "owlvit"),
        (["suggest", SAMPLES / "chelsea.jpg", "cat", *LITE, "--decoder", "d"], "owlvit"),
        (["train", "x"], "train"),
    ],
)
def test_what_needs_pytorch_says_how_to_get_it(run: Run, arguments: list[str], extra: str):
    error = run(*arguments, code=2)

    assert f"clipcrop-desktop[{extra}]" in error
    assert len(error.splitlines()) == 1
