"""Where the networks of CAGIC are: by name, by path, or a stand-in.

Published models are looked for in the models folder, then in the Hugging Face cache, at a pinned
revision. Nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..device import choose_device
from ..errors import CheckpointError, InputError
from ..predictor import CachedEncoder, Predictor
from ..weights.checkpoint import default_models_folder, find_published
from ..weights.registry import BLIP, CLIP, CONFIG_FILE, PublishedModel
from .aesthetics import ClipAesthetics
from .base import Aesthetics, Captioner
from .captioner import TransformersCaptioner
from .options import STAND_IN
from .stand_ins import CompositionAesthetics, EncoderCaptioner

HEADS = "aesthetics"
"""Folder in the models folder for an aesthetic head, and its CLIP where that is another one."""


def load_networks(
    captioner: str = "auto",
    aesthetics: str = "auto",
    *,
    model: str | Path = "auto",
    device: str = "auto",
    cached_encoder: CachedEncoder | None = None,
) -> tuple[Captioner, Aesthetics]:
    """Load what CAGIC repurposes.

    Args:
        captioner: "auto" (BLIP base where it is on this machine, else the stand-in), "blip",
            "stand-in", or a folder with a captioner of transformers.
        aesthetics: "auto" (a head in the models folder's ``aesthetics``, else the stand-in),
            "stand-in", or the file of a head; its CLIP is the one in the same folder, or CLIP
            ViT-L/14 from the models folder or the Hugging Face cache.
        model: The stand-ins' encoder, as `Predictor.load` takes it.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        cached_encoder: An encoder that is there already; then ``model`` is not looked at.

    Returns:
        Both on one device: the processor, if both are stand-ins.

    Raises:
        InputError: There is no such captioner or head.
        CheckpointError: Weights are missing, damaged or of another kind.
        DeviceError: There is no such device.
        OutOfMemory: There is not enough memory on it.
    """
    captioner_folder = _find_captioner(captioner)
    head = _find_head(aesthetics)
    wanted = choose_device(device)
    if captioner_folder is None and head is None:
        wanted = torch.device("cpu")
    if cached_encoder is None and (captioner_folder is None or head is None):
        cached_encoder = CachedEncoder(Predictor.load(model, device))
    caption: Captioner
    if captioner_folder is not None:
        caption = TransformersCaptioner.load(captioner_folder, wanted, _name(captioner))
    else:
        assert cached_encoder is not None
        caption = EncoderCaptioner(cached_encoder, wanted)
    looks: Aesthetics
    if head is not None:
        looks = ClipAesthetics.load(head, _find_clip(head), wanted)
    else:
        assert cached_encoder is not None
        looks = CompositionAesthetics(cached_encoder, wanted)
    return caption, looks


def check_networks(captioner: str, aesthetics: str) -> None:
    """Refuse what `load_networks` would not find, without loading anything.

    Raises:
        InputError: There is no such captioner or head.
        CheckpointError: Weights are missing.
    """
    _find_captioner(captioner)
    head = _find_head(aesthetics)
    if head is not None:
        _find_clip(head)


def _find_captioner(name: str) -> Path | None:
    """The folder; None for the stand-in."""
    if name in ("auto", BLIP.name):
        found = find_published(BLIP)
        if found is None and name == BLIP.name:
            raise CheckpointError(
                f"the captioner {name} is not on this machine; {_how_to_get(BLIP)}"
            )
        return found
    if name == STAND_IN:
        return None
    if not name or not Path(name).is_dir():
        raise InputError(
            f"no such captioner: {name!r}; choose auto, {BLIP.name}, {STAND_IN}, or a folder with "
            "a captioner of transformers"
        )
    return Path(name)


def _find_head(name: str) -> Path | None:
    """The file; None for the stand-in."""
    if name == STAND_IN:
        return None
    if name == "auto":
        folder = default_models_folder() / HEADS
        heads = sorted([*folder.glob("*.pth"), *folder.glob("*.pt")])
        return heads[0] if heads else None
    if not Path(name).is_file():
        raise InputError(
            f"no such aesthetic head: {name!r}; choose auto, {STAND_IN}, or the file of a head "
            "such as sac+logos+ava1-l14-linearMSE.pth"
        )
    return Path(name)


def _find_clip(head: Path) -> Path:
    if (head.parent / CONFIG_FILE).is_file():
        return head.parent
    found = find_published(CLIP)
    if found is None:
        raise CheckpointError(
            f"the CLIP that the aesthetic head {head} needs is not on this machine; put its "
            f"config.json and model.safetensors beside the head, or for ViT-L/14 "
            f"{_how_to_get(CLIP)}"
        )
    return found


def _how_to_get(model: PublishedModel) -> str:
    """For the end of a message."""
    return (
        f"run `hf download {model.repository} --revision {model.revision}`, or put its files "
        f"into {default_models_folder() / model.name}"
    )


def _name(captioner: str) -> str:
    """As outputs name it."""
    return BLIP.name if captioner in ("auto", BLIP.name) else f"captioner {Path(captioner).name}"
