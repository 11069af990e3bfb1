"""What a published vision model wants of pixels: its size, and its training's normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..encoders.owlvit_pixels import MEAN, STD
from ..errors import CheckpointError
from ..weights.checkpoint import read_settings
from ..weights.registry import CONFIG_FILE
from .sampler import Crops

PREPROCESSOR_FILE = "preprocessor_config.json"


@dataclass(frozen=True)
class Normaliser:
    """Crops -> pixels as a model takes them; other proportions than its own are stretched."""

    side_px: int
    """Height and width."""

    mean: Tensor
    """[3, 1, 1] of each channel, values 0 to 1."""

    std: Tensor
    """[3, 1, 1] likewise, its standard deviation."""

    @classmethod
    def load(cls, folder: Path, config: Any, device: torch.device) -> Normaliser:
        """Of a model's folder.

        Args:
            folder: Mean and deviation are those in its ``preprocessor_config.json``, CLIP's (and
                BLIP's) where there is no such file.
            config: The model's, which says for which size it has positions.
            device: The model's.

        Raises:
            CheckpointError: The file cannot be used.
        """
        path = folder / PREPROCESSOR_FILE
        settings = read_settings(path) if path.is_file() else {}
        try:
            mean, std = (
                torch.tensor(settings.get(key, default), dtype=torch.float32).reshape(3, 1, 1)
                for key, default in (("image_mean", MEAN), ("image_std", STD))
            )
        except (TypeError, ValueError, RuntimeError) as exc:
            raise CheckpointError(
                f"{path} has no mean and deviation of three channels; download it again"
            ) from exc
        vision = getattr(config, "vision_config", None) or getattr(config, "encoder", config)
        side = getattr(vision, "image_size", None)
        if not isinstance(side, int) or side < 1:
            raise CheckpointError(
                f"{folder / CONFIG_FILE} names no image_size of one number; such models are not "
                "supported"
            )
        return cls(side, mean.to(device), std.to(device))

    def __call__(self, crops: Crops) -> Tensor:
        """[R, 3, side, side] normalised."""
        return (crops.pixels(self.side_px, self.side_px) - self.mean) / self.std
