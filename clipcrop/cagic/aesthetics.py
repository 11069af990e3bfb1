"""LAION's aesthetic networks: a published head on the image embedding of a CLIP.

The heads are files of their own, in one of two layouts, both state dicts of PyTorch:

    linear  ``weight`` [1, E], ``bias`` [1]
            such as sa_0_4_vit_l_14_linear.pth
    MLP     ``layers.N.weight``, ``layers.N.bias``, widths E, 1024, 128, 64, 16, 1
            N = 0 2 4 6 7, only dropout between: such as sac+logos+ava1-l14-linearMSE.pth
            N = 0 3 6 9 11, ReLU as well: such as ava+logos-l14-reluMSE.pth

All were trained on unit embeddings, to give a rating from 1 to 10.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..device import memory_errors_named
from ..errors import CheckpointError
from ..imaging.images import LoadedImage
from ..weights.pretrained import damage_named, load_pretrained, read_model_type
from .base import Judge
from .sampler import Crops
from .vision import Normaliser

_LAYOUTS: dict[tuple[str, ...], type[nn.Module]] = {
    ("",): nn.Identity,
    tuple(f"layers.{place}." for place in (0, 2, 4, 6, 7)): nn.Identity,
    tuple(f"layers.{place}." for place in (0, 3, 6, 9, 11)): nn.ReLU,
}
"""Prefixes of a head's layers, in order -> what comes between them."""

_LOWEST, _HIGHEST = 1.0, 10.0


class ClipAesthetics:
    """A CLIP's image embedding, and a head that rates it.

    Args:
        clip: transformers' CLIPVisionModelWithProjection, frozen, on its device.
        head: [R, E] unit embeddings -> [R, 1] ratings, frozen, on the same device.
        normaliser: What the CLIP wants of pixels.
        name: As outputs name it.
    """

    def __init__(self, clip: Any, head: nn.Module, normaliser: Normaliser, name: str) -> None:
        self.name = name
        self.device: torch.device = clip.device
        self._clip = clip
        self._head = head
        self._normaliser = normaliser

    @classmethod
    def load(cls, head_path: Path, clip_folder: Path, device: torch.device) -> ClipAesthetics:
        """Load a head and the CLIP that it was trained on.

        Args:
            head_path: ``.pth``, of which tensors only are read, or ``.safetensors``.
            clip_folder: config.json, model.safetensors, preprocessor_config.json.
            device: From `choose_device`.

        Raises:
            CheckpointError: Either is something else, damaged, or they don't fit each other.
            OutOfMemory: There is no room for them.
        """
        head = load_head(head_path)
        clip = _load_clip(clip_folder)
        width = cast("nn.Linear", head[0]).in_features
        if clip.config.projection_dim != width:
            raise CheckpointError(
                f"the aesthetic head {head_path} is for embeddings of {width} numbers, but the "
                f"CLIP in {clip_folder} gives {clip.config.projection_dim}; put the right one "
                "beside it"
            )
        with memory_errors_named(device):
            clip, head = clip.to(device).requires_grad_(False), head.to(device)
        normaliser = Normaliser.load(clip_folder, clip.config, device)
        return cls(clip, head, normaliser, f"aesthetic head {head_path.stem}")

    def read(self, image: LoadedImage) -> Judge:
        """See `Aesthetics`."""
        return self._judge

    def _judge(self, crops: Crops) -> Tensor:
        """[R] the rating, mapped linearly from 1..10 to 0..1."""
        embeddings = self._clip(pixel_values=self._normaliser(crops)).image_embeds
        ratings = self._head(nn.functional.normalize(embeddings, dim=-1))[:, 0]
        rated: Tensor = (ratings - _LOWEST) / (_HIGHEST - _LOWEST)
        return rated


def _load_clip(folder: Path) -> Any:
    """The image half of a CLIP, which is all that is read of a whole one."""
    from transformers import CLIPConfig, CLIPVisionModelWithProjection

    kind = read_model_type(folder)
    settings: dict[str, Any] = {}
    if kind == "clip":
        with damage_named(f"cannot read {folder} as a CLIP"):
            whole: Any = CLIPConfig.from_pretrained(folder, local_files_only=True)
        # Of the two places for the width of the embeddings, this is the one that counts.
        whole.vision_config.projection_dim = whole.projection_dim
        settings["config"] = whole.vision_config
    elif kind != "clip_vision_model":
        raise CheckpointError(
            f"{folder} holds a model of type {kind!r}; an aesthetic head needs a clip"
        )
    return load_pretrained(CLIPVisionModelWithProjection, folder, "a CLIP", **settings)


def load_head(path: Path) -> nn.Sequential:
    """Read an aesthetic head of a published layout; frozen, in evaluation mode.

    Raises:
        CheckpointError: It cannot be read, or is none.
    """
    tensors = _read_tensors(path)
    prefixes = _prefixes(tensors, path)
    linears = [_linear(tensors[f"{one}weight"], tensors[f"{one}bias"], path) for one in prefixes]
    inputs = [linear.in_features for linear in linears]
    if [linear.out_features for linear in linears] != [*inputs[1:], 1]:
        raise CheckpointError(_no_head(path, "its layers don't fit each other"))
    layers: list[nn.Module] = [linears[0]]
    for linear in linears[1:]:
        layers += [_LAYOUTS[prefixes](), linear]
    return nn.Sequential(*layers).eval().requires_grad_(False)


def _prefixes(tensors: dict[str, Tensor], path: Path) -> tuple[str, ...]:
    """The layout that has just these tensors."""
    for prefixes in _LAYOUTS:
        if {f"{one}{kind}" for one in prefixes for kind in ("weight", "bias")} == set(tensors):
            return prefixes
    raise CheckpointError(_no_head(path, f"it holds {', '.join(sorted(tensors)[:3])}, ..."))


def _linear(weight: Tensor, bias: Tensor, path: Path) -> nn.Linear:
    if weight.ndim != 2 or bias.shape != weight.shape[:1] or not weight.numel():
        raise CheckpointError(_no_head(path, f"a layer has weights of {list(weight.shape)}"))
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.load_state_dict({"weight": weight, "bias": bias})
    return linear


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name; nothing else in it is read, and nothing run."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, pickle.UnpicklingError, EOFError) as exc:
        reason = " ".join(str(exc).split())[:120] or "it is damaged"
        raise CheckpointError(
            f"cannot read the aesthetic head {path} ({reason}); download it again"
        ) from exc
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise CheckpointError(_no_head(path, "it is no table of tensors"))
    return found


def _no_head(path: Path, reason: str) -> str:
    return (
        f"{path} is no aesthetic head: {reason}; choose one of LAION's linear or MLP heads, such "
        "as sac+logos+ava1-l14-linearMSE.pth"
    )
