"""The caption loss of CAGIC, for captioners that give words one after the other.

    L_total(I, y, theta)   = L_caption(I, y, theta) + lambda L_aesthetic(I, theta)
    L_caption              = H(1/T_u sum_t y_t,  1/T_c sum_t f(I_crop(theta))_t)
    L_aesthetic            = -g(I_crop(theta))

(Horanyi et al., Repurposing Existing Deep Networks for Caption and Aesthetic-Guided Image Cropping;
the poster's equations.) y are the user's words, each a one-hot vector, f is the captioner's
distribution over the vocabulary for each word that it says of the crop, g the aesthetic network.

Axes: R crops, T words that the captioner says, V vocabulary, U words of the user.
"""

from __future__ import annotations

import torch
from torch import Tensor


def caption_loss(log_probabilities: Tensor, is_said: Tensor, asked_words: Tensor) -> Tensor:
    """Cross-entropy between the user's words and the captioner's, each averaged over time.

    With p(v) the share of the user's words that are v, and q(v) the mean over the words t that the
    captioner says of its probability of v at t:

        L = H(p, q) = - sum_v p(v) log q(v)

    The order of words does not matter, nor how many each side says. Only user's words are summed
    over, since p is 0 elsewhere; the mean is taken of logarithms without leaving them, so that a
    word that is next to impossible still has a gradient.

    Args:
        log_probabilities: [R, T, V] logarithm of f, natural.
        is_said: [R, T] bool, False from the end of each caption on; at least one word is said.
        asked_words: [U] int64 the user's words, indices into the vocabulary, repeated where the
            user repeats them; U is at least 1.

    Returns:
        [R] in nats, at least 0.
    """
    asked = log_probabilities[:, :, asked_words]  # [R, T, U]
    asked = asked.masked_fill(~is_said[:, :, None], -torch.inf)
    log_mean = asked.logsumexp(dim=1) - is_said.sum(dim=1, keepdim=True).log()  # [R, U]
    loss: Tensor = -log_mean.mean(dim=1)
    return loss
