"""A checkpoint -> the weights that are used: norms folded, half precision, safetensors."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import torch
from safetensors.torch import save_file

from ...encoders.lite_network import LiteNetwork, fold_norms
from ...errors import CheckpointError


def export(checkpoint: Path, output: Path) -> None:
    """Write the running average of a checkpoint to ``output``; how it was trained goes with it."""
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        network = LiteNetwork()
        network.load_state_dict(state["average"])
    except FileNotFoundError as exc:
        raise CheckpointError(f"no checkpoint at {checkpoint}; `train` writes it") from exc
    except (OSError, RuntimeError, KeyError, pickle.UnpicklingError) as exc:
        raise CheckpointError(f"not a checkpoint of this network: {checkpoint}") from exc
    fold_norms(network)
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(
        tensors, output, {"config": json.dumps(state["config"]), "blocks": str(state["block"])}
    )
