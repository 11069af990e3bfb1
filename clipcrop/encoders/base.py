"""The interface of the encoders: what everything behind them relies on.

Axes, here and in every module of this package:

B  images in a batch
N  image tokens (patches, cells)
W  texts of the prompt (the whole prompt and its keywords)
M  query tokens, so crops predicted for an image
D  width of a token
E  width of the shared text-image space
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ..arrays import BoolArray, FloatArray, sigmoid
from ..errors import CheckpointError
from ..prompt.parser import Text

if TYPE_CHECKING:
    from torch import nn

    from .tensors import TokenTensors

LACKING_COST = 0.5
"""A token with nothing of an attribute that was asked for loses this share of its score: enough to
choose between two dogs, not enough to lose the only one in odd light."""


class ImageTokens(NamedTuple):
    """What an encoder sees in a batch of images; arrays are float32 but for the mask."""

    tokens: Any
    """[B, N, D] image tokens, for the decoder alone: what `tensors.TokenTensors.of` understands, an
    array or a tensor on the encoder's device. None where no decoder will ask for it."""

    class_embeddings: FloatArray
    """[B, N, E] each token in the shared text-image space."""

    initial_boxes_cxcywh: FloatArray
    """[B, N, 4] the box that the detector gives each token, normalised to the image itself (padding
    that the encoder added is taken off again)."""

    objectness: FloatArray
    """[B, N] how likely the token's box holds any object at all, 0 to 1."""

    mask: BoolArray
    """[B, N] bool, False for tokens that lie in padding or fill up a batch."""

    logit_shift: FloatArray | None = None
    """[B, N] added to the similarity (OWL-ViT); None where the similarity is the score."""

    logit_scale: FloatArray | None = None
    """[B, N] multiplies the shifted similarity before the sigmoid; None as above."""

    attributes: FloatArray | None = None
    """[B, N, A] how much each token has of each attribute (a colour), 0 to 1; None for an encoder
    whose embeddings say it all."""

    def parts(self) -> dict[str, Any]:
        """The arrays that the encoder gives, by name."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    def with_more(self, more: ImageTokens) -> ImageTokens:
        """These and other tokens of the same images; for the decoder only where both have them."""
        joined: dict[str, Any] = {
            name: np.concatenate([value, getattr(more, name)], axis=1)
            for name, value in self.parts().items()
            if getattr(more, name) is not None
        }
        return ImageTokens(**{"tokens": None, **joined})

    def scores(self, text_embeddings: FloatArray) -> FloatArray:
        """How well each token matches each text.

        Args:
            text_embeddings: [W, E] from the same encoder; [W, E + A] from one with attributes, the
                last A how much each attribute is asked for. [B, W, ...] for texts of their own
                for each image.

        Returns:
            [B, W, N] scores, 0 to 1; 0 for masked tokens.
        """
        size = self.class_embeddings.shape[2]
        kinds, asked = text_embeddings[..., :size], text_embeddings[..., size:]
        similarity = kinds @ self.class_embeddings.swapaxes(1, 2)  # [B, W, N]
        if self.logit_shift is not None and self.logit_scale is not None:
            shifted = similarity + self.logit_shift[:, None, :]
            similarity = sigmoid(shifted * self.logit_scale[:, None, :])
        similarity = np.minimum(similarity, 1)  # a breed and its kind may add up to more
        if self.attributes is not None:
            lacking = 1 - np.minimum(asked @ self.attributes.swapaxes(1, 2), 1)  # [B, W, N]
            is_asked = (asked > 0).any(axis=-1, keepdims=True)  # [W, 1] or [B, W, 1]
            similarity = similarity * (1 - LACKING_COST * lacking * is_asked)
        result: FloatArray = similarity * self.mask[:, None, :]
        return result

    def checked(self, encoder: str) -> ImageTokens:
        """These tokens, if they are numbers.

        Args:
            encoder: Its name, for the message.

        Raises:
            CheckpointError: Scores or boxes are not finite: the weights are damaged.
        """
        parts = (self.class_embeddings, self.initial_boxes_cxcywh, self.objectness)
        if not all(np.isfinite(part.sum()) for part in parts):
            raise CheckpointError(
                f"the weights of {encoder} are damaged: what it computes are no numbers; "
                "download or install them again"
            )
        return self


class Encoder(Protocol):
    """An encoder: images to tokens with boxes, texts to embeddings, both in one space.

    Encoders inherit from it, so that the type checker names what one lacks.
    """

    name: str
    """As users write it after ``--model``, and as replies name it."""

    min_score: float
    """With less confidence the best match is no match: the text is dropped."""

    sure_score: float
    """With less confidence the best match is only perhaps what was asked for."""

    min_query_score: float
    """The same for an example image (`encode_image_query`)."""

    def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
        """Encode RGB images of any size; a batch gives what its images give one by one."""

    def encode_texts(self, texts: Sequence[Text]) -> FloatArray:
        """Encode texts as [W, E]; a zero row for a text that the encoder knows nothing about."""

    def confidence(
        self, tokens: ImageTokens, text_embeddings: FloatArray, scores: FloatArray
    ) -> FloatArray:
        """How sure it is that each token is what each text names, 0 to 1.

        Args:
            tokens: From this encoder.
            text_embeddings: [W, E] of texts, as for `ImageTokens.scores`.
            scores: [B, W, N] of the same, which that gives.

        Returns:
            [B, W, N]; a copy of the scores, unless they are calibrated.
        """
        confidence: FloatArray = scores.copy()
        return confidence

    def taken_for(self, text: Text, found: FloatArray | None = None) -> str | None:
        """What a text is taken for, where its own meaning cannot be told from others ("rider").

        Args:
            text: Of the prompt.
            found: [E] class embedding of the token that it was found as; without it, what holds
                whatever was found.
        """
        return None

    def encode_image_query(self, image: Image.Image) -> FloatArray:
        """Encode an example of what to look for, an RGB image, as [1, E]."""

    def fingerprint(self) -> str:
        """16 hexadecimal digits: the same for the same image weights, on every machine."""


@runtime_checkable
class CloserEncoder(Encoder, Protocol):
    """An encoder that sees more in a part of an image than in the whole."""

    def encode_parts(self, image: Image.Image) -> ImageTokens:
        """Encode overlapping parts of an RGB image.

        Returns:
            Tokens of all parts as those of one image, boxes normalised to the whole; without what
            a part cuts off.
        """


@runtime_checkable
class TrainableEncoder(Encoder, Protocol):
    """An encoder that can be trained along with the decoder."""

    def encode_tensors(self, images: Sequence[Image.Image]) -> TokenTensors:
        """As `encode_images`, in PyTorch; gradients flow after `begin_training`."""

    def begin_training(self) -> nn.Module:
        """Let gradients flow through `encode_tensors`, where PyTorch records them.

        Returns:
            The part of the encoder that they reach: what image tokens and initial boxes come from.
        """

    def save(self, folder: Path) -> None:
        """Write the weights so that they can be loaded by the folder's name; replaces it.

        Raises:
            CheckpointError: They cannot be written there.
        """
