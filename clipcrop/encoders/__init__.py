"""Towers: images to tokens with boxes, texts to embeddings, all in one space.

base    the interface, and the legend of the axes
lite    our own small tower, its weights inside the package: lite_pixels (photos in), lite_network,
        lite_imagenet (classes without boxes), lite_words (texts), lite_colours
owlvit  OWL-ViT and OWLv2 through the transformers library

`load_encoder` makes one by name. Importing this package imports none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoint import find_checkpoint, verify_checkpoint
from ..device import choose_device, memory_errors_named

if TYPE_CHECKING:
    from .base import Encoder

__all__ = ["load_encoder"]


def load_encoder(name_or_path: str | Path = "auto", device: str = "auto") -> Encoder:
    """Load a tower.

    Args:
        name_or_path: As `clipcrop.checkpoint.find_checkpoint` takes it.
        device: As `clipcrop.device.choose_device` takes it.

    Raises:
        InputError: No such name, and no such path.
        CheckpointError: The weights are missing, damaged or of another kind.
        DeviceError: No such device.
        OutOfMemory: Not enough memory on it.
    """
    checkpoint = find_checkpoint(name_or_path)
    path = verify_checkpoint(checkpoint)  # before torch is imported: a mistake is told at once
    chosen_device = choose_device(device)
    with memory_errors_named(chosen_device):
        if checkpoint.kind == "lite":
            from .lite import LiteEncoder

            return LiteEncoder.load(path, chosen_device)

        from .owlvit import OwlVitEncoder

        return OwlVitEncoder.load(checkpoint, chosen_device)
