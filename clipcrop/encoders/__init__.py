"""Encoders: images to tokens with boxes, texts to embeddings, all in one space.

base    the interface, and the legend of the axes
lite    our own small encoder, its weights inside the package: lite_pixels (photos in), lite_graph
        (the network), lite_imagenet (classes without boxes), lite_words (texts), lite_colours
owlvit  OWL-ViT and OWLv2 through PyTorch and the transformers library, which are an extra
tensors what the encoders give, in PyTorch: for the decoder and for training

`load_encoder` makes one by name. Importing this package imports none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..device import choose_device, memory_errors_named, require_cpu
from ..extras import require_extra
from ..weights.checkpoint import Checkpoint, find_checkpoint, verify_checkpoint

if TYPE_CHECKING:
    from .base import Encoder

__all__ = ["load_encoder"]


def load_encoder(
    name_or_path: str | Path = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str | None = None,
) -> Encoder:
    """Load an encoder.

    Args:
        name_or_path: As `clipcrop.weights.checkpoint.find_checkpoint` takes it.
        device: As `clipcrop.device.choose_device` takes it; ``lite`` runs on the processor only.
        threads: For one image on the processor; see `clipcrop.device.num_threads` for the default.
        precision: What OWL-ViT's image transformer computes in, as `OwlVitEncoder.load` takes it.

    Raises:
        InputError: No such name, and no such path.
        NotInstalled: PyTorch, which it needs, is missing.
        CheckpointError: The weights are missing, damaged or of another kind.
        DeviceError: No such device.
        OutOfMemory: Not enough memory on it.
    """
    checkpoint = find_checkpoint(name_or_path)
    if checkpoint.needs_torch:
        require_extra("owlvit", f"the model {checkpoint.name}")
    else:
        require_cpu(device, checkpoint.kind)
    path = verify_checkpoint(checkpoint)  # before PyTorch is imported: a mistake is told at once
    match checkpoint.kind:
        case "lite":
            from .lite import LiteEncoder

            return LiteEncoder.load(path, threads=threads)
        case "owlvit" | "owlv2":
            return _load_owlvit(checkpoint, device, threads, precision)
        case kind:
            # A family without a case here is a mistake in the code, not in what a user wrote.
            raise NotImplementedError(f"{__name__}.load_encoder has no case for {kind!r}")


def _load_owlvit(
    checkpoint: Checkpoint, device: str, threads: int | None, precision: str | None
) -> Encoder:
    from .owlvit import OwlVitEncoder

    chosen_device = choose_device(device)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    with memory_errors_named(chosen_device):
        return OwlVitEncoder.load(checkpoint, chosen_device, precision=precision)
