"""Small OWL models with random weights, saved as the published ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPTokenizer,
    Owlv2Config,
    Owlv2ForObjectDetection,
    OwlViTConfig,
    OwlViTForObjectDetection,
)

TEXT_CONFIG = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
}
VISION_CONFIG = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 96,
    "patch_size": 16,
}


def write_clip_tokenizer(folder: Path) -> int:
    """Write CLIP's tokenizer files with a vocabulary of letters and one merge; give its size."""
    letters = "abcdefghijklmnopqrstuvwxyz!?.,'-0123456789"
    tokens = ["!", *(c for c in letters if c != "!"), *(f"{c}</w>" for c in letters)]
    tokens += ["do", "dog</w>", "<|startoftext|>", "<|endoftext|>"]
    ids = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nd o\ndo g</w>\n", encoding="utf-8")
    settings = {"tokenizer_class": "CLIPTokenizer", "pad_token": "!", "model_max_length": 16}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return len(tokens)


def save_tiny_owl(kind: str, folder: Path) -> Path:
    """Save a small random OWL-ViT or OWLv2 with its tokenizer, as ``save_pretrained`` does."""
    vocab_size = write_clip_tokenizer(folder)
    ends = {"bos_token_id": vocab_size - 2, "eos_token_id": vocab_size - 1}
    config_class: Any = OwlViTConfig if kind == "owlvit" else Owlv2Config
    model_class: Any = OwlViTForObjectDetection if kind == "owlvit" else Owlv2ForObjectDetection
    config = config_class(
        text_config={**TEXT_CONFIG, **ends, "vocab_size": vocab_size},
        vision_config=VISION_CONFIG,
        projection_dim=TEXT_CONFIG["hidden_size"],
    )
    torch.manual_seed(7)
    model = model_class(config)
    with torch.no_grad():
        # Wide enough for tokens, boxes and scores to differ, narrow enough not to saturate.
        for name, parameter in model.named_parameters():
            if "_head." in name:
                parameter.normal_(std=0.15)
            else:
                parameter.add_(0.15 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_owls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of a small random model by family; tests that change files copy them."""
    return {
        kind: save_tiny_owl(kind, tmp_path_factory.mktemp(kind)) for kind in ("owlvit", "owlv2")
    }


@pytest.fixture(scope="session")
def reference_models(tiny_owls: dict[str, Path]) -> dict[str, Any]:
    """The same weights as transformers loads them itself."""
    return {
        "owlvit": OwlViTForObjectDetection.from_pretrained(tiny_owls["owlvit"]).eval(),
        "owlv2": Owlv2ForObjectDetection.from_pretrained(tiny_owls["owlv2"]).eval(),
    }


@pytest.fixture(scope="session")
def reference_tokenizers(tiny_owls: dict[str, Path]) -> dict[str, CLIPTokenizer]:
    """The same vocabulary as transformers loads it itself."""
    return {kind: CLIPTokenizer.from_pretrained(path) for kind, path in tiny_owls.items()}


@pytest.fixture(scope="session")
def pictures() -> dict[str, Image.Image]:
    """Seeded pictures with coarse and fine structure, by shape."""
    sizes = {"square": (120, 120), "3:1": (210, 70), "1:3": (70, 210), "small": (20, 14)}
    random = np.random.default_rng(3)
    made = {}
    for name, (width, height) in sizes.items():
        coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=int)
        noise = random.integers(-30, 31, (height, width, 3))
        made[name] = Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    return made
