"""What tests of training share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clipcrop.datasets import Example, RatedCrop, write_jsonl
from clipcrop.decoder.network import DecoderConfig
from clipcrop.encoders.lite import LiteEncoder

TEXTS = {"astronaut": "a woman", "chelsea": "the cat", "coffee": "a cup", "rocket": "the rocket"}


@pytest.fixture(scope="session")
def training_data(checkout: Path) -> Path:
    """Photos and ratings that may not be published; fails where they are not."""
    folder = Path(os.environ.get("CLIPCROP_DATA") or checkout.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.fail(f"no training data in {folder}; name its folder in CLIPCROP_DATA")
    return folder


@pytest.fixture(scope="session")
def tower():
    return LiteEncoder.load()


@pytest.fixture(scope="session")
def examples(samples: Path) -> list[Example]:
    """Four photos, each with twelve crops, the larger the better."""
    return [
        Example(
            photo=samples / f"{name}.jpg",
            text=text,
            crops=tuple(
                RatedCrop(box_xyxy_px=(20 + 9 * k, 10 + 7 * k, 380, 280), rating=5 - k / 3)
                for k in range(12)
            ),
            split="train",
            source=f"texts.jsonl, line {number}",
        )
        for number, (name, text) in enumerate(TEXTS.items(), start=1)
    ]


@pytest.fixture
def data(tmp_path: Path, examples: list[Example], samples: Path) -> Path:
    """The same as a data set on disk."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_jsonl(examples, folder / "examples.jsonl", samples)
    text = (folder / "examples.jsonl").read_text()
    for name in TEXTS:
        text = text.replace(f'"{name}.jpg"', f'"{(samples / name).as_posix()}.jpg"')
    (folder / "examples.jsonl").write_text(text)
    return folder


@pytest.fixture(scope="session")
def small_decoder() -> DecoderConfig:
    return DecoderConfig(num_queries=8, dim=32, num_layers=2, num_heads=4, mlp_dim=64, dropout=0.1)
