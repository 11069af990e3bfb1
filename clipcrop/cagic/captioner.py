"""Captioners published for transformers: BLIP, and any vision encoder with a language decoder.

The captioner says of each crop what it sees, word by word, the likeliest word each time. Which
words it says has no gradient; the distributions that it chose them from have one, with respect to
every pixel of the crop, and are what the caption loss compares with the user's words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ..device import memory_errors_named
from ..errors import CheckpointError, InputError
from ..imaging.images import LoadedImage
from ..weights.pretrained import load_pretrained, load_tokenizer, read_model_type
from .base import Reading
from .losses import caption_loss
from .sampler import Crops
from .vision import Normaliser

MAX_WORDS = 20
"""Word pieces that the captioner says of a crop at most."""


class _Network(Protocol):
    """An image-to-text model of whatever family."""

    start_id: int
    end_id: int
    vocab_size: int
    model: Any

    def see(self, pixels: Tensor) -> Tensor:
        """[R, 3, H, W] normalised -> [R, N, D] image tokens."""

    def say(self, seen: Tensor) -> Tensor:
        """[R, N, D] -> [R, 1 + T] ids of a caption, the start token first; no gradient."""

    def logits(self, seen: Tensor, ids: Tensor) -> Tensor:
        """[R, N, D], [R, T] ids -> [R, T, V] of the word after each."""


class TransformersCaptioner:
    """A `Captioner` around an image-to-text model of the transformers library.

    Args:
        network: The model, frozen, on its device.
        tokenizer: The model's.
        normaliser: What the model wants of pixels.
        name: As outputs name it.
    """

    def __init__(
        self, network: _Network, tokenizer: Any, normaliser: Normaliser, name: str
    ) -> None:
        self.name = name
        self.device: torch.device = network.model.device
        self._network = network
        self._tokenizer = tokenizer
        self._normaliser = normaliser

    @classmethod
    def load(cls, folder: Path, device: torch.device, name: str) -> TransformersCaptioner:
        """Load a captioner from a folder as ``save_pretrained`` writes it.

        The weights are ``model.safetensors``, or ``pytorch_model.bin``, of which tensors only are
        read: BLIP is published in no other form.

        Raises:
            CheckpointError: The folder holds no captioner, or it is damaged.
            OutOfMemory: There is no room for it.
        """
        from transformers import AutoTokenizer

        kind = read_model_type(folder)
        if kind not in _NETWORKS:
            raise CheckpointError(
                f"{folder} holds a model of type {kind!r}; a captioner needs "
                f"{' or '.join(_NETWORKS)}"
            )
        network = _NETWORKS[kind](folder, device)
        return cls(
            network,
            load_tokenizer(AutoTokenizer, folder, network.vocab_size),
            Normaliser.load(folder, network.model.config, device),
            name,
        )

    def read(self, image: LoadedImage, prompt: str) -> Reading:
        """See `Captioner`."""
        # With a space before it, so that the first word is spelt as within a sentence.
        ids = self._tokenizer(f" {prompt.strip()}", add_special_tokens=False)["input_ids"]
        if not ids:
            raise InputError(f"nothing to look for in the prompt {prompt[:60]!r}; name a thing")
        asked = torch.tensor(ids, device=self.device)
        return Reading(lambda crops: self._loss(crops, asked))

    def _loss(self, crops: Crops, asked: Tensor) -> Tensor:
        """[R] L_caption."""
        network = self._network
        seen = network.see(self._normaliser(crops))
        with torch.no_grad():
            ids = network.say(seen.detach())
        logits = network.logits(seen, ids[:, :-1])  # [R, T, V]
        has_ended = (ids[:, 1:] == network.end_id).cumsum(dim=1) > 0
        is_said = ~has_ended
        is_said[:, 0] = True  # a captioner that says nothing at all still gave a distribution
        return caption_loss(logits.log_softmax(dim=-1), is_said, asked)


class _Blip:
    """BLIP: a vision transformer, and a BERT that attends to it."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import BlipForConditionalGeneration

        self.model = _on_device(BlipForConditionalGeneration, folder, "a BLIP captioner", device)
        text = self.model.config.text_config
        self.start_id, self.end_id = text.bos_token_id, text.sep_token_id
        self._pad_id = text.pad_token_id
        self.vocab_size = text.vocab_size

    def see(self, pixels: Tensor) -> Tensor:
        """See `_Network`."""
        seen: Tensor = self.model.vision_model(pixel_values=pixels).last_hidden_state
        return seen

    def say(self, seen: Tensor) -> Tensor:
        """See `_Network`."""
        said: Tensor = self.model.text_decoder.generate(
            input_ids=torch.full((len(seen), 1), self.start_id, device=seen.device),
            eos_token_id=self.end_id,
            pad_token_id=self._pad_id,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], device=seen.device),
            max_new_tokens=MAX_WORDS,
            do_sample=False,
            num_beams=1,
        )
        return said

    def logits(self, seen: Tensor, ids: Tensor) -> Tensor:
        """See `_Network`."""
        logits: Tensor = self.model.text_decoder(
            input_ids=ids,
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:2], device=seen.device),
        ).logits
        return logits


class _EncoderDecoder:
    """Any vision encoder with a language decoder that attends to it, such as ViT and GPT-2."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import VisionEncoderDecoderModel

        self.model = _on_device(VisionEncoderDecoderModel, folder, "a captioner", device)
        config, decoder = self.model.config, self.model.config.decoder
        self.vocab_size = decoder.vocab_size
        self.start_id = _first_id(config.decoder_start_token_id, decoder.bos_token_id)
        self.end_id = _first_id(config.eos_token_id, decoder.eos_token_id)

    def see(self, pixels: Tensor) -> Tensor:
        """See `_Network`."""
        seen: Tensor = self.model.encoder(pixel_values=pixels).last_hidden_state
        return seen

    def say(self, seen: Tensor) -> Tensor:
        """See `_Network`."""
        from transformers.modeling_outputs import BaseModelOutput

        said: Tensor = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=seen),
            decoder_start_token_id=self.start_id,
            eos_token_id=self.end_id,
            pad_token_id=self.end_id,
            max_new_tokens=MAX_WORDS,
            do_sample=False,
            num_beams=1,
        )
        return said

    def logits(self, seen: Tensor, ids: Tensor) -> Tensor:
        """See `_Network`."""
        logits: Tensor = self.model(encoder_outputs=(seen,), decoder_input_ids=ids).logits
        return logits


_NETWORKS: dict[str, type[_Blip] | type[_EncoderDecoder]] = {
    "blip": _Blip,
    "vision-encoder-decoder": _EncoderDecoder,
}


def _on_device(model_class: Any, folder: Path, what: str, device: torch.device) -> Any:
    model = load_pretrained(model_class, folder, what, allow_pickle=True)
    with memory_errors_named(device):
        return model.to(device).requires_grad_(False)


def _first_id(*ids: int | None) -> int:
    """The first that is given.

    Raises:
        CheckpointError: None is.
    """
    for one in ids:
        if one is not None:
            return one
    raise CheckpointError("the captioner's config.json names no start or end token; repair it")
