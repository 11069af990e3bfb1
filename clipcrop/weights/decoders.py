"""Which file holds a decoder, and what its header says; needs no PyTorch.

    <models folder>/decoders/<encoder>.safetensors    used whenever that encoder is

`clipcrop.decoder.checkpoint` reads and writes the weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, InputError
from .checkpoint import default_models_folder
from .registry import ENCODERS

FORMAT = "clipcrop-decoder-1"
"""In the header of every file; the number rises when older code would misread newer files."""

HOW_TO_REPLACE = "train it again, or copy it again from where it came from"

LAST_DECODER = "last.safetensors"
BEST_DECODER = "best.safetensors"
"""Of the folder of a training: the end of the schedule, and the best in validation."""

ENCODER_FOLDER = "encoder_folder"
"""Key of `DecoderInfo.notes`: the folder, beside the file, of an encoder that was trained too."""


@dataclass(frozen=True)
class DecoderInfo:
    """What the header of a decoder's file says."""

    config: Mapping[str, Any]
    """The fields of its `DecoderConfig`, unchecked."""

    encoder: str
    """Name of the encoder that it was trained for."""

    encoder_fingerprint: str
    """What `Encoder.fingerprint` gave for it."""

    notes: Mapping[str, str]
    """Added by the training."""


def default_decoder_path(encoder: str, models_folder: Path | None = None) -> Path:
    """Where an encoder's decoder is looked for when none is named; there need not be one."""
    # An encoder may be named by its folder, whose path is no name of a file.
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", encoder)
    return (models_folder or default_models_folder()) / "decoders" / f"{name}.safetensors"


def find_decoder(choice: str | Path, encoder: str) -> Path | None:
    """Say which file holds the decoder that a user chose.

    Args:
        choice: "auto" (the one at `default_decoder_path` of one of the encoder's names, if there
            is one), "none", or a path.
        encoder: Name of the encoder that is used.

    Returns:
        The file; None for no decoder.

    Raises:
        InputError: There is no such file.
    """
    if str(choice) == "none":
        return None
    if str(choice) == "auto":
        names = ENCODERS[encoder].names if encoder in ENCODERS else (encoder,)
        return next((path for path in map(default_decoder_path, names) if path.is_file()), None)
    path = Path(choice)
    try:
        is_there = path.is_file()
    except (OSError, ValueError):  # a name too long for a path, or with a zero byte in it
        is_there = False
    if not is_there:
        raise InputError(
            f"no such decoder: {str(choice)[:200]!r}; name a .safetensors file that `clipcrop "
            "train` wrote, or choose auto or none"
        )
    return path


def read_decoder_info(path: Path) -> DecoderInfo:
    """What a file says of itself, whichever encoder is here.

    Raises:
        CheckpointError: It is missing, damaged or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError) as exc:
        raise CheckpointError(
            f"cannot read the decoder {path} ({exc}): it is missing, cut short or no safetensors "
            f"file; {HOW_TO_REPLACE}"
        ) from exc
    found = header.get("format", "")
    if found != FORMAT:
        if found.startswith(FORMAT.rpartition("-")[0] + "-"):
            raise CheckpointError(
                f"the decoder {path} has the format {found!r}, this clipcrop reads {FORMAT!r}; "
                "install the version that wrote it, or train it again"
            )
        raise CheckpointError(
            f"{path} holds no decoder: its format is {found or 'not given'}, expected {FORMAT!r}"
        )
    try:
        config = dict(json.loads(header["config"]).items())
        notes = json.loads(header.get("notes", "{}"))
        return DecoderInfo(config, header["tower"], header["tower_fingerprint"], notes)
    except (AttributeError, KeyError, ValueError) as exc:
        raise damaged_header(path, exc) from exc


def damaged_header(path: Path, exc: Exception) -> CheckpointError:
    """The error of a header whose values cannot be used."""
    return CheckpointError(f"the header of the decoder {path} is damaged ({exc}); {HOW_TO_REPLACE}")
