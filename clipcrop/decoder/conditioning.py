"""What conditions the decoder: the selected tokens' mean and the union of their boxes.

The paper's selection (section 3.2) for a batch of images: each text, or example image, selects the
one token that is most like it. `grounding` is the same for one image, with all that users need
beyond the paper; a decoder can be conditioned with what either of them selects.

Axes are those of `clipcrop.encoders.base`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..arrays import FloatArray
from ..boxes import WHOLE_IMAGE_XYXY
from ..composing.ranking import Proposals
from ..device import memory_errors_named
from ..encoders.base import ImageTokens
from ..encoders.tensors import TokenTensors
from ..grounding import Grounding, Variant, texts_of_variant
from ..prompt.parser import Prompt, Text
from .network import Decoder, DecoderOutput, DecoderVariant
from .tensor_boxes import clip_to_image, cxcywh_to_xyxy, xyxy_to_cxcywh

FilterStage = Literal["selected", "tokens"]
"""What a filter of tokens does, see `condition`."""

_GROUNDING_VARIANTS: dict[DecoderVariant, Variant] = {
    "base": "both",
    "main": "main",
    "key": "key",
    "full": "both",
}


class Condition(NamedTuple):
    """What was selected in a batch of images."""

    selected_mean: Tensor
    """[B, D] mean of the selected tokens, a token that two texts select counted twice (Eq. 2);
    zeros where nothing was selected."""

    union_box_cxcywh: Tensor
    """[B, 4] round the selected tokens' boxes; the whole image where nothing was selected."""

    is_found: Tensor
    """[B] bool, False where nothing was selected."""


def condition(
    tokens: TokenTensors,
    text_embeddings: Tensor,
    is_allowed: Tensor | None = None,
    stage: FilterStage = "selected",
) -> Condition:
    """Select tokens as the paper does, in a batch of images that have texts of their own.

    Args:
        tokens: of B images.
        text_embeddings: [B, W, E] (with attributes [B, W, E + A]) the texts of each image, or one
            example image; rows of zeros fill up and select nothing, see `stack_texts`.
        is_allowed: [B, N] bool, False for tokens whose boxes don't count: those of a mosaic that
            are not of the target. All count by default.
        stage: When the filter acts. "selected": on what was selected, as the paper says; if nothing
            is left of an image's selection, its texts select among the allowed tokens. "tokens":
            before selecting, so that each text selects an allowed token.

    Returns:
        Mean and union box; nothing is found where an image has no text that the encoder knows, or
        no allowed token.
    """
    # One more row of zeros, so that there is a text even where there is none.
    text_embeddings = torch.nn.functional.pad(text_embeddings, (0, 0, 0, 1))
    is_known = (text_embeddings != 0).any(dim=2)  # [B, W]
    scores = tokens.scores(text_embeddings).masked_fill(~tokens.mask[:, None], -1.0)  # [B, W, N]
    if is_allowed is None:
        chosen, is_used = scores.argmax(dim=2), is_known & tokens.mask.any(dim=1, keepdim=True)
    else:
        chosen, is_used = _filtered(scores, is_known, is_allowed & tokens.mask, stage)
    selected = _gather(tokens.tokens, chosen)  # [B, W, D]
    boxes_xyxy = clip_to_image(cxcywh_to_xyxy(_gather(tokens.initial_boxes_cxcywh, chosen)))
    count = is_used.sum(dim=1, keepdim=True)  # [B, 1]
    is_found = count[:, 0] > 0
    used = is_used[..., None]
    mean = (selected * used).sum(dim=1) / count.clamp(min=1)
    union_xyxy = torch.cat(
        [
            boxes_xyxy[..., :2].masked_fill(~used, 2.0).amin(dim=1),
            boxes_xyxy[..., 2:].masked_fill(~used, -1.0).amax(dim=1),
        ],
        dim=1,
    )
    whole = union_xyxy.new_tensor(WHOLE_IMAGE_XYXY)
    union_xyxy = torch.where(is_found[:, None], union_xyxy, whole)
    return Condition(mean, xyxy_to_cxcywh(union_xyxy), is_found)


