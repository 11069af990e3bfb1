"""OWL-ViT and OWLv2 as an encoder, through the transformers library.

A ViT looks at the image as a square grid of patches; each patch's token is at once an object
detector's proposal: a box, and an embedding to compare with texts.

The published models differ in size and in family:

============ ================================ ===================================
family       image -> square                  objectness
============ ================================ ===================================
owlvit       stretched                        best score over `GENERIC_TEXTS`
owlv2        padded right or below            a head of its own
============ ================================ ===================================

OWL-ViT was trained, and is evaluated by its authors, with images padded to a square. Its weights
for transformers come with an image processor that stretches them, which is what is done here.

OWL-ViT's objectness orders boxes. It is not calibrated: it is no probability that something is
there, and its values cannot be compared with those of OWLv2's head.

Texts go to the text encoder as they are, "two brown dogs" and not "a photo of two brown dogs":
the models were trained with many such templates and none, and a keyword that grammar found is often
a whole phrase. The text encoder reads 16 tokens, of which two mark start and end: of a longer text
only the first 14 or so word pieces count. Its keywords, which are texts of their own, are not cut.

Axes are those of `clipcrop.encoders.base`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..arrays import FloatArray
from ..device import memory_errors_named
from ..errors import CheckpointError, InputError
from ..prompt.parser import Text
from ..weights.checkpoint import Checkpoint, verify_checkpoint
from ..weights.pretrained import load_pretrained, load_tokenizer, quiet_transformers
from ..weights.registry import Kind
from .base import Encoder, ImageTokens
from .owlvit_pixels import pad_to_square, stretch_to_square
from .tensors import TokenTensors, weights_fingerprint

MIN_SCORE = 0.1
"""The threshold that the transformers library's own post-processing has for both families. True
things of published examples score .1 to .4."""

MIN_QUERY_SCORE = 0.6
"""Against an example image, scores are much higher than against a text. The library's own examples
of one-shot detection have .6 for OWL-ViT and .9 for OWLv2; the lower one loses less."""

SURE_SCORE = 0.3
"""An estimate: how often such matches are right was not measured for these models."""

GENERIC_TEXTS = (
    "person",
    "face",
    "animal",
    "bird",
    "vehicle",
    "boat",
    "building",
    "flower",
    "tree",
    "food",
    "furniture",
    "toy",
    "object",
)
"""What stands for "anything at all" where the model has no objectness head."""

_AUTOCAST_DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}

_PREPARE = {"owlvit": stretch_to_square, "owlv2": pad_to_square}


class OwlVitEncoder(Encoder):
    """An `Encoder` around transformers' OwlViTForObjectDetection or Owlv2ForObjectDetection.

    Args:
        model: The detector, in float32 and on its device.
        tokenizer: CLIP's, with the vocabulary that the model was trained with.
        kind: The family, ``owlvit`` or ``owlv2``.
        name: As users write it after ``--model``.
        autocast_dtype: What the image transformer computes in; None for float32. Heads and texts
            are always float32: in bfloat16 a box would be off by some pixels.
    """

    min_score: float = MIN_SCORE
    sure_score: float = SURE_SCORE
    min_query_score: float = MIN_QUERY_SCORE

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        kind: Kind,
        name: str,
        autocast_dtype: torch.dtype | None = None,
    ) -> None:
        self.name = name
        self.device: torch.device = model.device
        self._model = model
        self._clip = model.owlvit if kind == "owlvit" else model.owlv2
        self._tokenizer = tokenizer
        self._prepare = _PREPARE[kind]
        self._has_objectness_head = kind == "owlv2"
        self._autocast_dtype = autocast_dtype
        self._side_px: int = model.config.vision_config.image_size
        self._max_text_tokens: int = model.config.text_config.max_position_embeddings
        self._generic_embeddings: Tensor | None = None
        self._is_trained = False

    @classmethod
    def load(
        cls,
        checkpoint: Checkpoint,
        device: torch.device,
        *,
        precision: str | None = None,
    ) -> OwlVitEncoder:
        """Load verified safetensors weights from a local folder; nothing is downloaded.

        Args:
            checkpoint: From `find_checkpoint`.
            device: From `choose_device`.
            precision: What the image transformer computes in: "float32", "bfloat16" or "float16";
                by default bfloat16 on CUDA (float16 on cards without it), float32 elsewhere.

        Raises:
            CheckpointError: The weights are missing, damaged or of another model.
            OutOfMemory: There is no room for them.
        """
        from transformers import CLIPTokenizer

        folder = verify_checkpoint(checkpoint)
        model = _load_model(folder, checkpoint.kind)
        tokenizer = load_tokenizer(CLIPTokenizer, folder, model.config.text_config.vocab_size)
        with memory_errors_named(device):
            model = model.to(device)
        return cls(
            model,
            tokenizer,
            kind=checkpoint.kind,
            name=checkpoint.name,
            autocast_dtype=(
                _AUTOCAST_DTYPES[precision] if precision else _default_autocast_dtype(device)
            ),
        )

    @torch.no_grad()
    def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
        """Encode RGB images of any size; a batch gives what its images give one by one.

        Raises:
            CheckpointError: What the weights give are no numbers.
            OutOfMemory: There is no room for the images.
        """
        return self.encode_tensors(images).arrays().checked(self.name)

    def encode_tensors(self, images: Sequence[Image.Image]) -> TokenTensors:
        """As `encode_images`, in PyTorch; gradients flow after `begin_training`."""
        is_recorded = self._is_trained and torch.is_grad_enabled()
        with torch.set_grad_enabled(is_recorded), memory_errors_named(self.device):
            feature_map, extents = self._feature_map(images)
            tokens = feature_map.flatten(1, 2)  # [B, N, D]
            head = self._model.class_head
            encoded = TokenTensors(
                tokens=tokens,
                class_embeddings=normalize(head.dense0(tokens), dim=-1),
                initial_boxes_cxcywh=self._boxes(tokens, feature_map, extents),
                objectness=torch.zeros_like(tokens[..., 0]),
                mask=_patches_in_image(feature_map, extents),
                logit_shift=head.logit_shift(tokens).squeeze(-1),
                logit_scale=(head.elu(head.logit_scale(tokens)) + 1).squeeze(-1),
            )
            return encoded._replace(objectness=self._objectness(encoded))

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[Text]) -> FloatArray:
        """Encode texts as [W, E], unit rows; a zero row for a text without a character."""
        embeddings: FloatArray = self._embed([text.text for text in texts]).cpu().numpy()
        return embeddings

    @torch.no_grad()
    def encode_image_query(self, image: Image.Image) -> FloatArray:
        """Encode an example of what to look for, an RGB image, as [1, E].

        The token that stands for the example is chosen as in the models' one-shot detection: OWLv2
        takes the one with the highest objectness; OWL-ViT, of those whose boxes cover the example
        best, the one least like the average token, which is mostly background.
        """
        with memory_errors_named(self.device):
            feature_map, _ = self._feature_map([image])
            embedding, _, _ = self._model.embed_image_query(feature_map.flatten(1, 2), feature_map)
        if embedding is None:
            raise InputError(
                f"nothing can be made out in the example image ({image.width} x {image.height}); "
                "choose one that shows the thing larger"
            )
        query: FloatArray = normalize(embedding[:, 0], dim=-1).cpu().numpy()
        return query

    def begin_training(self) -> nn.Module:
        """Train the image transformer and the box head; classes and texts stay comparable."""
        self._is_trained = True
        self._model.requires_grad_(False)
        trained = nn.ModuleDict(
            {
                "vision_model": self._clip.vision_model,
                "layer_norm": self._model.layer_norm,
                "box_head": self._model.box_head,
            }
        )
        return trained.requires_grad_(True)

    def save(self, folder: Path) -> None:
        """Write weights, configuration and tokenizer as the transformers library does.

        Raises:
            CheckpointError: They cannot be written there.
        """
        part = folder.with_name(f"{folder.name}.part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            with quiet_transformers():
                self._model.save_pretrained(part)
                self._tokenizer.save_pretrained(part)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        except OSError as exc:
            raise CheckpointError(
                f"cannot write the encoder {folder}: {exc}; choose a folder with room that is yours"
            ) from exc

    def fingerprint(self) -> str:
        """Of all weights."""
        return weights_fingerprint(self._model.state_dict())

    def _feature_map(self, images: Sequence[Image.Image]) -> tuple[Tensor, Tensor]:
        """Images -> [B, rows, columns, D] tokens as the heads take them, and [B, 2] extents."""
        pixels, extents = self._prepare(images, self._side_px)
        with torch.autocast(
            self.device.type,
            dtype=self._autocast_dtype,
            enabled=self._autocast_dtype is not None,
        ):
            feature_map = self._model.image_embedder(pixels.to(self.device))[0]
        return feature_map.float(), extents.to(self.device)

    def _boxes(self, tokens: Tensor, feature_map: Tensor, extents: Tensor) -> Tensor:
        """[B, N, 4] cxcywh normalised to the image, without the padding."""
        boxes: Tensor = self._model.box_predictor(tokens, feature_map)
        return boxes / extents.repeat(1, 2)[:, None, :]

    def _objectness(self, encoded: TokenTensors) -> Tensor:
        """[B, N] 0 to 1; 0 for masked tokens."""
        if self._has_objectness_head:
            logits: Tensor = self._model.objectness_predictor(encoded.tokens)
            return torch.sigmoid(logits) * encoded.mask
        if self._generic_embeddings is None:
            self._generic_embeddings = self._embed(GENERIC_TEXTS)
        return encoded.scores(self._generic_embeddings).amax(dim=1)

    def _embed(self, texts: Sequence[str]) -> Tensor:
        embeddings = torch.zeros(len(texts), self._clip.projection_dim, device=self.device)
        rows = [row for row, text in enumerate(texts) if text.strip()]
        if rows:
            token_ids = self._token_ids([texts[row] for row in rows])
            with memory_errors_named(self.device):
                pooled = self._clip.text_model(input_ids=token_ids).pooler_output
                embeddings[rows] = normalize(self._clip.text_projection(pooled), dim=-1)
        return embeddings

    def _token_ids(self, texts: list[str]) -> Tensor:
        """[W, L] ids from start to end token, cut to what the encoder reads, filled up with zeros.

        The filling needs no attention mask: a token attends only to those before it, and the end
        token, which has the highest id of all, is the one that is read out.
        """
        longest = self._max_text_tokens
        lists: list[list[int]] = self._tokenizer(texts, verbose=False)["input_ids"]
        kept = [ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]] for ids in lists]
        length = max(len(ids) for ids in kept)
        filled = [ids + [0] * (length - len(ids)) for ids in kept]
        return torch.tensor(filled, device=self.device)


def _patches_in_image(feature_map: Tensor, extents: Tensor) -> Tensor:
    """[B, N] bool, False for a patch that lies wholly in the padding."""
    rows, columns = feature_map.shape[1:3]
    lefts = torch.arange(columns, device=extents.device) / columns
    tops = torch.arange(rows, device=extents.device) / rows
    in_width = lefts < extents[:, :1]  # [B, columns]
    in_height = tops < extents[:, 1:]  # [B, rows]
    return (in_height[:, :, None] & in_width[:, None, :]).flatten(1)


def _default_autocast_dtype(device: torch.device) -> torch.dtype | None:
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _load_model(folder: Path, kind: Kind) -> Any:
    from transformers import Owlv2ForObjectDetection, OwlViTForObjectDetection

    model_class: Any = OwlViTForObjectDetection if kind == "owlvit" else Owlv2ForObjectDetection
    return load_pretrained(model_class, folder, f"an {kind} model")
