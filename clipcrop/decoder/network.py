"""ClipCrop's crop decoder: image tokens and what was selected of them -> M crops and their quality.

The paper's Eq. 1 to 3. Queries are M learned tokens plus the mean of the selected image tokens
(Eq. 2); keys and values are all image tokens; each query becomes an offset of the union box and a
score (Eq. 1), and the crop is their sum (Eq. 3). The variant ``base`` knows no text: its queries
are the learned tokens alone, and it gives boxes instead of offsets.

What the paper says is the default of `DecoderConfig`, which also has what encoders differ in. Our
readings of what the paper leaves open are those of DETR, which the paper calls its model:

- Queries (Eq. 2) are the first layer's input and are added again wherever they attend.
- Layers are normalised after each sum; MLPs have ReLU.
- In training every layer's output is predicted and supervised.
- Crops are cut at the image's edges in evaluation only: a side that is cut has no gradient, so a
  crop too far outside would never come back in training.
- Quality is the sigmoid of the score: it is trained with opinion scores mapped to 0..1.

Axes are those of `clipcrop.encoders.base`; D is the width of the encoder's tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from .tensor_boxes import clip_to_image, cxcywh_to_xyxy, xyxy_to_cxcywh

DecoderVariant = Literal["base", "main", "key", "full"]
"""The paper's Table 4: no text, the whole prompt, its keywords, both."""

_CHOICES = {
    "variant": ("base", "main", "key", "full"),
    "offset_space": ("image", "union"),
    "key_positions": ("boxes", "none"),
    "query_positions": ("none", "union"),
}

FORMER_READINGS = {
    "query_injection": "every_layer",
    "norm_order": "post",
    "activation": "relu",
    "clamp": "inference",
    "auxiliary": True,
}
"""Fields of configurations that earlier versions wrote, with the one value that is left."""

_FORMER_NAMES = {"among": "self_attention", "across": "cross_attention"}

