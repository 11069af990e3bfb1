"""Which examples a step sees: all of them in a new order each epoch, one epoch after the other.

Steps are cut out of that endless row, so every batch is full, whatever the number of examples, and
what a step sees follows from its number alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Item(NamedTuple):
    """One example's turn."""

    example: int
    """Which one, by its place among all of them."""

    epoch: int
    """In which pass over all of them."""


class Stream:
    """The row of examples, and the steps that it is cut into."""

    def __init__(self, num_examples: int, batch_size: int, seed: int) -> None:
        self._num_examples = num_examples
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._order: list[int] = []

    def step(self, number: int, rank: int = 0, world_size: int = 1) -> list[Item]:
        """What a process works on in a step, counted from 0.

        The shares of all processes, in the order of their ranks, are the whole batch.
        """
        share = self._batch_size // world_size
        start = number * self._batch_size + rank * share
        return [self._at(position) for position in range(start, start + share)]

    def _at(self, position: int) -> Item:
        epoch, place = divmod(position, self._num_examples)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._order = torch.randperm(self._num_examples, generator=generator).tolist()
            self._epoch = epoch
        return Item(self._order[place], epoch)
