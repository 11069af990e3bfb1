"""Shards: what is kept of a view, and that making one again gives the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clipcrop.training.lite.network import Trunk
from clipcrop.training.lite.photos import PhotoPool
from clipcrop.training.lite.shards import Shard, make_shard

NUM_CELLS = 52 * 52 + 26 * 26 + 13 * 13
SURE_CELL = 3000


def fake_teacher(view: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Stands for YOLOX: one sure cell, whose class follows the brightness of the view."""
    said = np.zeros((NUM_CELLS, 85), np.float32)
    said[SURE_CELL, :4] = (0.5, 0.25, 1.0, 2.0)
    said[SURE_CELL, 4] = 0.75
    said[SURE_CELL, 5 + int(view.mean()) % 80] = 1.0
    return said


@pytest.fixture(scope="module")
def pool() -> PhotoPool:
    """Two made photos of noise."""
    rng = np.random.default_rng(0)
    pixels = tuple(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8) for _ in range(2))
    return PhotoPool(("a", "b"), pixels, np.array([0.5, 0.5]))


@pytest.fixture(scope="module")
def trunk() -> Trunk:
    """A trunk that was never trained."""
    torch.manual_seed(0)
    return Trunk().eval()


def test_a_shard_holds_what_trunk_and_teacher_say(pool: PhotoPool, trunk: Trunk, tmp_path: Path):
    path = make_shard(pool, trunk, fake_teacher, tmp_path, index=0, seed=1, num_views=3)

    shard = Shard(path)
    features, targets = shard.batch(torch.tensor([2, 0]))

    assert len(shard) == 3
    assert [tuple(feature.shape) for feature in features] == [
        (2, 40, 52, 52),
        (2, 192, 26, 26),
        (2, 320, 13, 13),
    ]
    assert tuple(targets.objectness.shape) == (2, NUM_CELLS)
    assert targets.view.tolist() == [0, 1]
    assert targets.cell.tolist() == [SURE_CELL, SURE_CELL]
    assert targets.boxes.tolist() == [[0.5, 0.25, 1.0, 2.0]] * 2
    assert targets.classes.sum(dim=1).tolist() == [1.0, 1.0]


def test_a_shard_depends_on_seed_and_number_alone(pool: PhotoPool, trunk: Trunk, tmp_path: Path):
    made = {
        name: make_shard(pool, trunk, fake_teacher, tmp_path / name, index, seed=1, num_views=2)
        for name, index in (("once", 4), ("again", 4), ("other", 5))
        if not (tmp_path / name).mkdir()
    }

    contents = {name: path.read_bytes() for name, path in made.items()}
    assert contents["once"] == contents["again"]
    assert contents["once"] != contents["other"]


def test_a_shard_that_is_there_is_left_alone(pool: PhotoPool, trunk: Trunk, tmp_path: Path):
    (tmp_path / "views-00000.safetensors").write_bytes(b"made before")

    path = make_shard(pool, trunk, fake_teacher, tmp_path, index=0, seed=1, num_views=2)

    assert path.read_bytes() == b"made before"