_LARGEST_LOG_SCALE = 4.0  # a crop of e^4 times the union box is larger than any image
_FREQUENCIES = 32  # sines and cosines for each of the four numbers of a box
_HIGHEST_FREQUENCY = 64.0  # turns over the image; a token of the finest grid is about as long


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The sizes of the paper's Appendix B, and our readings of what the paper leaves open."""

    variant: DecoderVariant = "full"
    """Which texts select (Table 4): "main" the whole prompt, "key" its keywords, "full" both;
    "base" for a decoder that knows no text."""

    token_dim: int = 768
    """D, the width of the encoder's tokens; OWL-ViT's base models have 768."""

    num_queries: int = 90
    """M, the crops that are predicted for an image (section 3.2)."""

    dim: int = 512
    """The width of every layer."""

    num_layers: int = 6
    """Attention layers."""

    num_heads: int = 8
    """Ways of attending; must divide ``dim``."""

    mlp_dim: int = 2048
    """Hidden width of each layer's MLP."""

    dropout: float = 0.1
    """Not in the paper; DETR's."""

    offset_space: Literal["image", "union"] = "image"
    """What an offset is. "image": a difference of centre and size in units of the image, which is
    Eq. 3 as it stands. "union": of the centre in units of the union box's size, of the size as a
    logarithm, as detectors regress boxes: the same for near and far subjects."""

    key_positions: Literal["boxes", "none"] = "boxes"
    """What is added to the keys. "boxes": an encoding of each token's initial box, as DETR adds
    positions; not every encoder has a grid, but each token has a box. "none": the tokens alone,
    as Eq. 1 is written; enough for a ViT, whose tokens know where they are."""

    query_positions: Literal["none", "union"] = "none"
    """What is added to the queries beside Eq. 2. "none": nothing, as in the paper. "union": an
    encoding of the union box, which an encoder whose tokens don't know their place (lite) needs."""

    def __post_init__(self) -> None:
        """Refuse what the layers would only refuse later, and less clearly."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"no such {name}: {getattr(self, name)!r}; use {' or '.join(choices)}"
                )
        for name in ("token_dim", "num_queries", "dim", "num_layers", "num_heads", "mlp_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.dim % self.num_heads:
            raise ValueError(f"num_heads must divide dim, got {self.num_heads} and {self.dim}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {self.dropout}")

    @property
    def is_conditioned(self) -> bool:
        """Whether a text or an example image is needed."""
        return self.variant != "base"


class DecoderOutput(NamedTuple):
    """Crops of a batch of images, in no order."""

    boxes_cxcywh: Tensor
    """[B, M, 4] crops, normalised to the image. In evaluation they lie in it, and one that was
    predicted outside of it has no area; in training they may lie outside."""

    scores: Tensor
    """[B, M] logits of the quality."""

    layers: tuple[DecoderOutput, ...] = ()
    """The same of each layer but the last, in training."""

    @property
    def quality(self) -> Tensor:
        """[B, M] 0 to 1: a mean opinion score of 1 to 5, mapped linearly."""
        return self.scores.sigmoid()


class Decoder(nn.Module):
    """The transformer of Eq. 1 with its queries, and heads for offset and score."""

    def __init__(self, config: DecoderConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DecoderConfig()
        self.project = nn.Linear(config.token_dim, config.dim)
        self.queries = nn.Parameter(torch.empty(config.num_queries, config.dim))
        self.embed_key_box = _box_embedding(config) if config.key_positions == "boxes" else None
        is_placed = config.is_conditioned and config.query_positions == "union"
        self.embed_union_box = _box_embedding(config) if is_placed else None
        self.layers = nn.ModuleList([_Layer(config) for _ in range(config.num_layers)])
        self.norm = nn.LayerNorm(config.dim)
        self.box_head = nn.Sequential(
            nn.Linear(config.dim, config.dim),
            nn.ReLU(),
            nn.Linear(config.dim, config.dim),
            nn.ReLU(),
            nn.Linear(config.dim, 4),
        )
        self.score_head = nn.Linear(config.dim, 1)
        self._initialise()

    def forward(
        self,
        tokens: Tensor,
        padding_mask: Tensor | None = None,
        text_condition: Tensor | None = None,
        union_box_cxcywh: Tensor | None = None,
        token_boxes_cxcywh: Tensor | None = None,
    ) -> DecoderOutput:
        """Predict crops.

        Args:
            tokens: [B, N, D] all image tokens.
            padding_mask: [B, N] bool, True for a token that only fills up the batch (the opposite
                of `ImageTokens.mask`); None where there is none.
            text_condition: [B, D] mean of the selected tokens; None for the variant ``base``.
            union_box_cxcywh: [B, 4] round the selected tokens' boxes; None for ``base``.
            token_boxes_cxcywh: [B, N, 4] each token's initial box; None without ``key_positions``.

        Raises:
            ValueError: Something that the configuration needs is missing.
        """
        self._check(text_condition, union_box_cxcywh, token_boxes_cxcywh)
        values = self.project(tokens)  # [B, N, dim]
        keys = values
        if self.embed_key_box is not None and token_boxes_cxcywh is not None:
            keys = values + self.embed_key_box(fourier_features(token_boxes_cxcywh))
        queries = self.queries.expand(len(tokens), -1, -1)  # [B, M, dim]
        if self.config.is_conditioned and text_condition is not None:
            queries = queries + self.project(text_condition)[:, None]  # Eq. 2
        if self.embed_union_box is not None and union_box_cxcywh is not None:
            queries = queries + self.embed_union_box(fourier_features(union_box_cxcywh))[:, None]
        decoded = self._decode(queries, keys, values, padding_mask)
        *layers, last = [self._predict(state, union_box_cxcywh) for state in decoded]
        return last._replace(layers=tuple(layers))

    def _check(self, condition: Tensor | None, union: Tensor | None, boxes: Tensor | None) -> None:
        if self.config.is_conditioned and (condition is None or union is None):
            raise ValueError(
                f"a decoder of variant {self.config.variant!r} needs text_condition and "
                "union_box_cxcywh; only 'base' does without"
            )
        if self.embed_key_box is not None and boxes is None:
            raise ValueError("a decoder with key_positions 'boxes' needs token_boxes_cxcywh")

    def _decode(
        self, queries: Tensor, keys: Tensor, values: Tensor, padding_mask: Tensor | None
    ) -> list[Tensor]:
        """[B, M, dim] after the last layer; in training after each one."""
        state = queries
        states: list[Tensor] = []
        for layer in self.layers:
            state = layer(state, queries, keys, values, padding_mask)
            states.append(state)
        return states if self.training else states[-1:]

    def _predict(self, state: Tensor, union_box_cxcywh: Tensor | None) -> DecoderOutput:
        state = self.norm(state)
        # Boxes are float32 whatever the layers compute in: bfloat16 is off by pixels.
        raw = self.box_head(state).float()  # [B, M, 4]
        scores = self.score_head(state)[..., 0].float()
        if not self.config.is_conditioned or union_box_cxcywh is None:
            boxes = raw.sigmoid()
        else:
            boxes = add_offsets(
                union_box_cxcywh.float()[:, None], raw, self.config.offset_space
            )  # Eq. 3
        if not self.training:
            boxes = clamp_to_image(boxes)
        return DecoderOutput(boxes, scores)

    def _initialise(self) -> None:
        """As DETR does; and crops begin near the union box, not all over the image."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.normal_(self.queries)
        last = self.box_head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=0.01)
        nn.init.zeros_(last.bias)


