"""Which file holds a decoder; needs no PyTorch. `decoder_checkpoint` reads and writes them."""

from __future__ import annotations

import re
from pathlib import Path

from .checkpoint import default_models_folder
from .errors import InputError

LAST_DECODER = "last.safetensors"
BEST_DECODER = "best.safetensors"
"""Of the folder of a training: the end of the schedule, and the best in validation."""


def default_decoder_path(encoder: str, models_folder: Path | None = None) -> Path:
    """Where an encoder's decoder is looked for when none is named; there need not be one."""
    # An encoder may be named by its folder, whose path is no name of a file.
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", encoder)
    return (models_folder or default_models_folder()) / "decoders" / f"{name}.safetensors"


def find_decoder(choice: str | Path, encoder: str) -> Path | None:
    """Say which file holds the decoder that a user chose.

    Args:
        choice: "auto" (the one at `default_decoder_path`, if there is one), "none", or a path.
        encoder: Name of the encoder that is used.

    Returns:
        The file; None for no decoder.

    Raises:
        InputError: There is no such file.
    """
    if str(choice) == "none":
        return None
    if str(choice) == "auto":
        path = default_decoder_path(encoder)
        return path if path.is_file() else None
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
