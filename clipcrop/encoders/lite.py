"""The embedded tower: small, offline, on any CPU.

A class embedding is a token's activation for each of 1,080 concepts (COCO's 80 classes, ImageNet's
1,000), a text embedding a weight for each of them, so a score is a dot product between 0 and 1. The
texts need no network: `lite_words` looks them up in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..boxes import average_alike, cxcywh_to_xyxy, xyxy_to_cxcywh
from ..checkpoint import EMBEDDED_LITE
from ..device import memory_errors_named
from ..errors import CheckpointError
from ..prompt import Text
from .base import ImageTokens, weights_fingerprint
from .lite_colours import COLOURS, colour_match, colour_of, colour_shares
from .lite_imagenet import imagenet_activations
from .lite_network import (
    STRIDES,
    LiteNetwork,
    cell_grid,
    channels_last,
    decode_boxes,
    fold_norms,
)
from .lite_pixels import letterbox
from .lite_words import NUM_COCO, NUM_CONCEPTS, WordTable

EMBEDDED_WORDS = Path(__file__).with_name("lite_words.safetensors")

_COLOUR_SIDE_PX = 208  # colours are looked at in a small copy
_COLOURED_TOKENS = 100  # and only of the likeliest objects
_FINE_TOKENS = 200  # the cells of stride 8 that are kept, by objectness

_AVERAGED_TOKENS = 150
_SAME_IOU = 0.6
_NAMED_FINE_TOKENS = 200


class LiteEncoder:
    """The lite tower behind the interface of `base.Encoder`."""

    name = "lite"
    min_score = 0.03

    def __init__(
        self, network: LiteNetwork, words: WordTable, device: torch.device | None = None
    ) -> None:
        self.device = device or torch.device("cpu")
        self._network = channels_last(network.to(self.device))
        self._network.eval().requires_grad_(False)
        self._words = words

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        device: torch.device | None = None,
        words_path: Path | None = None,
    ) -> LiteEncoder:
        """Load the embedded weights, or other ones made by the same recipe.

        Raises:
            CheckpointError: A file is missing, damaged or not a lite tower's.
        """
        network = load_network(path or EMBEDDED_LITE)
        return cls(network, WordTable.read(words_path or EMBEDDED_WORDS), device)

    @torch.no_grad()  # and not inference mode: a decoder may be trained on the tokens
    def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
        """Encode RGB images; tokens are the cells of strides 8 (the best ones), 16 and 32."""
        with memory_errors_named(self.device):
            per_image = [self._encode(image).parts() for image in images]
            most = max(parts["mask"].shape[1] for parts in per_image)
            padded = [_pad_tokens(parts, most) for parts in per_image]
            names = padded[0]
            return ImageTokens(**{name: torch.cat([one[name] for one in padded]) for name in names})

    def encode_texts(self, texts: Sequence[Text]) -> Tensor:
        """[W, E + A] weights over the concepts, then over the colours that are asked for.

        A row of zeros for a text far from every concept.
        """
        with memory_errors_named(self.device):
            rows = [torch.cat([self._words.embed(text), _asked_colours(text)]) for text in texts]
            embeddings = torch.stack(rows)
            is_known = embeddings[:, :NUM_CONCEPTS].any(dim=1, keepdim=True)
            return (embeddings * is_known).to(self.device)

    @torch.inference_mode()
    def encode_image_query(self, image: Image.Image) -> Tensor:
        """[1, E] what the example's main object is, scaled so that it would score itself 1."""
        with memory_errors_named(self.device):
            tokens = self._encode(image)
        middle = (tokens.initial_boxes_cxcywh[0, :, :2] - 0.5).abs().amax(dim=1)
        size = tokens.initial_boxes_cxcywh[0, :, 2:].clamp(0, 1).prod(dim=1).sqrt()
        # The example is the thing: large, in the middle, surely an object.
        prominence = tokens.objectness[0] * size * (1 - middle).clamp(min=0) * tokens.mask[0]
        embedding = tokens.class_embeddings[0, prominence.argmax()]
        weights = embedding / embedding.square().sum().clamp(min=1e-6)
        return torch.nn.functional.pad(weights, (0, len(COLOURS)))[None]

    def fingerprint(self) -> str:
        """Of the network; the table of words has no part in what image tokens mean."""
        return weights_fingerprint(self._network.state_dict())

    def _encode(self, image: Image.Image) -> ImageTokens:
        view = letterbox(image)
        features = self._network.trunk(view.pixels.to(self.device))
        output, levels = self._network.detect(features)
        logits = self._network.classifier(features.stride32)[0]  # [1000, H, W]

        height_px, width_px = view.pixels.shape[2:]
        corners, strides = (part.to(self.device) for part in cell_grid(height_px, width_px))
        objectness = output.objectness[0].sigmoid()
        kept = _kept_cells(objectness, strides)
        corners, strides, objectness = corners[kept], strides[kept], objectness[kept]

        boxes_px = decode_boxes(output.boxes[0, kept], corners, strides)
        limit = boxes_px.new_tensor([view.width_px, view.height_px] * 2)
        boxes_xyxy = (cxcywh_to_xyxy(boxes_px) / limit).clamp(0.0, 1.0)
        # Neighbouring cells see the same object and err differently.
        likely = objectness.topk(min(_AVERAGED_TOKENS, len(objectness))).indices
        boxes_xyxy[likely] = average_alike(boxes_xyxy[likely], objectness[likely], _SAME_IOU)
        centres_px = (corners + 0.5) * strides[:, None]
        # The first cell counts even of an image that is thinner than half of it.
        inside = ((centres_px < limit[:2]) | (corners == 0)).all(dim=1)

        coco = objectness[:, None] * output.classes[0, kept].sigmoid()
        imagenet = torch.zeros(len(kept), NUM_CONCEPTS - NUM_COCO, device=self.device)
        named = _named_by_imagenet(objectness, strides)
        imagenet[named] = imagenet_activations(
            logits, (boxes_xyxy * limit)[named], centres_px[named], objectness[named]
        )
        width = max(level.shape[1] for level in levels)
        tokens = torch.cat(
            [
                torch.nn.functional.pad(level[0].flatten(1).T, (0, width - level.shape[1]))
                for level in levels
            ]
        )[kept]
        return ImageTokens(
            tokens=tokens[None],
            class_embeddings=torch.cat([coco, imagenet], dim=1)[None],
            initial_boxes_cxcywh=xyxy_to_cxcywh(boxes_xyxy)[None],
            objectness=objectness[None],
            mask=inside[None],
            attributes=_colours(image, boxes_xyxy, objectness)[None],
        )


