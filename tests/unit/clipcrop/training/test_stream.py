"""The row of examples that steps are cut out of."""

from __future__ import annotations

from collections import Counter

from clipcrop.training.stream import Stream


def test_every_epoch_shows_every_example_once_in_another_order():
    stream = Stream(num_examples=10, batch_size=5, seed=0)

    items = [item for step in range(6) for item in stream.step(step)]

    epochs = [[item.example for item in items if item.epoch == epoch] for epoch in range(3)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_batches_are_full_where_examples_don_t_fill_them():
    stream = Stream(num_examples=3, batch_size=8, seed=0)

    items = [item for step in range(3) for item in stream.step(step)]

    assert Counter(item.example for item in items) == {0: 8, 1: 8, 2: 8}
    assert [item.epoch for item in items] == sorted(item.epoch for item in items)


def test_a_step_is_the_same_whatever_was_asked_before():
    one, other = (Stream(num_examples=7, batch_size=4, seed=3) for _ in range(2))

    forth = [one.step(step) for step in range(5)]
    back = [other.step(step) for step in reversed(range(5))]

    assert forth == back[::-1]


def test_the_shares_of_processes_are_the_batch():
    stream = Stream(num_examples=11, batch_size=6, seed=1)

    for step in range(4):
        shares = [stream.step(step, rank, 3) for rank in range(3)]
        assert [len(share) for share in shares] == [2, 2, 2]
        assert [item for share in shares for item in share] == stream.step(step)


def test_another_seed_gives_another_order():
    orders = {tuple(Stream(20, 20, seed).step(0)) for seed in range(5)}

    assert len(orders) == 5
