"""The processes of a training: one, or as many as ``torchrun`` started.

PyTorch's own data parallelism does the work; this module only sets up its processes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from ..device import choose_device
from ..errors import InputError


@dataclass(frozen=True)
class Processes:
    """This process among those of the training."""

    rank: int
    """Its number, from 0."""

    world_size: int
    """How many there are."""

    device: torch.device
    """What this one computes on."""

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and talks."""
        return self.rank == 0

    @property
    def are_several(self) -> bool:
        """Whether there is anyone to agree with."""
        return self.world_size > 1

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes of each value; on the CPU."""
        if not self.are_several:
            return values.cpu()
        total = values.to(self.device, copy=True)
        dist.all_reduce(total)
        return total.cpu()

    def any(self, flag: bool) -> bool:
        """Whether it is true in one of the processes."""
        return bool(self.sum(torch.tensor([float(flag)]))[0] > 0)

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.are_several:
            dist.barrier()


@contextlib.contextmanager
def joined(device: str = "auto") -> Iterator[Processes]:
    """Take part in what ``torchrun`` started, or work alone.

    Args:
        device: As `clipcrop.device.choose_device` takes it; with several processes and CUDA each
            takes the card of its number on its machine.

    Raises:
        DeviceError: There is no such device.
        InputError: What the environment says makes no sense.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Processes(0, 1, choose_device(device))
        return
    chosen = choose_device(device)
    if chosen.type == "mps":
        raise InputError(
            "several processes cannot share an Apple GPU; choose the cpu, or train in one"
        )
    if chosen.type == "cuda":
        chosen = choose_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), chosen)
    finally:
        dist.destroy_process_group()