def load_network(path: Path) -> LiteNetwork:
    """A network for use, its norms folded, filled from a file that `training.lite export` wrote."""
    tensors = _read(path)
    network = LiteNetwork()
    fold_norms(network)  # the file's names and shapes are those of the folded layers
    try:
        with memory_errors_named(torch.device("cpu")):  # which are RuntimeErrors, too
            parts = {name: part.float() for name, part in tensors.items()}
        network.load_state_dict(parts, assign=True)
    except RuntimeError as exc:
        raise CheckpointError(
            f"not a lite tower of this version: {path}; install clipcrop again, or export anew"
        ) from exc
    return network


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as exc:
        raise CheckpointError(f"no weights at {path}; install clipcrop again") from exc
    except (SafetensorError, OSError) as exc:
        raise CheckpointError(f"damaged weights: {path}; install clipcrop again") from exc


def _kept_cells(objectness: Tensor, strides: Tensor) -> Tensor:
    """Indices of the cells that become tokens: the best of stride 8, all of 16 and 32."""
    num_fine = int((strides == STRIDES[0]).sum())
    best = objectness[:num_fine].topk(min(_FINE_TOKENS, num_fine)).indices.sort().values
    rest = torch.arange(num_fine, len(strides), device=objectness.device)
    return torch.cat([best, rest])


def _named_by_imagenet(objectness: Tensor, strides: Tensor) -> Tensor:
    """Indices of the tokens that are told ImageNet's classes: all coarse ones, the best others.

    A thousand classes for every token would take as long as the pyramid.
    """
    is_coarse = strides == STRIDES[-1]
    finer = (objectness * ~is_coarse).topk(min(_NAMED_FINE_TOKENS, int((~is_coarse).sum())))
    return torch.cat([is_coarse.nonzero()[:, 0], finer.indices])


def _colours(image: Image.Image, boxes_xyxy: Tensor, objectness: Tensor) -> Tensor:
    """[K, 11] colours of the likeliest objects, zeros for the other tokens."""
    small = image.copy()
    small.thumbnail((_COLOUR_SIDE_PX, _COLOUR_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    rgb = torch.from_numpy(np.array(small))
    likely = objectness.topk(min(_COLOURED_TOKENS, len(objectness))).indices
    shares = torch.zeros(len(objectness), len(COLOURS), device=objectness.device)
    shares[likely] = colour_shares(rgb, boxes_xyxy[likely]).to(objectness.device)
    return shares


def _asked_colours(text: Text) -> Tensor:
    """[11] what a text asks for: 1 for its colour, less for those that are taken for it."""
    colour = colour_of(text)
    return (
        torch.zeros(len(COLOURS))
        if colour is None
        else colour_match(torch.eye(len(COLOURS)), colour)
    )


def _pad_tokens(parts: dict[str, Tensor], most: int) -> dict[str, Tensor]:
    """Fill [1, N] and [1, N, ...] up to ``most`` tokens, with ones that the mask leaves out."""
    missing = most - parts["mask"].shape[1]
    return {
        name: torch.nn.functional.pad(value, (0, 0) * (value.ndim - 2) + (0, missing))
        for name, value in parts.items()
    }
