"""Captioners of transformers, small and random, in the published formats."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import BlipForConditionalGeneration, VisionEncoderDecoderModel

from clipcrop.cagic.captioner import TransformersCaptioner
from clipcrop.cagic.losses import caption_loss
from clipcrop.cagic.sampler import Crops, Pyramid, sample
from clipcrop.errors import CheckpointError, InputError
from clipcrop.imaging.images import prepare_image

CPU = torch.device("cpu")
BOXES = torch.tensor([[0.1, 0.2, 0.7, 0.9], [0.0, 0.0, 1.0, 1.0], [0.4, 0.3, 0.6, 0.5]])
MEAN = torch.tensor([0.5, 0.4, 0.3]).reshape(3, 1, 1)
STD = torch.tensor([0.2, 0.25, 0.3]).reshape(3, 1, 1)


@pytest.fixture(params=["blip_folder", "encoder_decoder_folder"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Each family in turn."""
    found: Path = request.getfixturevalue(request.param)
    return found


def test_the_loss_has_a_gradient_with_respect_to_the_crops(folder: Path, noise: Image.Image):
    boxes = BOXES.clone().requires_grad_()
    captioner = TransformersCaptioner.load(folder, CPU, "tiny")
    reading = captioner.read(prepare_image(noise), "a red circle")

    losses = reading.loss(Crops(boxes, Pyramid.of_image(noise)))
    losses.sum().backward()

    assert losses.shape == (3,)
    assert (losses > 0).all()
    assert boxes.grad is not None
    assert (boxes.grad.abs().sum(dim=1) > 0).all()


def test_a_batch_of_crops_gives_what_its_crops_give_one_by_one(folder: Path, noise: Image.Image):
    captioner = TransformersCaptioner.load(folder, CPU, "tiny")
    reading, pyramid = captioner.read(prepare_image(noise), "the dog"), Pyramid.of_image(noise)

    together = reading.loss(Crops(BOXES, pyramid))
    alone = torch.cat([reading.loss(Crops(box[None], pyramid)) for box in BOXES])

    torch.testing.assert_close(together, alone)


def test_blip_is_asked_as_its_own_captioning_does(blip_folder: Path, noise: Image.Image):
    model = BlipForConditionalGeneration.from_pretrained(blip_folder).eval()
    pyramid = Pyramid.of_image(noise)
    pixels = (sample(pyramid, BOXES[:1], 32, 32) - MEAN) / STD
    with torch.no_grad():
        said = model.generate(pixel_values=pixels, max_new_tokens=20, do_sample=False)
        logits = model(pixel_values=pixels, input_ids=said[:, :-1]).logits
    is_end = (said[:, 1:] == 3).cumsum(dim=1) > 0
    is_end[:, 0] = False
    # [CLS] [SEP] stand round the words in the tokenizer's own form; "a dog" is 5 and 11.
    expected = caption_loss(logits.log_softmax(dim=-1), ~is_end, torch.tensor([5, 11]))

    captioner = TransformersCaptioner.load(blip_folder, CPU, "tiny")
    reading = captioner.read(prepare_image(noise), "a dog")

    torch.testing.assert_close(reading.loss(Crops(BOXES[:1], pyramid)), expected)


def test_an_encoder_decoder_is_asked_as_its_own_captioning_does(
    encoder_decoder_folder: Path, noise: Image.Image
):
    model = VisionEncoderDecoderModel.from_pretrained(encoder_decoder_folder).eval()
    pyramid = Pyramid.of_image(noise)
    pixels = (sample(pyramid, BOXES[:1], 32, 32) - MEAN) / STD
    with torch.no_grad():
        said = model.generate(pixel_values=pixels, max_new_tokens=20, do_sample=False)
        logits = model(pixel_values=pixels, decoder_input_ids=said[:, :-1]).logits
    is_end = (said[:, 1:] == 3).cumsum(dim=1) > 0
    is_end[:, 0] = False
    expected = caption_loss(logits.log_softmax(dim=-1), ~is_end, torch.tensor([5, 11]))

    captioner = TransformersCaptioner.load(encoder_decoder_folder, CPU, "tiny")
    reading = captioner.read(prepare_image(noise), "a dog")

    torch.testing.assert_close(reading.loss(Crops(BOXES[:1], pyramid)), expected)


def test_weights_published_as_tensors_in_a_pickle_are_read(
    blip_folder: Path, noise: Image.Image, tmp_path: Path
):
    folder = shutil.copytree(blip_folder, tmp_path / "blip")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    crops = Crops(BOXES, Pyramid.of_image(noise))
    losses = [
        TransformersCaptioner.load(one, CPU, "tiny").read(prepare_image(noise), "a cup").loss(crops)
        for one in (blip_folder, folder)
    ]

    torch.testing.assert_close(losses[0], losses[1])


def test_a_pickle_that_would_run_code_is_refused(blip_folder: Path, tmp_path: Path):
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(tmp_path / "was_run"),)

    folder = shutil.copytree(blip_folder, tmp_path / "blip")
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Harmful()}, folder / "pytorch_model.bin")

    with pytest.raises(CheckpointError, match=r"cannot load .* as a BLIP captioner"):
        TransformersCaptioner.load(folder, CPU, "tiny")
    assert not (tmp_path / "was_run").exists()


def _other_kind(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "opt"}))


def _cut_short(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _other_tokenizer(folder: Path) -> None:
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = vocabulary["model"]["vocab"]
    words.update({f"word{number}": len(words) + number for number in range(50)})
    (folder / "tokenizer.json").write_text(json.dumps(vocabulary), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(_other_kind, "type 'opt'; a captioner needs blip", id="another model"),
        pytest.param(_cut_short, "cannot load .* as a BLIP captioner", id="cut short"),
        pytest.param(_other_tokenizer, "tokenizer in .* is not the model's", id="tokenizer"),
        pytest.param(
            lambda folder: (folder / "config.json").unlink(), "no config.json in", id="no settings"
        ),
        pytest.param(
            lambda folder: (folder / "preprocessor_config.json").write_text('{"image_mean": [1]}'),
            "no mean and deviation of three channels",
            id="one channel",
        ),
    ],
)
def test_wrong_files_are_refused_with_a_sentence(
    blip_folder: Path, tmp_path: Path, damage, message: str
):
    folder = shutil.copytree(blip_folder, tmp_path / "blip")
    damage(folder)

    with pytest.raises(CheckpointError, match=message) as caught:
        TransformersCaptioner.load(folder, CPU, "tiny")
    assert "\n" not in str(caught.value)


def test_a_prompt_without_a_word_is_refused(blip_folder: Path, noise: Image.Image):
    captioner = TransformersCaptioner.load(blip_folder, CPU, "tiny")

    with pytest.raises(InputError, match="nothing to look for"):
        captioner.read(prepare_image(noise), "  ")
