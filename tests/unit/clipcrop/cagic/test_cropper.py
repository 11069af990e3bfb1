"""CAGIC from a photo and words to crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clipcrop.cagic.cropper import Cagic
from clipcrop.cagic.options import CagicOptions
from clipcrop.cagic.weights import load_networks
from clipcrop.constraints import Constraints
from clipcrop.decoder.tensor_boxes import iou
from clipcrop.imaging.images import LoadedImage, prepare_image


@pytest.fixture(scope="module")
def cagic() -> Cagic:
    """With both stand-ins, the lite encoder's."""
    return Cagic.load("stand-in", "stand-in", model="lite", device="cpu")


def test_the_crop_is_round_what_was_asked_for(cagic: Cagic, cat: LoadedImage):
    found = cagic.search(cat, "the cat")

    box = torch.tensor([found.reading.matched[0].box_xyxy])
    assert iou(found.optimum.boxes_xyxy[:1], box).item() > 0.6


def test_suggestions_are_whole_pixels_of_the_original_best_first(cagic: Cagic, samples: Path):
    photo = prepare_image(Image.open(samples / "chelsea.jpg").resize((3000, 1700)))

    answer = cagic.suggestions(cagic.search(photo, "the cat"), photo, count=3)

    assert answer.model == "CAGIC (stand-in: text scores of lite; stand-in: composition score)"
    assert answer.kind == "match"
    assert 1 <= len(answer.crops) <= 3
    qualities = [crop.quality for crop in answer.crops]
    assert qualities[0] == 1
    assert qualities == sorted(qualities, reverse=True)
    for crop in answer.crops:
        x0, y0, x1, y1 = crop.crop_px
        assert 0 <= x0 < x1 <= 3000
        assert 0 <= y0 < y1 <= 1700
        expected = (x0 / 3000, y0 / 1700, x1 / 3000, y1 / 1700)
        assert crop.crop_xyxy == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 16 / 9, 4 / 5])
def test_an_aspect_ratio_and_a_minimum_size_are_kept(cagic: Cagic, cat: LoadedImage, ratio: float):
    constraints = Constraints(aspect=ratio, min_width_px=200)

    found = cagic.search(cat, "the cat", constraints)

    for crop in cagic.suggestions(found, cat, constraints).crops:
        x0, y0, x1, y1 = crop.crop_px
        assert (x1 - x0) / (y1 - y0) == pytest.approx(ratio, rel=0.01)
        assert x1 - x0 >= 200


def test_what_is_not_there_gives_general_crops(cagic: Cagic, cat: LoadedImage):
    answer = cagic.suggestions(cagic.search(cat, "the school bus"), cat)

    assert answer.kind == "general"
    assert "bus" in answer.dropped[0].text


def test_the_same_seed_gives_the_same_crops(cagic: Cagic, cat: LoadedImage):
    assert np.array_equal(cagic.crops(cat, "the cat"), cagic.crops(cat, "the cat"))


@pytest.fixture
def with_networks(blip_folder: Path, clip_folder: Path, tmp_path: Path) -> tuple[str, str]:
    """A small captioner, and a small head beside its CLIP."""
    head = clip_folder / "linear.pth"
    torch.manual_seed(1)
    torch.save(torch.nn.Linear(24, 1).state_dict(), head)
    return str(blip_folder), str(head)


def test_networks_of_other_sizes_and_shapes_than_the_photo_are_descended_through(
    with_networks: tuple[str, str], noise: Image.Image
):
    options = CagicOptions(steps=6, restarts=4)
    cagic = Cagic.load(*with_networks, device="cpu", options=options)
    told: list[float] = []

    crops = cagic.crops(prepare_image(noise), "a red circle")
    again = cagic.crops(prepare_image(noise), "a red circle")
    cagic.search(prepare_image(noise), "a dog", on_step=lambda one: told.append(one.loss))

    assert np.array_equal(crops, again)
    assert told[-1] < told[0]
    assert cagic.name == f"CAGIC (captioner {Path(with_networks[0]).name}; aesthetic head linear)"


@pytest.mark.gpu
def test_a_gpu_gives_what_the_processor_gives(with_networks: tuple[str, str], noise: Image.Image):
    options = CagicOptions(steps=10, restarts=4)
    found = [
        Cagic(*load_networks(*with_networks, device=device), options).search(
            prepare_image(noise), "a red circle"
        )
        for device in ("cpu", "cuda")
    ]

    first, second = (one.optimum for one in found)
    torch.testing.assert_close(first.path_losses[0], second.path_losses[0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(first.losses[0], second.losses[0], atol=0.02, rtol=0.02)
