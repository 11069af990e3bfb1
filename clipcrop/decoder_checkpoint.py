"""Trained decoders on disk: one safetensors file, its configuration as JSON in the header.

The header says which format it is, how the decoder is built, and for which tower it was trained: by
name, for people, and by fingerprint. Another tower is refused: its tokens mean something else.

    <models folder>/decoders/<tower>.safetensors    used whenever that tower is, if it is there
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from .decoder import Decoder, DecoderConfig
from .encoders.base import Encoder
from .errors import CheckpointError

FORMAT = "clipcrop-decoder-1"
"""In the header of every file; the number rises when older code would misread newer files."""

_HOW_TO_GO_ON = "train it again, or copy it again from where it came from"


@dataclass(frozen=True)
class DecoderInfo:
    """What the header of a decoder's file says."""

    config: DecoderConfig
    """How it is built."""

    tower: str
    """Name of the tower that it was trained for."""

    tower_fingerprint: str
    """What `Encoder.fingerprint` gave for it."""

    notes: Mapping[str, str]
    """Whatever whoever trained it wanted to say."""


def save_decoder(
    decoder: Decoder,
    path: Path,
    *,
    tower: str,
    tower_fingerprint: str,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a decoder's weights as float32, whole or not at all.

    Args:
        decoder: The decoder.
        path: A ``.safetensors`` file; its folder is made, and what was there is replaced.
        tower: `Encoder.name` of the tower that it was trained for.
        tower_fingerprint: `Encoder.fingerprint` of it.
        notes: Kept in the header.

    Raises:
        CheckpointError: It cannot be written there.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    weights = {
        name: value.detach().float().cpu().contiguous()
        for name, value in decoder.state_dict().items()
    }
    header = {
        "format": FORMAT,
        "config": json.dumps(asdict(decoder.config)),
        "tower": tower,
        "tower_fingerprint": tower_fingerprint,
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
    """Load a decoder for use with a tower.

    Args:
        path: From `find_decoder`.
        encoder: The tower that it will be used with.
        device: Where it computes, the tower's device; the CPU by default.

    Raises:
        CheckpointError: The file is missing, damaged, of another kind, or was trained for another
            tower; one sentence says which.
    """
    info, weights = _read(path)
    if info.tower_fingerprint != encoder.fingerprint():
        also = " with other weights" if info.tower == encoder.name else ""
        raise CheckpointError(
            f"the decoder {path} was trained for the tower {info.tower!r}{also}, not for "
            f"{encoder.name!r} as it is here; choose that tower, another decoder, or none"
        )
    decoder = _fill(info.config, weights, path)
    return decoder.to(device or torch.device("cpu")).eval().requires_grad_(False)


def read_decoder_info(path: Path) -> DecoderInfo:
    """What a file says of itself, whichever tower is here.

    Raises:
        CheckpointError: It is missing, damaged or of another kind.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[DecoderInfo, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as exc:
        raise CheckpointError(
            f"cannot read the decoder {path} ({exc}): it is missing, cut short or no safetensors "
            f"file; {_HOW_TO_GO_ON}"
        ) from exc
    return _parse(header, path), weights


def _parse(header: Mapping[str, str], path: Path) -> DecoderInfo:
    found = header.get("format", "")
    kind, _, _ = FORMAT.rpartition("-")
    if found != FORMAT:
        if found.startswith(f"{kind}-"):
            raise CheckpointError(
                f"the decoder {path} has the format {found!r}, this clipcrop reads {FORMAT!r}; "
                "install the version that wrote it, or train it again"
            )
        raise CheckpointError(
            f"{path} holds no decoder: its format is {found or 'not given'}, expected {FORMAT!r}"
        )
    try:
        config = DecoderConfig(**json.loads(header["config"]))
        notes = json.loads(header.get("notes", "{}"))
        return DecoderInfo(config, header["tower"], header["tower_fingerprint"], notes)
    except (KeyError, TypeError, ValueError) as exc:
        raise CheckpointError(
            f"the header of the decoder {path} is damaged ({exc}); {_HOW_TO_GO_ON}"
        ) from exc


def _fill(config: DecoderConfig, weights: Mapping[str, Tensor], path: Path) -> Decoder:
    if config.num_layers > len(weights):  # else building so many could take for ever
        raise CheckpointError(
            f"the decoder {path} is damaged: it has {len(weights)} tensors for "
            f"{config.num_layers} layers; {_HOW_TO_GO_ON}"
        )
    try:
        with torch.device("meta"):  # no memory is taken for weights that are replaced at once
            decoder = Decoder(config)
        decoder.load_state_dict({name: part.float() for name, part in weights.items()}, assign=True)
    except (TypeError, ValueError, RuntimeError) as exc:
        reason = " ".join(str(exc).split())[:300]
        raise CheckpointError(
            f"the weights of the decoder {path} are not those of its configuration ({reason}); "
            f"{_HOW_TO_GO_ON}"
        ) from exc
    if bad := [name for name, part in weights.items() if not bool(part.isfinite().all())]:
        raise CheckpointError(
            f"the weights of the decoder {path} are not all finite numbers ({bad[0]}): its "
            "training has diverged; use an earlier checkpoint"
        )
    return decoder