def condition_of(tokens: TokenTensors, grounding: Grounding) -> Condition:
    """What conditions the decoder, of one image (B = 1) that was grounded already."""
    is_found = grounding.union_box_xyxy is not None
    if grounding.union_box_xyxy is None:
        mean = torch.zeros_like(tokens.tokens[:, 0])
        union_xyxy = torch.tensor(WHOLE_IMAGE_XYXY)
    else:
        selected = torch.from_numpy(grounding.selected).to(tokens.tokens.device)
        mean = tokens.tokens[:, selected].mean(dim=1)
        union_xyxy = torch.from_numpy(grounding.union_box_xyxy)
    union = xyxy_to_cxcywh(union_xyxy)[None].to(mean)
    return Condition(mean, union, torch.tensor([is_found], device=mean.device))


def decode(decoder: Decoder, tokens: TokenTensors, selection: Condition) -> DecoderOutput:
    """The decoder's crops for images that an encoder has seen and that texts have selected in."""
    output: DecoderOutput = decoder(
        tokens.tokens,
        ~tokens.mask,
        selection.selected_mean,
        selection.union_box_cxcywh,
        tokens.initial_boxes_cxcywh,
    )
    return output


def propose(decoder: Decoder, tokens: ImageTokens, grounding: Grounding) -> Proposals | None:
    """The decoder's crops for one image (B = 1); None where it needs a subject and has none."""
    seen = TokenTensors.of(tokens)
    with torch.inference_mode(), memory_errors_named(seen.tokens.device):
        selection = condition_of(seen, grounding)
        if decoder.config.is_conditioned and not bool(selection.is_found):
            return None
        output = decode(decoder, seen, selection)
        frames_xyxy = clip_to_image(cxcywh_to_xyxy(output.boxes_cxcywh[0]))
        return Proposals(frames_xyxy.cpu().numpy(), output.quality[0].cpu().numpy())


def paper_crops(decoder: Decoder, tokens: ImageTokens, text_embeddings: FloatArray) -> FloatArray:
    """[M, 4] the decoder's crops xyxy, best first, for one image and [W, E] texts, as the paper."""
    seen = TokenTensors.of(tokens)
    device = seen.tokens.device
    with torch.inference_mode(), memory_errors_named(device):
        embeddings = stack_texts([torch.from_numpy(text_embeddings)]).to(device)
        output = decode(decoder, seen, condition(seen, embeddings))
        order = output.scores[0].argsort(descending=True, stable=True)
        crops: FloatArray = cxcywh_to_xyxy(output.boxes_cxcywh[0, order]).cpu().numpy()
        return crops


def texts_for(prompt: Prompt, variant: DecoderVariant) -> tuple[Text, ...]:
    """The texts of a prompt that a variant selects with; all of them where it has none of its kind.

    None for ``base``.
    """
    return () if variant == "base" else texts_of_variant(prompt.texts, grounding_variant(variant))


def grounding_variant(variant: DecoderVariant) -> Variant:
    """A decoder's variant as `GroundingOptions` calls it; ``base`` leaves it open."""
    return _GROUNDING_VARIANTS[variant]


def stack_texts(embeddings: Sequence[Tensor]) -> Tensor:
    """B embeddings [W_b, E], of as many texts as each image has -> [B, W, E], filled with zeros."""
    return torch.nn.utils.rnn.pad_sequence(list(embeddings), batch_first=True)


def _filtered(
    scores: Tensor, is_known: Tensor, is_allowed: Tensor, stage: FilterStage
) -> tuple[Tensor, Tensor]:
    """[B, W] the token of each text, and whether it is used."""
    among_allowed = scores.masked_fill(~is_allowed[:, None], -2.0).argmax(dim=2)
    is_used = is_known & is_allowed.any(dim=1, keepdim=True)
    if stage == "tokens":
        return among_allowed, is_used
    free = scores.argmax(dim=2)
    is_kept = is_known & is_allowed.gather(1, free)
    is_lost = ~is_kept.any(dim=1, keepdim=True)
    return torch.where(is_lost, among_allowed, free), torch.where(is_lost, is_used, is_kept)


def _gather(values: Tensor, tokens: Tensor) -> Tensor:
    """[B, N, C] and [B, W] indices -> [B, W, C]."""
    return values.gather(1, tokens[..., None].expand(-1, -1, values.shape[2]))
