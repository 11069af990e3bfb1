"""Samples: the encoder's output for a view, as decoder and criterion need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ..datasets import Example
from ..datasets.ratings import MAX_MOS, MIN_MOS
from ..decoder.conditioning import condition, stack_texts, texts_for
from ..decoder.network import Decoder, DecoderOutput, DecoderVariant
from ..decoder.tensor_boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from ..encoders.base import Encoder, TrainableEncoder
from ..encoders.tensors import TokenTensors
from ..errors import InputError
from ..imaging.images import load_image
from ..prompt.paper import paper_prompt
from ..prompt.parser import Text
from .config import TrainConfig
from .criterion import CropTargets
from .mosaic import keeps
from .views import View


class Sample(NamedTuple):
    """One view, encoded."""

    tokens: Tensor
    """[N, D] its image tokens, without padding."""

    token_boxes_cxcywh: Tensor
    """[N, 4] their initial boxes."""

    selected_mean: Tensor
    """[D] mean of the tokens that the text selects."""

    union_box_cxcywh: Tensor
    """[4] round their boxes."""

    crops_cxcywh: Tensor
    """[C, 4] the rated crops."""

    opinions: Tensor
    """[C] their ratings, 1 to 5."""


@dataclass(frozen=True)
class Batch:
    """Samples as tensors, filled up to the largest number of tokens."""

    tokens: Tensor
    """[B, N, D]"""

    padding_mask: Tensor
    """[B, N] bool, True for what only fills up."""

    token_boxes_cxcywh: Tensor
    """[B, N, 4]"""

    selected_mean: Tensor
    """[B, D]"""

    union_box_cxcywh: Tensor
    """[B, 4]"""

    targets: tuple[CropTargets, ...]
    """B of them."""

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(
            tokens=self.tokens.to(device),
            padding_mask=self.padding_mask.to(device),
            token_boxes_cxcywh=self.token_boxes_cxcywh.to(device),
            selected_mean=self.selected_mean.to(device),
            union_box_cxcywh=self.union_box_cxcywh.to(device),
            targets=tuple(target.to(device) for target in self.targets),
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Samples -> a batch, in float32."""
    counts = torch.tensor([len(one.tokens) for one in samples])
    places = torch.arange(int(counts.max()))
    return Batch(
        tokens=pad_sequence([one.tokens.float() for one in samples], batch_first=True),
        padding_mask=(places >= counts[:, None]).to(samples[0].tokens.device),
        token_boxes_cxcywh=pad_sequence(
            [one.token_boxes_cxcywh for one in samples], batch_first=True
        ),
        selected_mean=torch.stack([one.selected_mean for one in samples]),
        union_box_cxcywh=torch.stack([one.union_box_cxcywh for one in samples]),
        targets=tuple(CropTargets(one.crops_cxcywh, one.opinions) for one in samples),
    )


def decode(decoder: Decoder, batch: Batch) -> DecoderOutput:
    """The decoder's crops for a batch."""
    output: DecoderOutput = decoder(
        batch.tokens,
        batch.padding_mask,
        batch.selected_mean,
        batch.union_box_cxcywh,
        batch.token_boxes_cxcywh,
    )
    return output


def selecting_variant(variant: DecoderVariant) -> DecoderVariant:
    """Which texts select for a variant.

    ``base`` does not look at what is selected. It is selected all the same, as for ``full``, so
    that both can share the samples that are kept.
    """
    return "full" if variant == "base" else variant


class ViewEncoder:
    """An encoder and what its tokens are selected with."""

    def __init__(self, encoder: Encoder, config: TrainConfig, variant: DecoderVariant) -> None:
        self._encoder = encoder
        self._config = config
        self._variant = selecting_variant(variant)
        self._embeddings: dict[Example, Tensor] = {}

    def encode(self, views: Sequence[View]) -> list[Sample]:
        """Let the encoder look at views.

        Raises:
            InputError: A text is too long or an example image cannot be read; the message names
                the example's file and line.
        """
        tokens = self._look([view.image for view in views])
        embeddings = stack_texts([self._embed(view.example) for view in views])
        selection = condition(
            tokens,
            embeddings.to(tokens.tokens.device),
            self._allowed(tokens, views),
            self._config.filter_stage,
        )
        samples = []
        for row, view in enumerate(views):
            mask = tokens.mask[row]
            device = mask.device
            samples.append(
                Sample(
                    tokens.tokens[row, mask],
                    tokens.initial_boxes_cxcywh[row, mask],
                    selection.selected_mean[row].clone(),
                    selection.union_box_cxcywh[row].clone(),
                    xyxy_to_cxcywh(view.crops_xyxy).to(device),
                    (MIN_MOS + view.quality * (MAX_MOS - MIN_MOS)).to(device),
                )
            )
        return samples

    def _look(self, images: Sequence[Image.Image]) -> TokenTensors:
        if isinstance(self._encoder, TrainableEncoder):  # gradients may flow through it
            return self._encoder.encode_tensors(images)
        return TokenTensors.of(self._encoder.encode_images(images))

    def _allowed(self, tokens: TokenTensors, views: Sequence[View]) -> Tensor:
        """[B, N] bool, False for tokens of a mosaic that are not of the target."""
        allowed = torch.ones_like(tokens.mask)
        for row, view in enumerate(views):
            if view.is_mosaic:
                boxes_xyxy = cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[row].detach()).cpu()
                best = view.crops_xyxy[view.quality.argmax()]
                allowed[row] = keeps(boxes_xyxy, best, self._config.tile_filter).to(allowed.device)
        return allowed

    def _embed(self, example: Example) -> Tensor:
        """[W, E] what selects tokens: the texts, an example image, or neither."""
        if example not in self._embeddings:
            try:
                self._embeddings[example] = self._embed_anew(example)
            except InputError as exc:
                raise InputError(
                    f"{example.source}: {exc}" if example.source else str(exc)
                ) from exc
        return self._embeddings[example]

    def _embed_anew(self, example: Example) -> Tensor:
        if example.text:
            texts = texts_for(paper_prompt(example.text), self._variant)
            if texts:
                return torch.from_numpy(self._encoder.encode_texts(texts))
        elif example.query_image is not None:
            query = self._encoder.encode_image_query(load_image(example.query_image).rgb)
            return torch.from_numpy(query)
        widths = self._encoder.encode_texts([Text("anything")]).shape
        return torch.zeros(widths)  # as wide as others
