"""LAION's heads on a small random CLIP, in the published file layouts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPModel

from clipcrop.cagic.aesthetics import ClipAesthetics, load_head
from clipcrop.cagic.sampler import Crops, Pyramid, sample
from clipcrop.errors import CheckpointError
from clipcrop.imaging.images import prepare_image

CPU = torch.device("cpu")
BOXES = torch.tensor([[0.1, 0.2, 0.7, 0.9], [0.0, 0.0, 1.0, 1.0]])
WIDTH = 24


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_head_gives_what_it_gave_when_it_was_saved(head: nn.Module, suffix: str, tmp_path: Path):
    path = tmp_path / f"head{suffix}"
    if suffix == ".pth":
        torch.save(head.state_dict(), path)
    else:
        save_file(head.state_dict(), path)
    embeddings = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(1))

    loaded = load_head(path)

    torch.testing.assert_close(loaded(embeddings), head(embeddings))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_the_rating_is_that_of_unit_embeddings_from_0_to_1(
    head: nn.Module, clip_folder: Path, noise: Image.Image, tmp_path: Path
):
    torch.save(head.state_dict(), tmp_path / "head.pth")
    pyramid = Pyramid.of_image(noise)
    mean = torch.tensor([0.5, 0.4, 0.3]).reshape(3, 1, 1)
    std = torch.tensor([0.2, 0.25, 0.3]).reshape(3, 1, 1)
    clip = CLIPModel.from_pretrained(clip_folder).eval()
    with torch.no_grad():
        seen = clip.vision_model((sample(pyramid, BOXES, 32, 32) - mean) / std).pooler_output
        embeddings = clip.visual_projection(seen)
        ratings = head(embeddings / embeddings.norm(dim=1, keepdim=True))[:, 0]

    aesthetics = ClipAesthetics.load(tmp_path / "head.pth", clip_folder, CPU)
    judged = aesthetics.read(prepare_image(noise))(Crops(BOXES, pyramid))

    torch.testing.assert_close(judged, (ratings - 1) / 9)
    assert aesthetics.name == "aesthetic head head"


def test_the_score_has_a_gradient_with_respect_to_the_crops(
    head: nn.Module, clip_folder: Path, noise: Image.Image, tmp_path: Path
):
    torch.save(head.state_dict(), tmp_path / "head.pth")
    aesthetics = ClipAesthetics.load(tmp_path / "head.pth", clip_folder, CPU)
    boxes = BOXES.clone().requires_grad_()

    aesthetics.read(prepare_image(noise))(Crops(boxes, Pyramid.of_image(noise))).sum().backward()

    assert boxes.grad is not None
    assert (boxes.grad.abs().sum(dim=1) > 0).all()


def test_a_head_for_another_clip_is_refused(clip_folder: Path, tmp_path: Path):
    torch.save(nn.Linear(512, 1).state_dict(), tmp_path / "head.pth")

    with pytest.raises(CheckpointError, match=r"for embeddings of 512 numbers, but the CLIP .* 24"):
        ClipAesthetics.load(tmp_path / "head.pth", clip_folder, CPU)


def test_a_clip_that_is_none_is_refused(blip_folder: Path, tmp_path: Path):
    torch.save(nn.Linear(WIDTH, 1).state_dict(), tmp_path / "head.pth")

    with pytest.raises(CheckpointError, match="type 'blip'; an aesthetic head needs a clip"):
        ClipAesthetics.load(tmp_path / "head.pth", blip_folder, CPU)


def test_a_clip_without_its_image_half_is_refused(clip_folder: Path, tmp_path: Path):
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    save_file({"logit_scale": torch.zeros(())}, folder / "model.safetensors", {"format": "pt"})
    torch.save(nn.Linear(WIDTH, 1).state_dict(), tmp_path / "head.pth")

    with pytest.raises(CheckpointError, match=r"not those of a CLIP: .* tensors are missing"):
        ClipAesthetics.load(tmp_path / "head.pth", folder, CPU)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"weight": torch.zeros(1, WIDTH)}, id="no bias"),
        pytest.param({"fc.weight": torch.zeros(1, 4), "fc.bias": torch.zeros(1)}, id="other names"),
        pytest.param({"weight": torch.zeros(3, WIDTH), "bias": torch.zeros(3)}, id="three ratings"),
        pytest.param({"weight": torch.zeros(WIDTH), "bias": torch.zeros(1)}, id="one axis"),
        pytest.param([torch.zeros(1)], id="a list"),
        pytest.param({"weight": "text", "bias": 1}, id="no tensors"),
        pytest.param({}, id="empty"),
    ],
)
def test_a_file_of_something_else_is_refused(content: object, tmp_path: Path):
    torch.save(content, tmp_path / "head.pth")

    with pytest.raises(CheckpointError, match=r"head\.pth is no aesthetic head: .*; choose"):
        load_head(tmp_path / "head.pth")


def test_a_model_saved_whole_is_refused_and_not_run(tmp_path: Path):
    torch.save(nn.Linear(WIDTH, 1), tmp_path / "head.pth")

    with pytest.raises(CheckpointError, match="cannot read the aesthetic head"):
        load_head(tmp_path / "head.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_refused_with_a_sentence(content: bytes, suffix: str, tmp_path: Path):
    path = tmp_path / f"head{suffix}"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match="cannot read the aesthetic head") as caught:
        load_head(path)
    assert "\n" not in str(caught.value)
