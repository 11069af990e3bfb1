"""The interface of the towers: what everything behind them relies on.

Axes, here and in every module of this package:

B  images in a batch
N  image tokens (patches, cells)
W  texts of the prompt (the whole prompt and its keywords)
M  query tokens, so crops predicted for an image
D  width of a token
E  width of the shared text-image space
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor, nn

from ..prompt import Text

LACKING_COST = 0.5
"""A token with nothing of an attribute that was asked for loses this share of its score: enough to
choose between two dogs, not enough to lose the only one in odd light."""

_SAMPLES = 256


class ImageTokens(NamedTuple):
    """What a tower sees in a batch of images; tensors are float32 on the tower's device."""

    tokens: Tensor
    """[B, N, D] image tokens."""

    class_embeddings: Tensor
    """[B, N, E] each token in the shared text-image space."""

    initial_boxes_cxcywh: Tensor
    """[B, N, 4] the box that the detector gives each token, normalised to the image itself (padding
    that the tower added is taken off again)."""

    objectness: Tensor
    """[B, N] how likely the token's box holds any object at all, 0 to 1."""

    mask: Tensor
    """[B, N] bool, False for tokens that lie in padding or fill up a batch."""

    logit_shift: Tensor | None = None
    """[B, N] added to the similarity (OWL-ViT); None where the similarity is the score."""

    logit_scale: Tensor | None = None
    """[B, N] multiplies the shifted similarity before the sigmoid; None as above."""

    attributes: Tensor | None = None
    """[B, N, A] how much each token has of each attribute (a colour), 0 to 1; None for a tower
    whose embeddings say it all."""

    def parts(self) -> dict[str, Tensor]:
        """The tensors that the tower gives, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def scores(self, text_embeddings: Tensor) -> Tensor:
        """How well each token matches each text.

        Args:
            text_embeddings: [W, E] from the same tower; [W, E + A] from one with attributes, the
                last A how much each attribute is asked for. [B, W, ...] for texts of their own
                for each image.

        Returns:
            [B, W, N] scores, 0 to 1; 0 for masked tokens.
        """
        size = self.class_embeddings.shape[2]
        kinds, asked = text_embeddings[..., :size], text_embeddings[..., size:]
        similarity = kinds @ self.class_embeddings.transpose(1, 2)  # [B, W, N]
        if self.logit_shift is not None and self.logit_scale is not None:
            shifted = similarity + self.logit_shift[:, None, :]
            similarity = torch.sigmoid(shifted * self.logit_scale[:, None, :])
        similarity = similarity.clamp(max=1.0)  # a breed and its kind may add up to more
        if self.attributes is not None:
            lacking = 1 - (asked @ self.attributes.transpose(1, 2)).clamp(max=1)  # [B, W, N]
            is_asked = (asked > 0).any(dim=-1, keepdim=True)  # [W, 1] or [B, W, 1]
            similarity = similarity * (1 - LACKING_COST * lacking * is_asked)
        return similarity * self.mask[:, None, :]


class Encoder(Protocol):
    """A tower: images to tokens with boxes, texts to embeddings, both in one space."""

    name: str
    """As users write it after ``--model``, and as replies name it."""

    min_score: float
    """Below this the tower's best match is no match: the text is dropped."""

    def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
        """Encode RGB images of any size; a batch gives what its images give one by one."""

    def encode_texts(self, texts: Sequence[Text]) -> Tensor:
        """Encode texts as [W, E]; a zero row for a text that the tower knows nothing about."""

    def encode_image_query(self, image: Image.Image) -> Tensor:
        """Encode an example of what to look for, an RGB image, as [1, E]."""

    def fingerprint(self) -> str:
        """The same for the same image weights, on every machine; see `weights_fingerprint`."""


@runtime_checkable
class TrainableEncoder(Encoder, Protocol):
    """A tower that can be trained along with the decoder."""

    def begin_training(self) -> nn.Module:
        """Let gradients flow through `encode_images`, where PyTorch records them.

        Returns:
            The part of the tower that they reach: what image tokens and initial boxes come from.
        """

    def save(self, folder: Path) -> None:
        """Write the weights so that they can be loaded by the folder's name; replaces it.

        Raises:
            CheckpointError: They cannot be written there.
        """


def weights_fingerprint(weights: Mapping[str, Tensor]) -> str:
    """16 hexadecimal digits that differ as soon as weights were trained further.

    Of each tensor its name, its shape and 256 values evenly spread over it are hashed: all values
    of a large tower would take a second.
    """
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        flat = value.detach().reshape(-1)
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        sample = flat[:: max(1, len(flat) // _SAMPLES)].to("cpu", torch.float32)
        digest.update(sample.numpy().tobytes())
    return digest.hexdigest()[:16]
