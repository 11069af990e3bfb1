"""What the weights of a run depend on: under other circumstances no run is gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..datasets import Example
from ..decoder import network
from ..decoder.network import DecoderConfig
from ..encoders.base import Encoder
from ..errors import InputError
from . import criterion
from .config import TrainConfig
from .criterion import CriterionConfig
from .samples import selecting_variant

_OF_SAMPLES = (
    *("mosaic_sides", "tile_filter", "filter_stage", "jitter", "flip", "side_px", "views", "seed"),
    *("precision", "tower", "examples", "validation"),
)


def identity_of(
    config: TrainConfig,
    decoder_config: DecoderConfig,
    criterion_config: CriterionConfig,
    encoder: Encoder,
    examples: Sequence[Example],
    validation: Sequence[Example],
) -> dict[str, Any]:
    """All that the weights depend on, as JSON has it."""
    values = (
        criterion.FORMER_READINGS
        | network.FORMER_READINGS
        | asdict(config)
        | asdict(decoder_config)
        | asdict(criterion_config)
    )
    del values["accumulate"]  # the same sums in other parts
    values["tower"] = f"{encoder.name} {encoder.fingerprint()}"
    values["examples"] = _digest(examples)
    values["validation"] = _digest(validation)
    known: dict[str, Any] = json.loads(json.dumps(values))
    return known


def _digest(examples: Sequence[Example]) -> str:
    """How many they are, and a hash of what they say, wherever they lie."""
    digest = hashlib.sha256()
    for one in examples:
        query = one.query_image.name if one.query_image else ""
        digest.update(repr((one.photo.name, one.text, query, one.crops, one.size_px)).encode())
    return f"{len(examples)} {digest.hexdigest()[:16]}"


def check_same(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Refuse to go on with a run under other circumstances.

    Raises:
        InputError: With the first value that differs.
    """
    for name in now:
        if before.get(name) != now[name]:
            raise InputError(
                f"the run in {str(folder)!r} was started with {name} {before.get(name)!r}, now it "
                f"is {now[name]!r}; use the same, or another folder to start anew"
            )


def sample_key(identity: dict[str, Any]) -> str:
    """A name for all that the samples of a run depend on; runs may share those of one key."""
    known = [selecting_variant(identity["variant"]), *(identity[name] for name in _OF_SAMPLES)]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
