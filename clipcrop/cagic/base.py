"""The two interfaces of CAGIC: a captioner (what is in a crop) and aesthetics (how good it looks).

Both read a photo first, and are then asked about batches of crops, many times. What they answer is
differentiable with respect to the crops' boxes, through pixels or, for stand-ins, directly.

R stands for crops in a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..imaging.images import LoadedImage
from ..suggestions import Detection, Dropped
from .sampler import Crops

Judge = Callable[[Crops], Tensor]
"""Crops -> [R], one number for each; float32 or as the boxes, on their device."""


@dataclass(frozen=True)
class Reading:
    """A photo and a prompt, as a captioner understands them."""

    loss: Judge
    """L_caption of crops: lower where the crop shows what the prompt says, and little else."""

    matched: tuple[Detection, ...] = ()
    """What was found for the prompt, by a captioner that finds things at all."""

    dropped: tuple[Dropped, ...] = ()
    """What was not found, likewise."""

    is_found: bool = True
    """False where nothing of the prompt is in the photo: the loss is the same for all crops."""


class Captioner(Protocol):
    """Says what is in a crop."""

    name: str
    """As outputs name it; that of a stand-in begins with ``stand-in:``."""

    device: torch.device
    """Where it computes."""

    def read(self, image: LoadedImage, prompt: str) -> Reading:
        """Look at a photo and a prompt once.

        Raises:
            InputError: There is nothing in the prompt that it could use.
        """


class Aesthetics(Protocol):
    """Says how good a crop looks."""

    name: str
    """As outputs name it; that of a stand-in begins with ``stand-in:``."""

    device: torch.device
    """Where it computes; the captioner's."""

    def read(self, image: LoadedImage) -> Judge:
        """Look at a photo once; the judge gives g of crops, mostly 0 to 1, higher is better."""
