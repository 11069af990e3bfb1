"""The training loop: shards in, checkpoints out.

A block is one shard, read once in a random order. Everything random in a block comes from the seed
and the block's number, and a checkpoint is written between blocks: a run that was cut goes on as if
it had not been.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from ...encoders.lite_network import LiteNetwork
from ...errors import CheckpointError
from .development import DevPhotos
from .losses import distillation_losses
from .shards import VIEWS_PER_SHARD, grid, shard_for_block, wait_for_shard
from .trunk import load_published, published_weights


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run; the defaults made the weights in the package."""

    num_blocks: int = 400
    """Blocks of 512 views to train on."""

    num_shards: int = 60
    """Shards there will be."""

    uses: int = 4
    """Times a shard is read, about, before the next new one."""

    batch_size: int = 32
    """Views a step."""

    learning_rate: float = 2e-3
    """Held until the last part of the run, then lowered along a cosine."""

    cooldown: float = 0.35
    """Share of the run in which the learning rate is lowered to a hundredth."""

    warmup_steps: int = 100
    """Steps in which the learning rate rises from nothing."""

    weight_decay: float = 0.02
    """AdamW's, on weights with more than one axis."""

    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept."""

    seed: int = 0
    """Of the first weights and of every order."""

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, constant, cosine down to a hundredth."""
        total = self.num_blocks * (VIEWS_PER_SHARD // self.batch_size)
        start = total * (1 - self.cooldown)
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        if step < start:
            return self.learning_rate
        progress = min(1.0, (step - start) / max(1.0, total - start))
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def train(config: TrainConfig, shards: Path, run: Path, dev: DevPhotos, dev_every: int) -> Path:
    """Train the pyramid and the heads; the trunk stays as it is.

    Args:
        config: The run.
        shards: Folder that `cache` fills.
        run: Folder for the checkpoint and the log; a checkpoint there is gone on from.
        dev: Photos to measure on while training.
        dev_every: Blocks between two measurements.

    Returns:
        The path of the last checkpoint.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = LiteNetwork().to(memory_format=torch.channels_last)
    load_published(network.trunk, network.classifier, published_weights())
    network.trunk.requires_grad_(False)
    network.classifier.requires_grad_(False)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(_parameter_groups(network, config.weight_decay))
    corners, strides = grid()

    checkpoint = run / "checkpoint.pt"
    first_block = _resume(checkpoint, network, average, optimizer)
    steps_per_block = VIEWS_PER_SHARD // config.batch_size
    progress = tqdm(
        total=config.num_blocks * VIEWS_PER_SHARD,
        initial=first_block * VIEWS_PER_SHARD,
        unit="view",
        mininterval=5,
    )
    with progress, (run / "log.jsonl").open("a") as log:
        for block in range(first_block, config.num_blocks):
            index = shard_for_block(block, config.num_shards, config.uses, config.seed)
            shard = wait_for_shard(shards, index, progress.write)
            order = torch.randperm(
                VIEWS_PER_SHARD, generator=torch.Generator().manual_seed(config.seed + block)
            )
            network.train()
            totals = torch.zeros(4)
            for number, views in enumerate(order.split(config.batch_size)):
                step = block * steps_per_block + number
                for group in optimizer.param_groups:
                    group["lr"] = config.learning_rate_at(step)
                features, targets = shard.batch(views)
                with torch.autocast("cpu", torch.bfloat16):
                    output, _ = network.detect(features)
                losses = distillation_losses(
                    type(output)(*(part.float() for part in output)), targets, corners, strides
                )
                optimizer.zero_grad(set_to_none=True)
                losses.total.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimizer.step()
                _follow(average, network, min(config.average, (step + 1) / (step + 10)))
                totals += torch.stack([loss.detach() for loss in losses])
                progress.update(len(views))
            means = (totals / steps_per_block).tolist()
            record = dict(zip(losses._fields, (round(mean, 4) for mean in means), strict=True))
            record |= {"block": block, "lr": config.learning_rate_at(step)}
            if (block + 1) % dev_every == 0 or block + 1 == config.num_blocks:
                record |= dev.measure(average)
                progress.write(json.dumps(record))
            log.write(json.dumps(record) + "\n")
            log.flush()
            progress.set_postfix(loss=record["total"], boxes=record["boxes"])
            _save(checkpoint, network, average, optimizer, block + 1, config)
    return checkpoint


def _parameter_groups(network: LiteNetwork, weight_decay: float) -> list[dict[str, object]]:
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the running average a step towards the network; its norms' statistics are copied."""
    for kept, new in _trained_parts(average, network):
        for mean, value in zip(kept.parameters(), new.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
        for mean, value in zip(kept.buffers(), new.buffers(), strict=True):
            mean.copy_(value)


def _trained_parts(*networks: nn.Module) -> Iterable[tuple[nn.Module, ...]]:
    for part in ("pyramid", "heads"):
        yield tuple(getattr(network, part) for network in networks)


def _resume(
    path: Path, network: LiteNetwork, average: LiteNetwork, optimizer: torch.optim.Optimizer
) -> int:
    """Load a checkpoint if there is one; the block to go on with."""
    if not path.exists():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["block"])
    except (RuntimeError, KeyError, ValueError, EOFError) as exc:
        raise CheckpointError(
            f"cannot go on from {path}: {exc}; move it away to start anew"
        ) from exc


def _save(
    path: Path,
    network: LiteNetwork,
    average: LiteNetwork,
    optimizer: torch.optim.Optimizer,
    block: int,
    config: TrainConfig,
) -> None:
    temporary = path.with_suffix(".part")
    torch.save(
        {
            "network": network.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "block": block,
            "config": asdict(config),
        },
        temporary,
    )
    temporary.rename(path)
