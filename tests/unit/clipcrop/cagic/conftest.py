"""Small captioners, CLIPs and heads with random weights, saved as the published ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from transformers import (
    BertConfig,
    BertLMHeadModel,
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    CLIPConfig,
    CLIPModel,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTModel,
)

from clipcrop.imaging.images import LoadedImage, load_image

WORDS = ("a", "the", "red", "green", "circle", "square", "dog", "cup", "on", "of")
SIDE_PX = 32
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = {**SMALL, "image_size": SIDE_PX, "patch_size": 8}
HEAD_WIDTHS = (24, 10, 8, 6, 4, 1)


def _save_tokenizer(folder: Path) -> BertTokenizer:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = BertTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _save_preprocessor(folder: Path) -> None:
    settings = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _roughen(model: Any) -> Any:
    """Weights wide enough for answers to differ."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="session")
def blip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random BLIP captioner with its tokenizer; tests that change files copy it."""
    folder = tmp_path_factory.mktemp("blip")
    size = len(_save_tokenizer(folder))
    torch.manual_seed(1)
    text = {**SMALL, "vocab_size": size, "encoder_hidden_size": SMALL["hidden_size"]}
    ids = {"bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    config = BlipConfig(
        text_config={**text, **ids, "max_position_embeddings": 32, "is_decoder": True},
        vision_config=VISION,
        projection_dim=16,
    )
    _roughen(BlipForConditionalGeneration(config)).save_pretrained(folder)
    _save_preprocessor(folder)
    return folder


@pytest.fixture(scope="session")
def encoder_decoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random ViT with a BERT decoder, saved as one captioner."""
    folder = tmp_path_factory.mktemp("encoder_decoder")
    size = len(_save_tokenizer(folder))
    torch.manual_seed(2)
    encoder = ViTModel(ViTConfig(**VISION))
    decoder = BertLMHeadModel(
        BertConfig(**SMALL, vocab_size=size, is_decoder=True, add_cross_attention=True)
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder.config, decoder.config)
    config.decoder_start_token_id, config.eos_token_id, config.pad_token_id = 2, 3, 0
    model = VisionEncoderDecoderModel(config=config, encoder=encoder, decoder=decoder)
    _roughen(model).save_pretrained(folder)
    _save_preprocessor(folder)
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP, both halves, as published."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(3)
    config = CLIPConfig(
        text_config={**SMALL, "vocab_size": 30, "max_position_embeddings": 8},
        vision_config=VISION,
        projection_dim=HEAD_WIDTHS[0],
    )
    _roughen(CLIPModel(config)).save_pretrained(folder)
    _save_preprocessor(folder)
    return folder


class MlpHead(nn.Module):
    """As LAION's later heads in training: dropout, of no effect here, takes up places as well."""

    def __init__(self, *, with_relu: bool) -> None:
        super().__init__()
        last = len(HEAD_WIDTHS) - 2
        layers: list[nn.Module] = []
        for number in range(last + 1):
            layers.append(nn.Linear(*HEAD_WIDTHS[number : number + 2]))
            if number < last and with_relu:
                layers.append(nn.ReLU())
            if number < last - 1:
                layers.append(nn.Dropout(0.2))
        self.layers = nn.Sequential(*layers)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        scored: torch.Tensor = self.layers(embeddings)
        return scored


@pytest.fixture(params=["linear", "mlp", "mlp with relu"])
def head(request: pytest.FixtureRequest) -> nn.Module:
    """A random head of each published layout in turn."""
    torch.manual_seed(4)
    if request.param == "linear":
        return nn.Linear(HEAD_WIDTHS[0], 1).eval()
    mlp = MlpHead(with_relu=request.param == "mlp with relu")
    for name, parameter in mlp.named_parameters():
        if name.endswith("bias"):
            parameter.data.fill_(0.5)  # so that few values are cut off at 0
    return mlp.eval()


@pytest.fixture
def cat(samples: Path) -> LoadedImage:
    """A photo that is wider than high."""
    return load_image(samples / "chelsea.jpg")


@pytest.fixture
def noise() -> Image.Image:
    """A picture of 90 x 60 pixels in which no two places look alike."""
    generator = torch.Generator().manual_seed(6)
    pixels = (torch.rand(60, 90, 3, generator=generator) * 255).byte().numpy()
    return Image.fromarray(pixels)
