"""Trained decoders on disk: one safetensors file, its configuration as JSON in the header.

The header says which format it is, how the decoder is built, and for which encoder it was trained:
by name, for people, and by fingerprint. Another encoder is refused: its tokens mean something else.
`clipcrop.weights.decoders` finds the file and reads the header, without PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ..encoders.base import Encoder
from ..errors import CheckpointError
from ..weights.decoders import (
    ENCODER_FOLDER,
    FORMAT,
    HOW_TO_REPLACE,
    DecoderInfo,
    damaged_header,
    read_decoder_info,
)
from .network import FORMER_READINGS, Decoder, DecoderConfig


def save_decoder(
    decoder: Decoder,
    path: Path,
    *,
    encoder: str,
    encoder_fingerprint: str,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a decoder's weights as float32, whole or not at all.

    Args:
        decoder: The decoder.
        path: A ``.safetensors`` file; its folder is made, and what was there is replaced.
        encoder: `Encoder.name` of the one that it was trained for.
        encoder_fingerprint: `Encoder.fingerprint` of it.
        notes: Kept in the header.

    Raises:
        CheckpointError: It cannot be written there.
    """
    weights = {
        name: value.detach().float().cpu().contiguous()
        for name, value in decoder.state_dict().items()
    }
    header = {
        "format": FORMAT,
        "config": json.dumps(asdict(decoder.config)),
        "tower": encoder,
        "tower_fingerprint": encoder_fingerprint,
        "notes": json.dumps(dict(notes or {}), ensure_ascii=False),
    }
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, part, metadata=header)
        part.replace(path)
    except (OSError, SafetensorError) as exc:
        raise CheckpointError(
            f"cannot write the decoder {path}: {exc}; choose a folder with room that is yours"
        ) from exc


def load_decoder(path: Path, encoder: Encoder, device: torch.device | None = None) -> Decoder:
    """Load a decoder for use with an encoder.

    Args:
        path: From `find_decoder`.
        encoder: The one that it will be used with.
        device: Where it computes, the encoder's device; the CPU by default.

    Raises:
        CheckpointError: The file is missing, damaged, of another kind, or was trained for another
            encoder; one sentence says which.
    """
    info = read_decoder_info(path)
    if info.encoder_fingerprint != encoder.fingerprint():
        raise CheckpointError(_about_the_encoder(path, info, encoder))
    try:
        config = DecoderConfig(**_without_former_readings(info.config, path))
    except (TypeError, ValueError) as exc:
        raise damaged_header(path, exc) from exc
    decoder = _fill(config, path)
    return decoder.to(device or torch.device("cpu")).eval().requires_grad_(False)


def _about_the_encoder(path: Path, info: DecoderInfo, encoder: Encoder) -> str:
    """Which encoder a decoder needs, where it is not the one that is used."""
    if name := info.notes.get(ENCODER_FOLDER):
        return (
            f"the decoder {path} was trained together with its encoder, not for {encoder.name!r} "
            f"as it is here; use --model {path.with_name(name)}"
        )
    also = " with other weights" if info.encoder == encoder.name else ""
    return (
        f"the decoder {path} was trained for the encoder {info.encoder!r}{also}, not for "
        f"{encoder.name!r} as it is here; choose that encoder, another decoder, or none"
    )


def _without_former_readings(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What an earlier version wrote, without fields that have one value left."""
    for name, value in FORMER_READINGS.items():
        if config.get(name, value) != value:
            raise CheckpointError(
                f"the decoder {path} was trained with {name} {config[name]!r}, which this version "
                "cannot compute; train it anew"
            )
    return {name: value for name, value in config.items() if name not in FORMER_READINGS}


def _fill(config: DecoderConfig, path: Path) -> Decoder:
    weights = load_file(path)
    if config.num_layers > len(weights):  # else building so many could take for ever
        raise CheckpointError(
            f"the decoder {path} is damaged: it has {len(weights)} tensors for "
            f"{config.num_layers} layers; {HOW_TO_REPLACE}"
        )
    try:
        with torch.device("meta"):  # no memory is taken for weights that are replaced at once
            decoder = Decoder(config)
        decoder.load_state_dict({name: part.float() for name, part in weights.items()}, assign=True)
    except (TypeError, ValueError, RuntimeError) as exc:
        reason = " ".join(str(exc).split())[:300]
        raise CheckpointError(
            f"the weights of the decoder {path} are not those of its configuration ({reason}); "
            f"{HOW_TO_REPLACE}"
        ) from exc
    if bad := [name for name, part in weights.items() if not bool(part.isfinite().all())]:
        raise CheckpointError(
            f"the weights of the decoder {path} are not all finite numbers ({bad[0]}): its "
            "training has diverged; use an earlier checkpoint"
        )
    return decoder
