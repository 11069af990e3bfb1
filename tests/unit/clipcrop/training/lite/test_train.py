"""The training loop: it learns, and a run that was cut goes on as if it had not been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clipcrop.encoders.lite_pixels import STRIDES, cell_grid
from clipcrop.errors import CheckpointError, InputError
from clipcrop.training.lite.network import TRUNK_CHANNELS, LiteNetwork
from clipcrop.training.lite.shards import shard_for_block, shard_path
from clipcrop.training.lite.train import TrainConfig, train

SIDE_PX = 64
CONFIG = TrainConfig(
    num_blocks=3, num_shards=2, uses=1, views_per_shard=4, batch_size=2, warmup_steps=1
)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two made shards of four small views: random features, one object each."""
    folder = tmp_path / "shards"
    folder.mkdir()
    num_cells = len(cell_grid(SIDE_PX, SIDE_PX)[1])
    for index in range(2):
        generator = torch.Generator().manual_seed(index)
        objectness = torch.full((4, num_cells), 0.01)
        objectness[:, 10] = 0.9
        save_file(
            {
                **{
                    f"stride{stride}": torch.rand(
                        4, channels, SIDE_PX // stride, SIDE_PX // stride, generator=generator
                    ).half()
                    for stride, channels in zip(STRIDES, TRUNK_CHANNELS, strict=True)
                },
                "objectness": objectness.half(),
                "view": torch.arange(4, dtype=torch.int16),
                "cell": torch.full((4,), 10, dtype=torch.int16),
                "boxes": torch.rand(4, 4, generator=generator).half(),
                "classes": torch.randint(0, 255, (4, 80), generator=generator, dtype=torch.uint8),
            },
            shard_path(folder, index),
        )
    return folder


def run(config: TrainConfig, shards: Path, folder: Path) -> dict[str, object]:
    """Train with an untouched trunk and nothing measured; the last checkpoint's content."""
    checkpoint = train(
        config,
        shards,
        folder,
        measure=lambda network: {},
        measure_every=100,
        start=lambda network: None,
    )
    return torch.load(checkpoint, weights_only=True)


@pytest.mark.slow
def test_a_run_that_was_cut_and_resumed_equals_the_uncut_run(shards: Path, tmp_path: Path):
    class CutShort(Exception):
        """Stands for a power cut."""

    def cut(network: LiteNetwork) -> dict[str, float]:
        raise CutShort

    uncut = run(CONFIG, shards, tmp_path / "uncut")
    with pytest.raises(CutShort):
        train(
            CONFIG,
            shards,
            tmp_path / "cut",
            measure=cut,
            measure_every=2,
            start=lambda network: None,
        )

    resumed = run(CONFIG, shards, tmp_path / "cut")

    assert resumed["block"] == uncut["block"] == CONFIG.num_blocks
    for part in ("network", "average"):
        for name, value in uncut[part].items():  # type: ignore[attr-defined]
            assert torch.equal(resumed[part][name], value), f"{part}: {name}"  # type: ignore[index]


def test_only_the_pyramid_and_the_heads_are_trained(shards: Path, tmp_path: Path):
    torch.manual_seed(CONFIG.seed)
    before = LiteNetwork().state_dict()

    after = run(CONFIG, shards, tmp_path / "run")["network"]

    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}  # type: ignore[index]
    assert changed == {"pyramid", "heads"}


@pytest.mark.slow
def test_training_lowers_the_loss_on_two_shards(shards: Path, tmp_path: Path):
    config = TrainConfig(
        num_blocks=12, num_shards=2, uses=1, views_per_shard=4, batch_size=4, warmup_steps=1
    )

    run(config, shards, tmp_path / "run")

    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    losses = [json.loads(line)["total"] for line in lines]
    assert len(losses) == config.num_blocks
    assert losses[-1] < 0.8 * losses[0]


def test_a_damaged_checkpoint_is_named_and_nothing_is_overwritten(shards: Path, tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes(b"no checkpoint")

    with pytest.raises(CheckpointError, match="move it away"):
        run(CONFIG, shards, folder)

    assert (folder / "checkpoint.pt").read_bytes() == b"no checkpoint"


def test_a_shard_of_another_size_is_refused(shards: Path, tmp_path: Path):
    config = TrainConfig(num_blocks=1, num_shards=2, views_per_shard=8, batch_size=2)

    with pytest.raises(InputError, match="has 4 views, not 8"):
        run(config, shards, tmp_path / "run")


def test_every_shard_is_read_and_none_before_its_turn():
    seen = [shard_for_block(block, num_shards=5, uses=3, seed=0) for block in range(40)]

    assert set(seen) == set(range(5))
    assert [seen[block] for block in range(0, 15, 3)] == [0, 1, 2, 3, 4]
    assert all(index <= block // 3 for block, index in enumerate(seen))


def test_the_learning_rate_rises_holds_and_falls():
    config = TrainConfig(
        num_blocks=10, views_per_shard=10, batch_size=1, warmup_steps=10, cooldown=0.5
    )

    rates = [config.learning_rate_at(step) for step in range(100)]

    assert rates[0] == pytest.approx(config.learning_rate / 10)
    assert rates[10:50] == [config.learning_rate] * 40
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] < 0.02 * config.learning_rate
