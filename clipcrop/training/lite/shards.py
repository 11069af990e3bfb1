"""Views as the frozen trunk and the teacher see them, in files of some hundred views each.

The trunk is not trained, so its features of a view never change and need computing once. A shard is
made from the seed and its number alone: whichever process makes it, and whenever, it is the same.
About 310 MB for 512 views; half precision; made in a temporary file and renamed, so a shard that is
there is whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...encoders.lite_pixels import INPUT_PX, STRIDES, cell_grid, to_network_input
from .network import Trunk, TrunkFeatures
from .photos import PhotoPool
from .views import random_view

VIEWS_PER_SHARD = 512
"""Few enough for memory, enough that one shard at a time is a fair sample of all."""

_KEEP_OBJECTNESS = 0.02  # classes and boxes of emptier cells are not kept: they weigh nothing
_POLL_S = 2.0


class Targets(NamedTuple):
    """What the teacher said about a batch of views. K: cells with something in them, all views."""

    objectness: Tensor
    """[B, N] probability."""

    view: Tensor
    """[K] int64, which view of the batch each kept cell belongs to."""

    cell: Tensor
    """[K] int64, which cell of that view it is."""

    boxes: Tensor
    """[K, 4] as in `DenseOutput`."""

    classes: Tensor
    """[K, 80] probabilities."""


def shard_path(folder: Path, index: int) -> Path:
    """Where shard number ``index`` lies."""
    return folder / f"views-{index:05d}.safetensors"


@torch.no_grad()
def make_shard(
    pool: PhotoPool,
    trunk: Trunk,
    teacher: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    folder: Path,
    index: int,
    seed: int,
    num_views: int = VIEWS_PER_SHARD,
) -> Path:
    """Make one shard, unless it is there already."""
    path = shard_path(folder, index)
    if path.exists():
        return path
    rng = np.random.default_rng([seed, index])
    features: list[list[Tensor]] = [[], [], []]
    objectness, view_of, cell_of, boxes, classes = [], [], [], [], []
    for number in range(num_views):
        view = random_view(pool, rng, INPUT_PX)
        said = torch.from_numpy(teacher(view))
        kept = (said[:, 4] >= _KEEP_OBJECTNESS).nonzero()[:, 0]
        objectness.append(said[:, 4].half())
        view_of.append(torch.full_like(kept, number, dtype=torch.int16))
        cell_of.append(kept.to(torch.int16))
        boxes.append(said[kept, :4].half())
        classes.append((said[kept, 5:] * 255).round().to(torch.uint8))
        # Half of the time of float32, and the rounding is far below the augmentation.
        with torch.autocast("cpu", torch.bfloat16):
            seen = trunk(torch.from_numpy(to_network_input(view)))
        for level, feature in zip(features, seen, strict=True):
            level.append(feature[0].half().contiguous())
    tensors = {f"stride{s}": torch.stack(f) for s, f in zip(STRIDES, features, strict=True)}
    tensors |= {
        "objectness": torch.stack(objectness),
        "view": torch.cat(view_of),
        "cell": torch.cat(cell_of),
        "boxes": torch.cat(boxes),
        "classes": torch.cat(classes),
    }
    temporary = path.with_suffix(".part")
    save_file(tensors, temporary)
    temporary.rename(path)
    return path


class Shard:
    """One shard in memory, handed out in batches."""

    def __init__(self, path: Path) -> None:
        self._tensors = load_file(path)
        self._starts = torch.searchsorted(self._tensors["view"].long(), torch.arange(len(self) + 1))

    def __len__(self) -> int:
        return self._tensors["objectness"].shape[0]

    def grid(self) -> tuple[Tensor, Tensor]:
        """Corners and strides of the cells of its views; see `cell_grid`."""
        rows, columns = self._tensors[f"stride{STRIDES[-1]}"].shape[2:]
        corners, strides = cell_grid(rows * STRIDES[-1], columns * STRIDES[-1])
        return torch.from_numpy(corners), torch.from_numpy(strides)

    def batch(self, views: Tensor) -> tuple[TrunkFeatures, Targets]:
        """Features and targets of these views, [B] int64."""
        features = TrunkFeatures(
            *(
                self._tensors[f"stride{stride}"][views]
                .float()
                .contiguous(memory_format=torch.channels_last)
                for stride in STRIDES
            )
        )
        spans = [slice(int(self._starts[v]), int(self._starts[v + 1])) for v in views]
        view = torch.cat(
            [torch.full((s.stop - s.start,), i, dtype=torch.int64) for i, s in enumerate(spans)]
        )
        gathered = {
            name: torch.cat([self._tensors[name][span] for span in spans])
            for name in ("cell", "boxes", "classes")
        }
        targets = Targets(
            objectness=self._tensors["objectness"][views].float(),
            view=view,
            cell=gathered["cell"].long(),
            boxes=gathered["boxes"].float(),
            classes=gathered["classes"].float() / 255,
        )
        return features, targets


def wait_for_shard(folder: Path, index: int, say: Callable[[str], None]) -> Shard:
    """Open a shard, waiting while another process still makes it."""
    path = shard_path(folder, index)
    if not path.exists():
        say(f"waiting for {path.name}; `cache` makes it")
        while not path.exists():
            time.sleep(_POLL_S)
    return Shard(path)


def shard_for_block(block: int, num_shards: int, uses: int, seed: int) -> int:
    """Which shard a block of training reads: a new one every ``uses`` blocks, else one seen before.

    So training can start with the first shard, and each is read about ``uses`` times while the
    others are being made; after the last new one, all are drawn alike.
    """
    newest = min(num_shards - 1, block // uses)
    if block % uses == 0 and block // uses < num_shards:
        return newest
    return int(np.random.default_rng([seed, block]).integers(0, newest + 1))
