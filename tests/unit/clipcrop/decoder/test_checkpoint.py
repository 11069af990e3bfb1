"""Decoders on disk: what was saved is loaded, everything else is refused with a sentence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from clipcrop.arrays import FloatArray
from clipcrop.decoder.checkpoint import load_decoder, save_decoder
from clipcrop.decoder.network import FORMER_READINGS, Decoder, DecoderConfig
from clipcrop.encoders.base import ImageTokens
from clipcrop.encoders.lite import LiteEncoder
from clipcrop.encoders.tensors import weights_fingerprint
from clipcrop.errors import CheckpointError, InputError
from clipcrop.prompt.parser import Text
from clipcrop.weights.checkpoint import default_models_folder
from clipcrop.weights.decoders import default_decoder_path, find_decoder, read_decoder_info

CONFIG = DecoderConfig(token_dim=6, num_queries=3, dim=8, num_layers=2, num_heads=2, mlp_dim=8)


class FakeEncoder:
    """An encoder that has a name and a fingerprint, and sees nothing."""

    min_score = 0.1
    sure_score = 0.1
    min_query_score = 0.1

    def __init__(self, name: str = "fake", fingerprint: str = "0123456789abcdef") -> None:
        self.name = name
        self._fingerprint = fingerprint

    def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
        raise NotImplementedError

    def encode_texts(self, texts: Sequence[Text]) -> FloatArray:
        raise NotImplementedError

    def confidence(
        self, tokens: ImageTokens, text_embeddings: FloatArray, scores: FloatArray
    ) -> FloatArray:
        raise NotImplementedError

    def taken_for(self, text: Text, found: FloatArray | None = None) -> str | None:
        return None

    def encode_image_query(self, image: Image.Image) -> FloatArray:
        raise NotImplementedError

    def fingerprint(self) -> str:
        return self._fingerprint


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A small decoder for the fake encoder."""
    torch.manual_seed(0)
    path = tmp_path / "new folder" / "decoder.safetensors"
    encoder = FakeEncoder()
    save_decoder(
        Decoder(CONFIG),
        path,
        encoder=encoder.name,
        encoder_fingerprint=encoder.fingerprint(),
        notes={"step": "7"},
    )
    return path


def rewritten(path: Path, header: dict[str, str], **changes: Tensor) -> Path:
    """The file with other values in its header and other weights."""
    with safe_open(path, framework="pt") as file:
        old = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(weights | changes, path, metadata=old | header)
    return path


def with_config(path: Path, **changes: Any) -> Path:
    with safe_open(path, framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    return rewritten(path, {"config": json.dumps(config | changes)})


def test_readings_that_an_earlier_version_wrote_are_read(saved: Path):
    earlier = with_config(saved, **FORMER_READINGS)

    assert load_decoder(earlier, FakeEncoder()).config == CONFIG


def test_a_decoder_with_a_reading_that_is_gone_is_refused(saved: Path):
    earlier = with_config(saved, norm_order="pre")

    with pytest.raises(CheckpointError, match="norm_order 'pre'"):
        load_decoder(earlier, FakeEncoder())


def test_a_decoder_from_before_its_attention_was_renamed_loads(saved: Path, tmp_path: Path):
    decoder = load_decoder(saved, FakeEncoder())
    with safe_open(saved, framework="pt") as file:
        header = file.metadata()
    earlier = {
        name.replace("self_attention", "among").replace("cross_attention", "across"): part
        for name, part in decoder.state_dict().items()
    }
    path = tmp_path / "earlier.safetensors"
    save_file(earlier, path, metadata=header)

    loaded = load_decoder(path, FakeEncoder()).state_dict()

    assert {"layers.0.among.in_proj_weight", "layers.1.across.out_proj.bias"} <= earlier.keys()
    assert loaded.keys() == decoder.state_dict().keys()
    assert all(torch.equal(loaded[name], part) for name, part in decoder.state_dict().items())


def test_saved_and_loaded_is_the_same(saved: Path):
    torch.manual_seed(0)
    original = Decoder(CONFIG).eval()
    inputs = (torch.randn(2, 5, 6), None, torch.randn(2, 6), torch.rand(2, 4), torch.rand(2, 5, 4))

    loaded = load_decoder(saved, FakeEncoder())

    assert loaded.config == original.config
    weights = loaded.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in original.state_dict().items())
    torch.testing.assert_close(loaded(*inputs).boxes_cxcywh, original(*inputs).boxes_cxcywh)
    torch.testing.assert_close(loaded(*inputs).scores, original(*inputs).scores)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_file_says_what_it_is(saved: Path):
    info = read_decoder_info(saved)

    assert DecoderConfig(**info.config) == CONFIG
    assert (info.encoder, info.notes) == ("fake", {"step": "7"})
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]  # nothing half-written


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (FakeEncoder("other", "f" * 16), "trained for the encoder 'fake', not for 'other'"),
        (FakeEncoder("fake", "f" * 16), "trained for the encoder 'fake' with other weights"),
    ],
)
def test_another_encoder_is_refused(saved: Path, encoder: FakeEncoder, message: str):
    with pytest.raises(CheckpointError, match=message):
        load_decoder(saved, encoder)