class _Layer(nn.Module):
    """Queries attend to each other, then to the image, then an MLP."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        dim, dropout = config.dim, config.dropout
        self.self_attention = nn.MultiheadAttention(
            dim, config.num_heads, dropout, batch_first=True
        )
        self.cross_attention = nn.MultiheadAttention(
            dim, config.num_heads, dropout, batch_first=True
        )
        self.mlp = nn.Sequential(
            nn.Linear(dim, config.mlp_dim),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(config.mlp_dim, dim),
        )
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(3)])
        self.dropout = nn.Dropout(dropout)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any, **more: Any
    ) -> None:
        """Load checkpoints from before the attention layers had their present names, too."""
        for name in [name for name in state_dict if name.startswith(prefix)]:
            part, dot, rest = name[len(prefix) :].partition(".")
            if part in _FORMER_NAMES:
                state_dict[prefix + _FORMER_NAMES[part] + dot + rest] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *others, **more)

    def forward(
        self,
        state: Tensor,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        padding_mask: Tensor | None,
    ) -> Tensor:
        """[B, M, dim] -> [B, M, dim]; ``queries`` are added to what attends."""

        def placed(part: Tensor) -> Tensor:
            return part + queries

        def attend_to_queries(part: Tensor) -> Tensor:
            found: Tensor = self.self_attention(
                placed(part), placed(part), part, need_weights=False
            )[0]
            return found

        def attend_to_image(part: Tensor) -> Tensor:
            found: Tensor = self.cross_attention(
                placed(part), keys, values, key_padding_mask=padding_mask, need_weights=False
            )[0]
            return found

        parts: tuple[Callable[[Tensor], Tensor], ...] = (
            attend_to_queries,
            attend_to_image,
            self.mlp,
        )
        for norm, part in zip(self.norms, parts, strict=True):
            state = norm(state + self.dropout(part(state)))
        return state


def add_offsets(
    union_boxes_cxcywh: Tensor, offsets: Tensor, space: Literal["image", "union"]
) -> Tensor:
    """Eq. 3: crops from the union box and offsets.

    Args:
        union_boxes_cxcywh: [..., 4] what the offsets are of.
        offsets: [..., 4] of centre and size.
        space: See `DecoderConfig.offset_space`.

    Returns:
        [..., 4] crops, cxcywh, not clamped.
    """
    if space == "image":
        return union_boxes_cxcywh + offsets
    size = union_boxes_cxcywh[..., 2:]
    centre = union_boxes_cxcywh[..., :2] + offsets[..., :2] * size
    scale = offsets[..., 2:].clamp(max=_LARGEST_LOG_SCALE).exp()
    return torch.cat([centre, size * scale], dim=-1)


def clamp_to_image(boxes_cxcywh: Tensor) -> Tensor:
    """[..., 4] -> [..., 4] the part of each crop that lies in the image, cxcywh.

    A size below zero counts as none.
    """
    whole = torch.cat([boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:].clamp(min=0)], dim=-1)
    return xyxy_to_cxcywh(clip_to_image(cxcywh_to_xyxy(whole)))


def fourier_features(boxes_cxcywh: Tensor) -> Tensor:
    """[..., 4] boxes -> [..., 4 * 64] sines and cosines of their numbers, from slow to fast."""
    steps = torch.arange(_FREQUENCIES, device=boxes_cxcywh.device) / (_FREQUENCIES - 1)
    turns = 0.25 * (_HIGHEST_FREQUENCY / 0.25) ** steps  # a quarter of a turn over the image, ...
    angles = boxes_cxcywh.float()[..., None] * turns * (2 * math.pi)  # [..., 4, frequencies]
    return torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(-2)


def _box_embedding(config: DecoderConfig) -> nn.Linear:
    return nn.Linear(4 * 2 * _FREQUENCIES, config.dim)
