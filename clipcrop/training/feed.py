"""From numbers of examples to batches, prepared ahead by other processes where there are some."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from .samples import Batch, Sample, ViewEncoder, collate
from .stream import Item
from .token_store import TokenStore, rounded
from .views import View, ViewMaker

Piece = tuple[Item, "View | Sample"]


class _Views(Dataset[Piece]):
    """Views of items, or their samples where they are on disk."""

    def __init__(self, maker: ViewMaker, store: TokenStore | None) -> None:
        self._maker = maker
        self._store = store

    def __getitem__(self, item: Item) -> Piece:
        number = self._maker.number_of(item.epoch)
        kept = self._store.read(item.example, number) if self._store else None
        return item, kept or self._maker.make(item.example, number)


def pieces_of(
    steps: Iterable[list[Item]],
    maker: ViewMaker,
    store: TokenStore | None,
    num_workers: int,
) -> Iterator[list[Piece]]:
    """For each step its views, or samples that the store has.

    Args:
        steps: The items of each step.
        maker: Makes the views.
        store: Where samples are kept; None to make every view anew.
        num_workers: Processes that do so; 0 to do it here.
    """
    loader: DataLoader[Piece] = DataLoader(
        _Views(maker, store),
        batch_sampler=steps,  # items instead of indices
        num_workers=num_workers,
        collate_fn=pickle.dumps,  # as tensors, each would take a descriptor of a file
        generator=torch.Generator(),  # else it draws from the one that dropout draws from
    )
    return map(pickle.loads, loader)


def encoded(
    pieces: Sequence[Piece], encoder: ViewEncoder, maker: ViewMaker, store: TokenStore | None
) -> list[Sample]:
    """Let the encoder look at those views that the store had no samples of, and keep them there."""
    views = [piece for _, piece in pieces if isinstance(piece, View)]
    fresh = iter(encoder.encode(views)) if views else iter(())
    samples = []
    for item, piece in pieces:
        if isinstance(piece, Sample):
            samples.append(piece._replace(tokens=piece.tokens.float()))
            continue
        sample = next(fresh)
        if store is not None:
            store.write(item.example, maker.number_of(item.epoch), sample)
            sample = rounded(sample)
        samples.append(sample)
    return samples


def parts_of(samples: Sequence[Sample], count: int) -> list[Batch]:
    """A step's samples as so many batches, or as many as there are samples."""
    size = -(-len(samples) // count)
    return [collate(samples[start : start + size]) for start in range(0, len(samples), size)]
