"""The caption loss of the poster."""

from __future__ import annotations

import math

import pytest
import torch

from clipcrop.cagic.losses import caption_loss


def test_it_is_the_cross_entropy_of_the_two_averages():
    # Two crops, three words said of the first, two of the second, a vocabulary of four.
    said = torch.tensor(
        [
            [[0.7, 0.1, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1], [0.3, 0.2, 0.4, 0.1]],
            [[0.1, 0.1, 0.1, 0.7], [0.4, 0.4, 0.1, 0.1], [0.9, 0.05, 0.04, 0.01]],
        ]
    )
    is_said = torch.tensor([[True, True, True], [True, True, False]])
    asked = torch.tensor([0, 1, 0])  # so p is 2/3, 1/3, 0, 0

    losses = caption_loss(said.log(), is_said, asked)

    first = -2 / 3 * math.log((0.7 + 0.2 + 0.3) / 3) - 1 / 3 * math.log((0.1 + 0.6 + 0.2) / 3)
    second = -2 / 3 * math.log((0.1 + 0.4) / 2) - 1 / 3 * math.log((0.1 + 0.4) / 2)
    assert losses.tolist() == pytest.approx([first, second])


def test_the_order_of_the_words_does_not_matter():
    said = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(1)).log_softmax(dim=-1)
    is_said = torch.ones(2, 5, dtype=torch.bool)

    one = caption_loss(said, is_said, torch.tensor([3, 1, 6]))
    other = caption_loss(said.flip(1), is_said, torch.tensor([6, 3, 1]))

    torch.testing.assert_close(one, other)


def test_a_word_next_to_impossible_still_has_a_gradient():
    logits = torch.zeros(1, 2, 3)
    logits[..., 0] = -300  # a probability that float32 cannot hold
    logits.requires_grad_()
    is_said = torch.ones(1, 2, dtype=torch.bool)

    loss = caption_loss(logits.log_softmax(dim=-1), is_said, torch.tensor([0]))
    loss.sum().backward()

    assert loss.item() == pytest.approx(300 + math.log(2), rel=1e-5)
    assert logits.grad is not None
    assert (logits.grad[..., 0] < -0.4).all()


def test_what_is_said_after_the_end_has_no_gradient():
    logits = torch.zeros(1, 3, 4, requires_grad=True)
    is_said = torch.tensor([[True, True, False]])

    caption_loss(logits.log_softmax(dim=-1), is_said, torch.tensor([2])).sum().backward()

    assert logits.grad is not None
    assert torch.equal(logits.grad[0, 2], torch.zeros(4))
    assert (logits.grad[0, :2].abs() > 0).all()
