"""Which networks are used, and where they are looked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from clipcrop.cagic.aesthetics import ClipAesthetics
from clipcrop.cagic.captioner import TransformersCaptioner
from clipcrop.cagic.weights import check_networks, load_networks
from clipcrop.errors import CheckpointError, InputError
from clipcrop.weights.checkpoint import default_models_folder


def test_stand_ins_are_used_where_there_are_no_weights():
    captioner, aesthetics = load_networks(model="lite", device="cpu")

    assert captioner.name == "stand-in: text scores of lite"
    assert aesthetics.name == "stand-in: composition score"


def test_networks_in_the_models_folder_are_used(blip_folder: Path, clip_folder: Path):
    models = default_models_folder()
    shutil.copytree(blip_folder, models / "blip")
    shutil.copytree(clip_folder, models / "aesthetics")
    torch.save(nn.Linear(24, 1).state_dict(), models / "aesthetics" / "linear.pth")

    captioner, aesthetics = load_networks(device="cpu")

    assert isinstance(captioner, TransformersCaptioner)
    assert captioner.name == "blip"
    assert isinstance(aesthetics, ClipAesthetics)
    assert aesthetics.name == "aesthetic head linear"


def test_a_stand_in_is_used_when_it_is_asked_for(blip_folder: Path):
    shutil.copytree(blip_folder, default_models_folder() / "blip")

    captioner, _ = load_networks("stand-in", model="lite", device="cpu")

    assert captioner.name.startswith("stand-in:")


def test_one_network_and_one_stand_in_go_together(encoder_decoder_folder: Path):
    captioner, aesthetics = load_networks(str(encoder_decoder_folder), model="lite", device="cpu")

    assert captioner.name == f"captioner {encoder_decoder_folder.name}"
    assert aesthetics.name == "stand-in: composition score"


def test_a_head_alone_needs_the_clip_of_its_kind(tmp_path: Path):
    head = tmp_path / "sa_0_4_vit_l_14_linear.pth"
    torch.save(nn.Linear(768, 1).state_dict(), head)

    with pytest.raises(CheckpointError, match=r"beside the head, or for ViT-L/14 run `hf download"):
        check_networks("stand-in", str(head))


def test_a_captioner_that_is_not_here_is_refused_with_the_way_to_get_it():
    with pytest.raises(
        CheckpointError, match=r"blip-image-captioning-base --revision [0-9a-f]{40}"
    ):
        check_networks("blip", "auto")


@pytest.mark.parametrize(
    ("captioner", "aesthetics", "message"),
    [
        ("nonsense", "auto", "no such captioner: 'nonsense'; choose auto, blip, stand-in"),
        ("auto", "nonsense", "no such aesthetic head: 'nonsense'; choose auto, stand-in"),
        ("", "auto", "no such captioner: ''"),
        ("auto", "", "no such aesthetic head: ''"),
    ],
)
def test_names_of_nothing_are_refused(captioner: str, aesthetics: str, message: str):
    with pytest.raises(InputError, match=message):
        check_networks(captioner, aesthetics)
