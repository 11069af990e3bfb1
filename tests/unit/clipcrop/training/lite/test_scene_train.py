"""The scene head's training: what is sampled, what it costs, and that it can be cut."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clipcrop.training.lite.scene_head import FEATURE_CHANNELS, SceneHead
from clipcrop.training.lite.scene_shards import SceneShard, shard_folder
from clipcrop.training.lite.scene_train import (
    SceneConfig,
    faces_at,
    make_batch,
    sample_label_cells,
    scene_losses,
    train_scene,
)

SIDE_CELLS = 8
CONFIG = SceneConfig(num_steps=4, batch_size=2, cells_per_view=8, save_every=2, warmup_steps=1)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A made shard: three views of 64 px, the last one labelled by the teacher."""
    folder = tmp_path / "shards"
    path = shard_folder(folder, 0)
    path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for level, channels in enumerate(FEATURE_CHANNELS):
        side = SIDE_CELLS >> level
        maps = rng.random((3, side, side, channels)).astype(np.float16)
        np.save(path / f"stride{8 << level}.npy", maps)
    labels = rng.integers(0, 40, (3, 2 * SIDE_CELLS, 2 * SIDE_CELLS), dtype=np.uint8)
    np.save(path / "labels.npy", labels)
    known = {"faces": [[[8.0, 8.0, 40.0, 40.0]], [], []], "has_mask": [True, True, False]}
    (path / "views.json").write_text(json.dumps(known))
    return folder


def test_small_classes_are_sampled_more_often_than_they_fill_the_view():
    labels = np.ones((104, 104), np.uint8)
    labels[:4, :4] = 2
    labels[50:] = 0

    cells, chosen = sample_label_cells(labels, 4000, np.random.default_rng(0))

    sampled = labels.ravel()[chosen]
    assert 0 not in sampled
    assert 0.03 < (sampled == 2).mean() < 0.1  # of the labels it is .003
    assert (cells[sampled == 2] // 52 < 2).all()


def test_a_cell_belongs_to_the_smallest_face_round_it():
    large, small = [0.0, 0.0, 64.0, 64.0], [24.0, 24.0, 40.0, 40.0]
    centre, beside, outside = 3 * SIDE_CELLS + 3, 2 * SIDE_CELLS + 2, 0

    found = faces_at(
        np.array([small, large], np.float32), np.array([centre, beside, outside]), SIDE_CELLS
    )

    assert found.tolist() == [small, large, [0.0] * 4]


def test_training_predicts_cells_as_the_whole_map_does(shards: Path):
    shard = SceneShard.open(shard_folder(shards, 0))
    head = SceneHead().eval()
    batch = make_batch([shard], np.array([[0, 0], [0, 1]]), CONFIG, np.random.default_rng(0))
    maps = [
        torch.from_numpy(np.array(level[:2])).float().permute(0, 3, 1, 2) for level in shard.maps
    ]

    with torch.no_grad():
        whole = head(*maps)
        around = head.context(batch.stride16, batch.stride32)
        context = torch.nn.functional.interpolate(
            around, scale_factor=2.0, mode="bilinear", align_corners=False
        )

    columns, rows = (batch.points[0] / 8).long().T
    assert torch.allclose(maps[0][0, :, rows, columns].T, batch.fine[0])
    assert whole.classes.shape == (2, SIDE_CELLS, SIDE_CELLS, 151)
    assert context.shape[2:] == (SIDE_CELLS, SIDE_CELLS)


def test_a_class_that_the_teacher_does_not_know_is_not_pushed_away_as_others_are(shards: Path):
    shard = SceneShard.open(shard_folder(shards, 0))
    config = replace(CONFIG, cells_per_view=64)
    batch = make_batch([shard], np.array([[0, 2]]), config, np.random.default_rng(0))
    batch = batch._replace(labels=torch.full_like(batch.labels, 3))
    costs = {}
    for favourite in (3, 5, 100):
        head = SceneHead().eval()
        torch.nn.init.zeros_(head.classes.predict.weight)
        torch.nn.init.zeros_(head.classes.predict.bias)
        with torch.no_grad():
            head.classes.predict.bias[favourite] = 8.0
            costs[favourite] = float(scene_losses(head, batch, config).taught)

    assert costs[3] < costs[100] < costs[5]


def test_a_run_that_was_cut_and_resumed_equals_the_uncut_run(shards: Path, tmp_path: Path):
    uncut = torch.load(train_scene(CONFIG, shards, tmp_path / "uncut"), weights_only=True)
    half = tmp_path / "cut"
    train_scene(replace(CONFIG, num_steps=2, cooldown=0.0), shards, half)
    # The first half of a longer run: the learning rate is not lowered yet.
    cut = torch.load(train_scene(CONFIG, shards, half), weights_only=True)

    assert cut["step"] == uncut["step"] == 4
    for name, value in uncut["head"].items():
        assert torch.equal(value, cut["head"][name]), name
