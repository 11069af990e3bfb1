"""Evidence for kinds of people, for every cell: linear in the maps that the network has anyway."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...encoders.lite_people import NUM_PLACES, NUM_TRAITS
from .network import NUM_IMAGENET
from .scene_head import FEATURE_CHANNELS

PEOPLE_CHANNELS = (*FEATURE_CHANNELS[:2], FEATURE_CHANNELS[2] + NUM_IMAGENET)
"""Of the maps at strides 8, 16, 32: those of the scene head, and ImageNet's logits at 32."""


class PeopleMaps(nn.Module):
    """A map a stride, trait and place: what a person has at that place says about the trait."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Conv2d(channels, NUM_TRAITS * places, 1)
            for channels, places in zip(PEOPLE_CHANNELS, NUM_PLACES, strict=True)
        )

    def forward(
        self, stride8: Tensor, stride16: Tensor, stride32: Tensor, imagenet: Tensor
    ) -> tuple[Tensor, ...]:
        """[B, C, H/s, W/s] maps and [B, 1000, H/32, W/32] logits -> [B, T * P, H/s, W/s]."""
        inputs = (stride8, stride16, torch.cat([stride32, imagenet], dim=1))
        return tuple(one(each) for one, each in zip(self.maps, inputs, strict=True))
