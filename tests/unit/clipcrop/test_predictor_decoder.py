"""A decoder's crops on their way into the suggestions. It is not trained: its crops lie round the
union box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from clipcrop import Constraints, EncodedImage, Predictor
from clipcrop.cli import main
from clipcrop.decoder.checkpoint import save_decoder
from clipcrop.decoder.network import Decoder, DecoderConfig
from clipcrop.encoders import load_encoder
from clipcrop.encoders.base import Encoder
from clipcrop.errors import CheckpointError
from clipcrop.imaging.images import load_image
from clipcrop.weights.decoders import default_decoder_path

SMALL: dict[str, Any] = {
    "num_queries": 30,
    "dim": 32,
    "num_layers": 1,
    "num_heads": 4,
    "mlp_dim": 32,
}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The lite encoder on the CPU."""
    return load_encoder("lite", "cpu")


@pytest.fixture(scope="module")
def cat(encoder: Encoder, samples: Path) -> EncodedImage:
    """The sample photo of a cat."""
    plain = Predictor.load("lite", "cpu", decoder="none")
    return plain.encode(load_image(samples / "chelsea.jpg"))


def write_decoder(path: Path, encoder: Encoder, token_dim: int, **changes: Any) -> Path:
    """An untrained decoder that is sure of its crops, which are larger than the union box."""
    torch.manual_seed(0)
    decoder = Decoder(DecoderConfig(token_dim=token_dim, **{**SMALL, **changes}))
    torch.nn.init.constant_(decoder.score_head.bias, 8.0)
    torch.nn.init.zeros_(decoder.score_head.weight)
    with torch.no_grad():
        last = decoder.box_head[-1]
        assert isinstance(last, torch.nn.Linear)
        last.bias[2:] = 0.3
    save_decoder(decoder, path, encoder=encoder.name, encoder_fingerprint=encoder.fingerprint())
    return path


@pytest.fixture
def decoder_path(tmp_path: Path, encoder: Encoder, cat: EncodedImage) -> Path:
    """For the lite encoder."""
    return write_decoder(tmp_path / "mine.safetensors", encoder, cat.tokens.tokens.shape[2])


@pytest.fixture
def predictor(decoder_path: Path) -> Predictor:
    """The lite encoder with the decoder."""
    return Predictor.load("lite", "cpu", decoder_path)


def sources(answer: Any) -> set[str]:
    return {crop.source for crop in answer.crops}


def test_the_decoders_crops_join_the_frames_and_say_so(predictor: Predictor, astronaut_path: Path):
    # A face has room round it: the cat fills its photo, and no frame but the whole holds all of it.
    encoded = predictor.encode(load_image(astronaut_path))

    answer = predictor.suggest(encoded, "the face", count=20)

    assert sources(answer) == {"decoder", "frame"}
    qualities = [crop.quality for crop in answer.crops]
    assert qualities == sorted(qualities, reverse=True)


def test_without_a_decoder_all_crops_are_frames(cat: EncodedImage):
    answer = Predictor.load("lite", "cpu").suggest(cat, "the cat")

    assert sources(answer) == {"frame"}


def test_its_crops_obey_the_constraints(predictor: Predictor, cat: EncodedImage):
    constraints = Constraints(aspect=1.0, min_width_px=200)

    answer = predictor.suggest(cat, "the cat", constraints=constraints, count=20)

    assert "decoder" in sources(answer)
    for crop in answer.crops:
        x0, y0, x1, y1 = crop.crop_px
        assert x1 - x0 == y1 - y0 >= 200


def test_an_example_image_conditions_it_too(predictor: Predictor, cat: EncodedImage, samples: Path):
    example = Image.open(samples / "chelsea.jpg").convert("RGB").crop((60, 0, 400, 300))

    answer = predictor.suggest(cat, image_query=example, count=20)

    assert "decoder" in sources(answer)


def test_where_nothing_is_found_it_has_nothing_to_say(predictor: Predictor, cat: EncodedImage):
    answer = predictor.suggest(cat, "the school bus", count=20)

    assert answer.kind == "general"
    assert sources(answer) == {"frame"}


def test_the_variant_without_texts_has_crops_for_everything(
    encoder: Encoder, cat: EncodedImage, tmp_path: Path
):
    path = write_decoder(
        tmp_path / "base.safetensors", encoder, cat.tokens.tokens.shape[2], variant="base"
    )

    answer = Predictor.load("lite", "cpu", path).suggest(cat, "the school bus", count=20)

    assert answer.kind == "general"
    assert "decoder" in sources(answer)


def test_a_decoder_of_the_whole_prompt_is_given_what_the_whole_prompt_selects(
    encoder: Encoder, cat: EncodedImage, tmp_path: Path
):
    path = write_decoder(
        tmp_path / "main.safetensors", encoder, cat.tokens.tokens.shape[2], variant="main"
    )
    prompt = "the cat and the bicycle"

    answer = Predictor.load("lite", "cpu", path).suggest(cat, prompt)

    assert [found.text for found in answer.matched] == [prompt]


def test_the_decoder_in_its_default_place_is_used_unless_told_otherwise(
    decoder_path: Path,
):
    place = default_decoder_path("lite")
    place.parent.mkdir(parents=True)
    place.write_bytes(decoder_path.read_bytes())

    assert Predictor.load("lite", "cpu").decoder is not None
    assert Predictor.load("lite", "cpu", "none").decoder is None


def test_a_damaged_decoder_in_its_default_place_is_named(encoder: Encoder):
    place = default_decoder_path("lite")
    place.parent.mkdir(parents=True)
    place.write_bytes(b"no weights")

    with pytest.raises(CheckpointError, match="cannot read the decoder"):
        Predictor.load("lite", "cpu")


def test_the_command_line_takes_a_decoder(
    decoder_path: Path, samples: Path, capsys: pytest.CaptureFixture[str]
):
    command = ["suggest", str(samples / "chelsea.jpg"), "the cat", "--model", "lite"]

    exit_code = main([*command, "--count", "20", "--decoder", str(decoder_path)])

    assert exit_code == 0
    assert "from the decoder" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "lite", "--decoder", "nowhere.safetensors"], "no such decoder: 'nowhere"),
        (["--daemon", "--decoder", "mine.safetensors"], "no --decoder mine.safetensors beside"),
    ],
)
def test_the_command_line_refuses_a_decoder_it_cannot_use(
    options: list[str], message: str, samples: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["suggest", str(samples / "chelsea.jpg"), "the cat", *options]) == 2
    assert message in capsys.readouterr().err
