"""A hub of our own with a tiny model, and a folder for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
from fake_hub import FakeHub
from safetensors.numpy import save

from clipcrop.weights import registry
from clipcrop.weights.hub import Hub
from clipcrop.weights.registry import WANTED, PublishedFile


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """All other tests are offline; here only 127.0.0.1 is asked."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def published() -> dict[str, bytes]:
    """The files of a model, of which the weights come in many pieces."""
    weights = save({"weight": np.arange(200_000, dtype=np.float32)})
    return {
        "README.md": b"not wanted",
        "config.json": json.dumps({"model_type": "owlvit"}).encode(),
        "merges.txt": b"#version: 0.2\n",
        "model.safetensors": weights,
        "pytorch_model.bin": b"not wanted either, beside the other",
        "vocab.json": b"{}",
    }


@pytest.fixture
def fake_hub(online: None, published: dict[str, bytes]) -> Iterator[FakeHub]:
    """It has those files."""
    with FakeHub(published) as hub:
        yield hub


@pytest.fixture
def hub(fake_hub: FakeHub) -> Hub:
    """The way to it, without pauses."""
    return Hub(fake_hub.address, pause_s=0)


Pin = Callable[..., None]


@pytest.fixture(autouse=True)
def pin(monkeypatch: pytest.MonkeyPatch) -> Pin:
    """Changes what is known beforehand of the files of owlvit; at first nothing is."""

    def known(
        files: Mapping[str, bytes], *extra: PublishedFile, unconfirmed: Collection[str] = ()
    ) -> None:
        known_files = tuple(
            PublishedFile(name, len(content), hashlib.sha256(content).hexdigest())
            for name, content in files.items()
            if name in WANTED
        )
        model = replace(
            registry.ENCODERS["owlvit"],
            files=(*known_files, *extra),
            unconfirmed=frozenset(unconfirmed),
        )
        for name in model.names:
            monkeypatch.setitem(registry.ENCODERS, name, model)

    known({})
    return known


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """An empty models folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    return folder
