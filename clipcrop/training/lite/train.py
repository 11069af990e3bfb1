"""The training loop: shards in, checkpoints out.

A block is one shard, read once in a random order. Everything random in a block comes from the seed
and the block's number, and a checkpoint is written between blocks: a run that was cut goes on as if
it had not been.
"""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ...errors import CheckpointError, InputError
from .losses import DRIFT_WEIGHT, Losses, classifier_drift, distillation_losses
from .network import DenseOutput, LiteNetwork, TrunkFeatures, channels_last
from .shards import VIEWS_PER_SHARD, Targets, shard_for_block, wait_for_shard


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One run; the defaults are those of the weights in the package."""

    num_blocks: int = 200
    """Shards to read, the same one several times."""

    num_shards: int = 51
    """Shards there will be."""

    uses: int = 4
    """Times a shard is read, about, before the next new one."""

    views_per_shard: int = VIEWS_PER_SHARD
    """Views in each shard; must be what `cache` was told."""

    batch_size: int = 32
    """Views a step; the rest of a shard that fills no step is left out."""

    learning_rate: float = 2e-3
    """Held until the last part of the run, then lowered along a cosine."""

    cooldown: float = 0.35
    """Share of the run in which the learning rate is lowered to a hundredth."""

    unfreeze_block: int = 96
    """From this block on the trunk's last two stages are trained, too."""

    deep_share: float = 0.25
    """Their learning rate, in units of the heads'."""

    warmup_steps: int = 100
    """Steps in which the learning rate rises from nothing."""

    weight_decay: float = 0.02
    """AdamW's, on weights with more than one axis."""

    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept."""

    seed: int = 0
    """Of the first weights and of every order."""

    def __post_init__(self) -> None:
        """Refuse a step that no shard could fill."""
        if not 1 <= self.batch_size <= self.views_per_shard:
            raise InputError(
                f"no such batch size: {self.batch_size}; a shard has {self.views_per_shard} views"
            )

    @property
    def steps_per_block(self) -> int:
        """Steps from one shard."""
        return self.views_per_shard // self.batch_size

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, constant, cosine down to a hundredth."""
        num_steps = self.num_blocks * self.steps_per_block
        return cosine_rate(
            step, num_steps, self.learning_rate, self.warmup_steps, self.cooldown, floor=0.01
        )


