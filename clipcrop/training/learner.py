"""What is trained, as one module, so that PyTorch can exchange its gradients between processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from ..decoder.network import Decoder, DecoderOutput
from ..encoders.base import Encoder, TrainableEncoder
from ..errors import InputError
from .criterion import CropTargets
from .samples import Batch, ViewEncoder, collate, decode

if TYPE_CHECKING:
    from .views import View


class Learner(nn.Module):
    """The decoder, and the part of the encoder that is trained with it, if any is."""

    def __init__(self, decoder: Decoder, encoder: ViewEncoder, tower: nn.Module | None) -> None:
        super().__init__()
        self.decoder = decoder
        self.tower = tower
        self._encoder = encoder

    def forward(
        self, part: Batch | Sequence[View]
    ) -> tuple[DecoderOutput, tuple[CropTargets, ...]]:
        """Crops of a batch from a frozen encoder, or of views that are encoded here."""
        if not isinstance(part, Batch):
            part = collate(self._encoder.encode(part))
        return decode(self.decoder, part), part.targets


def trained_encoder_part(encoder: Encoder) -> nn.Module:
    """The part of an encoder that gradients reach, ready to be trained.

    Raises:
        InputError: It is an encoder that cannot be trained further.
    """
    if not isinstance(encoder, TrainableEncoder):
        raise InputError(
            f"the encoder {encoder.name!r} cannot be trained; leave --tower-lr at 0, or choose "
            "an OWL-ViT or OWLv2 model"
        )
    return encoder.begin_training()
