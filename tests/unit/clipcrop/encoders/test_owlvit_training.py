"""Training an OWL-ViT encoder along with the decoder."""

from __future__ import annotations

import re

import pytest
import torch

from clipcrop.datasets import Example, RatedCrop
from clipcrop.decoder.checkpoint import load_decoder
from clipcrop.decoder.network import DecoderConfig
from clipcrop.encoders import load_encoder
from clipcrop.encoders.owlvit import OwlVitEncoder
from clipcrop.errors import CheckpointError
from clipcrop.imaging.images import load_image
from clipcrop.training.config import TrainConfig
from clipcrop.training.run_folder import RunFolder
from clipcrop.training.trainer import RunOptions, train
from clipcrop.weights.checkpoint import find_checkpoint


@pytest.fixture(params=["owlvit", "owlv2"])
def folder(request, tiny_owls):
    return tiny_owls[request.param]


@pytest.fixture
def encoder(folder):
    return OwlVitEncoder.load(find_checkpoint(folder), torch.device("cpu"))


@pytest.fixture
def photo(astronaut_path):
    return load_image(astronaut_path, 96).rgb


def test_before_training_begins_no_gradients_are_recorded(encoder, photo):
    assert not encoder.encode_images([photo]).tokens.requires_grad


def test_gradients_reach_what_tokens_and_boxes_come_from_and_nothing_else(encoder, photo):
    trained = encoder.begin_training()

    tokens = encoder.encode_tensors([photo])
    (tokens.tokens.sum() + tokens.initial_boxes_cxcywh.sum()).backward()

    reached = {id(one) for one in trained.parameters()}
    for name, parameter in encoder._model.named_parameters():
        has_gradient = parameter.grad is not None and bool(parameter.grad.any())
        assert has_gradient == (id(parameter) in reached), name


def test_training_changes_nothing_of_what_is_seen_before_a_step(encoder, photo):
    before = encoder.encode_tensors([photo])
    encoder.begin_training()

    after = encoder.encode_tensors([photo])

    for name, value in before.parts().items():
        torch.testing.assert_close(after.parts()[name].detach(), value)
    with torch.no_grad():
        assert not encoder.encode_images([photo]).tokens.requires_grad


def test_a_saved_encoder_is_the_same_encoder(encoder, photo, tmp_path, capfd):
    with torch.no_grad():
        next(encoder.begin_training().parameters()).add_(0.1)
        encoder.save(tmp_path / "tower")
        encoder.save(tmp_path / "tower")
        assert capfd.readouterr() == ("", "")  # no bar of the library's beside that of the run

        loaded = load_encoder(tmp_path / "tower", "cpu")

        assert loaded.fingerprint() == encoder.fingerprint()
        torch.testing.assert_close(
            loaded.encode_images([photo]).tokens, encoder.encode_images([photo]).tokens
        )
    assert [path.name for path in tmp_path.iterdir()] == ["tower"]


def test_an_encoder_that_cannot_be_written_is_a_sentence(encoder, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(CheckpointError, match="cannot write the encoder"):
        encoder.save(tmp_path / "file" / "tower")


def test_a_run_trains_encoder_and_decoder_and_goes_on_as_if_it_were_not_cut(
    folder, samples, tmp_path
):
    examples = [
        Example(
            photo=samples / f"{name}.jpg",
            text="dog",
            crops=(RatedCrop(box_xyxy_px=(10, 10, 300, 250), rating=5),),
        )
        for name in ("astronaut", "coffee")
    ]
    before = OwlVitEncoder.load(find_checkpoint(folder), torch.device("cpu")).fingerprint()
    stops = iter([False, True])

    def run(path, **more):
        return train(
            examples,
            examples,
            OwlVitEncoder.load(find_checkpoint(folder), torch.device("cpu")),
            path,
            config=TrainConfig(epochs=3, batch_size=2, lr=1e-3, tower_lr=1e-3, side_px=96),
            decoder_config=DecoderConfig(
                dim=16, num_layers=1, num_heads=2, mlp_dim=16, num_queries=4, dropout=0.0
            ),
            options=RunOptions(validate_every=1),
            **more,
        )

    run(tmp_path / "uncut")
    run(tmp_path / "cut", is_stopped=lambda: next(stops))
    run(tmp_path / "cut")

    metrics = [RunFolder(tmp_path / name).records() for name in ("uncut", "cut")]
    assert metrics[0] == metrics[1]
    tower = load_encoder(tmp_path / "uncut" / "last.tower", "cpu")
    assert tower.fingerprint() != before
    load_decoder(tmp_path / "uncut" / "last.safetensors", tower)
    untrained = OwlVitEncoder.load(find_checkpoint(folder), torch.device("cpu"))
    with pytest.raises(CheckpointError, match=re.escape(f"--model {tmp_path / 'uncut'}")):
        load_decoder(tmp_path / "uncut" / "best.safetensors", untrained)