def cosine_rate(
    step: int, num_steps: int, peak: float, warmup_steps: int, cooldown: float, *, floor: float
) -> float:
    """A learning rate that rises, is held, and falls along a cosine.

    Args:
        step: From 0.
        num_steps: Of the whole run.
        peak: What is held.
        warmup_steps: In which it rises from nothing.
        cooldown: Share of the run in which it falls.
        floor: What it falls to, in units of the peak.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    start = num_steps * (1 - cooldown)
    progress = min(1.0, max(0.0, (step - start) / max(1.0, num_steps - start)))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def train(
    config: TrainConfig,
    shards: Path,
    run: Path,
    measure: Callable[[LiteNetwork], dict[str, float]],
    measure_every: int,
    start: Callable[[LiteNetwork], None],
) -> Path:
    """Train the pyramid and the heads, and then the end of the trunk with them.

    The trunk's ImageNet classifier is held to what it said of each cell before.

    Args:
        config: The run.
        shards: Folder that `cache` fills.
        run: Folder for the checkpoint and the log; a checkpoint there is gone on from.
        measure: Measures the average while training, on photos that are not trained on.
        measure_every: Blocks between two measurements.
        start: Fills the trunk and the classifier.

    Returns:
        The path of the last checkpoint.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    network = channels_last(LiteNetwork())
    start(network)
    network.trunk.requires_grad_(False)
    network.trunk.coarse_stages().requires_grad_(True)
    network.classifier.requires_grad_(False)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(_parameter_groups(network, config))
    checkpoint = run / "checkpoint.pt"
    first_block = _resume(checkpoint, network, average, optimizer)
    views_per_block = config.steps_per_block * config.batch_size
    progress = tqdm(
        total=config.num_blocks * views_per_block,
        initial=first_block * views_per_block,
        unit="view",
        mininterval=5,
    )
    with progress, (run / "log.jsonl").open("a") as log:
        for block in range(first_block, config.num_blocks):
            index = shard_for_block(block, config.num_shards, config.uses, config.seed)
            shard = wait_for_shard(shards, index, progress.write)
            if len(shard) != config.views_per_shard:
                raise InputError(
                    f"shard {index} has {len(shard)} views, not {config.views_per_shard}; "
                    "name the number that `cache` was told"
                )
            corners, strides = shard.grid()
            order = torch.randperm(
                len(shard), generator=torch.Generator().manual_seed(config.seed + block)
            )[:views_per_block]
            torch.manual_seed(config.seed + block)  # what is random in a block is its own
            network.train()
            is_deep = block >= config.unfreeze_block
            totals = torch.zeros(len(Losses._fields))
            for number, views in enumerate(torch.split(order, config.batch_size)):
                step = block * config.steps_per_block + number
                for group in optimizer.param_groups:
                    group["lr"] = group["share"] * config.learning_rate_at(step)
                features, targets = shard.batch(views)
                losses = _losses(network, features, targets, corners, strides, is_deep)
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(losses.total)
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimizer.step()
                decay = min(config.average, (step + 1) / (step + 10))
                for kept, new in zip(_trained_parts(average), _trained_parts(network), strict=True):
                    follow(kept, new, decay)
                totals += torch.stack([loss.detach() for loss in losses])
                progress.update(len(views))
            means = (totals / config.steps_per_block).tolist()
            record = dict(zip(losses._fields, (round(mean, 4) for mean in means), strict=True))
            record |= {"block": block, "lr": config.learning_rate_at(step)}
            if (block + 1) % measure_every == 0 or block + 1 == config.num_blocks:
                record |= measure(average)
                progress.write(json.dumps(record))
            log.write(json.dumps(record) + "\n")
            log.flush()
            progress.set_postfix(loss=record["total"], boxes=record["boxes"])
            save_checkpoint(
                checkpoint,
                network=network.state_dict(),
                average=average.state_dict(),
                optimizer=optimizer.state_dict(),
                block=block + 1,
                config=asdict(config),
            )
    return checkpoint


def _losses(
    network: LiteNetwork,
    features: TrunkFeatures,
    targets: Targets,
    corners: Tensor,
    strides: Tensor,
    is_deep: bool,
) -> Losses:
    """What a batch costs; with ``is_deep`` through the end of the trunk, as it is now."""
    frozen = features.stride32
    with torch.autocast("cpu", torch.bfloat16):
        if is_deep:
            features = features._replace(stride32=network.trunk.coarsen(features.stride16))
        output, _ = network.detect(features)
    output = DenseOutput(*(part.float() for part in output))
    losses = distillation_losses(output, targets, corners, strides)
    if not is_deep:
        return losses
    with torch.autocast("cpu", torch.bfloat16):
        drift = classifier_drift(network.classifier, features.stride32, frozen)
    return losses._replace(total=losses.total + DRIFT_WEIGHT * drift, drift=drift)


def _parameter_groups(network: LiteNetwork, config: TrainConfig) -> list[dict[str, object]]:
    """AdamW's groups: heads and pyramid, then the trunk's end; biases and norms do not decay."""
    groups: list[dict[str, object]] = []
    deep = list(network.trunk.coarse_stages().parameters())
    heads = [*network.pyramid.parameters(), *network.heads.parameters()]
    for parameters, share in ((heads, 1.0), (deep, config.deep_share)):
        matrices = [parameter for parameter in parameters if parameter.ndim > 1]
        vectors = [parameter for parameter in parameters if parameter.ndim <= 1]
        groups.append({"params": matrices, "weight_decay": config.weight_decay, "share": share})
        groups.append({"params": vectors, "weight_decay": 0.0, "share": share})
    return groups


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move a running average a step towards a network; its norms' statistics are copied."""
    for mean, value in zip(average.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)
    for old, buffer in zip(average.buffers(), network.buffers(), strict=True):
        old.copy_(buffer)


def _trained_parts(network: LiteNetwork) -> tuple[nn.Module, ...]:
    return network.pyramid, network.heads, network.trunk.coarse_stages()


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
    except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as exc:
        raise CheckpointError(
            f"not a checkpoint of this network: {path}; move it away to start anew"
        ) from exc


def save_checkpoint(path: Path, **state: Any) -> None:
    """Write a run's state; whole or not at all."""
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.rename(path)