def test_the_same_weights_under_another_name_are_taken(saved: Path):
    assert load_decoder(saved, FakeEncoder("/models/fake")).config == CONFIG


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(CheckpointError, match="cannot read the decoder"):
        load_decoder(tmp_path / "none.safetensors", FakeEncoder())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_refused(saved: Path, share: float):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])

    with pytest.raises(CheckpointError, match="cut short"):
        load_decoder(saved, FakeEncoder())


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": "clipcrop-decoder-2"}, "install the version that wrote it"),
        ({"format": "clipcrop-composition-1"}, "holds no decoder"),
        ({"format": ""}, "its format is not given"),
        ({"config": "{"}, "header of the decoder .* is damaged"),
        ({"config": "[1]"}, "header of the decoder .* is damaged"),
        ({"config": '{"colour": 1}'}, "header of the decoder .* is damaged"),
        ({"config": '{"dim": "wide"}'}, "header of the decoder .* is damaged"),
        ({"config": '{"num_heads": 7}'}, "num_heads must divide dim"),
        ({"notes": "?"}, "header of the decoder .* is damaged"),
    ],
)
def test_a_header_that_cannot_be_is_refused(saved: Path, header: dict[str, str], message: str):
    with pytest.raises(CheckpointError, match=message):
        load_decoder(rewritten(saved, header), FakeEncoder())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 16}, "not those of its configuration"),
        ({"num_layers": 3}, "not those of its configuration"),
        ({"num_layers": 1}, "not those of its configuration"),
        ({"num_layers": 10**9}, "damaged: it has"),
        ({"num_queries": 10**9}, "not those of its configuration"),
        ({"dim": 8.0}, "not those of its configuration"),
        ({"key_positions": "none"}, "not those of its configuration"),
    ],
)
def test_weights_of_other_shapes_are_refused(saved: Path, changes: dict[str, Any], message: str):
    with pytest.raises(CheckpointError, match=message):
        load_decoder(with_config(saved, **changes), FakeEncoder())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(saved: Path, value: float):
    bad = torch.zeros(3, 8)
    bad[1, 2] = value

    with pytest.raises(CheckpointError, match=r"not all finite numbers \(queries\)"):
        load_decoder(rewritten(saved, {}, queries=bad), FakeEncoder())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")

    with pytest.raises(CheckpointError, match="cannot write the decoder"):
        save_decoder(
            Decoder(CONFIG), in_the_way / "d.safetensors", encoder="fake", encoder_fingerprint=""
        )


def test_a_decoder_in_its_default_place_is_found(saved: Path):
    assert find_decoder("auto", "fake") is None

    place = default_decoder_path("fake")
    place.parent.mkdir(parents=True)
    place.write_bytes(saved.read_bytes())

    assert place == default_models_folder() / "decoders" / "fake.safetensors"
    assert find_decoder("auto", "fake") == place
    assert find_decoder("auto", "other") is None
    assert find_decoder("none", "fake") is None
    assert find_decoder(saved, "fake") == saved


def test_a_decoder_named_after_an_alias_of_its_encoder_is_found(saved: Path):
    place = default_decoder_path("owlvit-base-patch32")
    place.parent.mkdir(parents=True)
    place.write_bytes(saved.read_bytes())

    assert find_decoder("auto", "owlvit") == place


def test_an_encoder_named_by_its_folder_has_a_default_place_too():
    place = default_decoder_path("/models/my owl")

    assert place.parent == default_models_folder() / "decoders"


@pytest.mark.parametrize("choice", ["here.safetensors", "x" * 5000, "a\0b", "."])
def test_a_decoder_that_is_not_there_is_refused(choice: str):
    with pytest.raises(InputError, match="no such decoder"):
        find_decoder(choice, "fake")


def test_fingerprints_differ_as_soon_as_one_step_was_trained():
    torch.manual_seed(0)
    decoder = Decoder(CONFIG)
    before = weights_fingerprint(decoder.state_dict())
    again = weights_fingerprint(dict(reversed(decoder.state_dict().items())))

    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter += 1e-4

    assert before == again
    assert weights_fingerprint(decoder.state_dict()) != before


def test_the_lite_encoder_has_the_same_fingerprint_each_time():
    first, second = LiteEncoder.load().fingerprint(), LiteEncoder.load().fingerprint()

    assert first == second
    assert len(first) == 16
