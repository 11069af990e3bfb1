"""What is trained, as one module, so that PyTorch can exchange its gradients between processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from ..decoder import Decoder, DecoderOutput
from ..encoders.base import Encoder, TrainableEncoder
from ..errors import InputError
from .criterion import CropTargets
from .samples import Batch, ViewEncoder, collate, decode

if TYPE_CHECKING:
    from .views import View


class Learner(nn.Module):
    """The decoder, and the part of the tower that is trained with it, if any is."""

    def __init__(self, decoder: Decoder, encoder: ViewEncoder, tower: nn.Module | None) -> None:
        super().__init__()
        self.decoder = decoder
        self.tower = tower
        self._encoder = encoder

    def forward(
        self, part: Batch | Sequence[View]
    ) -> tuple[DecoderOutput, tuple[CropTargets, ...]]:
        """Crops of a batch that a frozen tower has seen, or of views that the tower is to see."""
        if not isinstance(part, Batch):
            part = collate(self._encoder.encode(part))
        return decode(self.decoder, part), part.targets


def trained_tower(encoder: Encoder) -> nn.Module:
    """The part of a tower that gradients reach, ready to be trained.

    Raises:
        InputError: It is a tower that cannot be trained further.
    """
    if not isinstance(encoder, TrainableEncoder):
        raise InputError(
            f"the tower {encoder.name!r} cannot be trained along; leave --tower-lr at 0, or choose "
            "an OWL-ViT or OWLv2 model"
        )
    return encoder.begin_training()
