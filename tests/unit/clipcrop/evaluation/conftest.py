"""What tests of the evaluation share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from clipcrop.decoder.checkpoint import save_decoder
from clipcrop.decoder.network import Decoder, DecoderConfig
from clipcrop.encoders import load_encoder


@pytest.fixture(scope="session")
def lite_decoders(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Path]]:
    """Writes decoders of random weights for the lite encoder: name -> variant, to name -> file."""
    encoder = load_encoder("lite", "cpu")
    token_dim = encoder.encode_images([Image.new("RGB", (64, 64))]).tokens.shape[2]
    folder = tmp_path_factory.mktemp("decoders")

    def write(**variants: str) -> dict[str, Path]:
        paths = {}
        for name, variant in variants.items():
            torch.manual_seed(0)
            config = DecoderConfig(
                variant=variant,
                token_dim=token_dim,
                num_queries=5,
                dim=16,
                num_layers=1,
                num_heads=2,
                mlp_dim=16,
            )
            paths[name] = folder / f"{name}.safetensors"
            fingerprint = encoder.fingerprint()
            save_decoder(
                Decoder(config), paths[name], encoder=encoder.name, encoder_fingerprint=fingerprint
            )
        return paths

    return write
