"""Image tokens in PyTorch: for the decoder, and for gradients through an encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .base import LACKING_COST, ImageTokens

_SAMPLES = 256


class TokenTensors(NamedTuple):
    """`ImageTokens` as tensors of one device; see there for the fields."""

    tokens: Tensor
    class_embeddings: Tensor
    initial_boxes_cxcywh: Tensor
    objectness: Tensor
    mask: Tensor
    logit_shift: Tensor | None = None
    logit_scale: Tensor | None = None
    attributes: Tensor | None = None

    @classmethod
    def of(cls, tokens: ImageTokens) -> TokenTensors:
        """What an encoder saw, on the device that holds the tokens for the decoder."""
        device = tokens.tokens.device if isinstance(tokens.tokens, Tensor) else torch.device("cpu")
        parts = tokens.parts()
        return cls(**{name: torch.as_tensor(part, device=device) for name, part in parts.items()})

    def parts(self) -> dict[str, Tensor]:
        """The tensors that the encoder gives, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def arrays(self) -> ImageTokens:
        """The same in NumPy; the tokens stay where they are."""
        parts: dict[str, Any] = {
            name: part.detach().cpu().numpy() for name, part in self.parts().items()
        }
        return ImageTokens(**parts)._replace(tokens=self.tokens)

    def scores(self, text_embeddings: Tensor) -> Tensor:
        """As `ImageTokens.scores`."""
        size = self.class_embeddings.shape[2]
        kinds, asked = text_embeddings[..., :size], text_embeddings[..., size:]
        similarity = kinds @ self.class_embeddings.transpose(1, 2)  # [B, W, N]
        if self.logit_shift is not None and self.logit_scale is not None:
            shifted = similarity + self.logit_shift[:, None, :]
            similarity = torch.sigmoid(shifted * self.logit_scale[:, None, :])
        similarity = similarity.clamp(max=1.0)
        if self.attributes is not None:
            lacking = 1 - (asked @ self.attributes.transpose(1, 2)).clamp(max=1)  # [B, W, N]
            is_asked = (asked > 0).any(dim=-1, keepdim=True)
            similarity = similarity * (1 - LACKING_COST * lacking * is_asked)
        return similarity * self.mask[:, None, :]


def weights_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits that differ as soon as weights were trained further.

    Of each tensor its name, its shape and 256 values evenly spread over it are hashed: all values
    of a large encoder would take a second.
    """
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        flat = value.detach().reshape(-1)
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        sample = flat[:: max(1, len(flat) // _SAMPLES)].to("cpu", torch.float32)
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()[:16]
