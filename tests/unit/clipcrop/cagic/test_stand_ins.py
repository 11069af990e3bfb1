"""What takes the place of networks whose weights are not here."""

from __future__ import annotations

import pytest
import torch

from clipcrop.boxes import as_boxes
from clipcrop.cagic.sampler import Crops, Pyramid
from clipcrop.cagic.stand_ins import CompositionAesthetics, EncoderCaptioner
from clipcrop.composing.composition import CompositionScorer
from clipcrop.decoder.tensor_boxes import iou
from clipcrop.imaging.images import LoadedImage
from clipcrop.predictor import CachedEncoder, Predictor

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """The lite encoder."""
    return Predictor.load("lite", "cpu")


def crops_of(image: LoadedImage, boxes: list[list[float]]) -> Crops:
    """Crops with a gradient."""
    return Crops(torch.tensor(boxes, requires_grad=True), Pyramid.of_image(image.rgb))


def test_a_crop_that_is_the_box_found_has_no_caption_loss(predictor: Predictor, cat: LoadedImage):
    reading = EncoderCaptioner(CachedEncoder(predictor), CPU).read(cat, "the cat")

    box = list(reading.matched[0].box_xyxy)
    shifted = [box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2]
    losses = reading.loss(crops_of(cat, [box, [0.0, 0.0, 1.0, 1.0], shifted]))

    assert reading.is_found
    assert losses[0].item() == pytest.approx(0, abs=1e-4)
    assert 0.05 < losses[1] < losses[2]


def test_the_loss_of_a_crop_is_the_angle_between_it_and_what_was_found(
    predictor: Predictor, cat: LoadedImage
):
    reading = EncoderCaptioner(CachedEncoder(predictor), CPU).read(cat, "the cat")
    found = torch.tensor([reading.matched[0].box_xyxy])
    crop = torch.tensor([[0.1, 0.1, 0.9, 0.8]])
    shared = iou(crop, found) / (1 + iou(crop, found))  # of the sum of both areas
    areas = [(box[0, 2] - box[0, 0]) * (box[0, 3] - box[0, 1]) for box in (crop, found)]
    cosine = shared * sum(areas) / (areas[0] * areas[1]).sqrt()

    loss = reading.loss(crops_of(cat, crop.tolist()))

    assert loss.item() == pytest.approx(-(1e-3 + 0.999 * cosine).log().item(), abs=1e-4)


def test_what_the_encoder_does_not_find_is_said_and_weighs_nothing(
    predictor: Predictor, cat: LoadedImage
):
    reading = EncoderCaptioner(CachedEncoder(predictor), CPU).read(cat, "the school bus")

    crops = crops_of(cat, [[0.1, 0.1, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]])
    losses = reading.loss(crops)
    losses.sum().backward()  # there is a gradient, of zeros

    assert not reading.is_found
    assert reading.matched == ()
    assert "bus" in reading.dropped[0].text
    assert losses.tolist() == [0, 0]


def test_looks_are_the_composition_score_with_a_gradient(predictor: Predictor, cat: LoadedImage):
    cached_encoder = CachedEncoder(predictor)
    boxes = [[0.1, 0.05, 0.8, 0.9], [0.0, 0.0, 0.2, 0.2], [0.0, 0.0, 1.0, 1.0]]
    crops = crops_of(cat, boxes)
    expected = CompositionScorer.load().score(
        as_boxes(boxes), cached_encoder(cat).objects_xyxy, 0, cat.width_px / cat.height_px
    )

    judged = CompositionAesthetics(cached_encoder, CPU).read(cat)(crops)
    judged.sum().backward()

    torch.testing.assert_close(judged.detach().clamp(0, 1), torch.from_numpy(expected))
    assert crops.boxes_xyxy.grad is not None
    assert crops.boxes_xyxy.grad.isfinite().all()
    assert crops.boxes_xyxy.grad.abs().sum() > 0


def test_a_photo_is_looked_at_once(predictor: Predictor, cat: LoadedImage):
    cached_encoder = CachedEncoder(predictor)

    assert cached_encoder(cat) is cached_encoder(cat)


def test_both_are_named_as_stand_ins(predictor: Predictor):
    cached_encoder = CachedEncoder(predictor)

    assert EncoderCaptioner(cached_encoder, CPU).name == "stand-in: text scores of lite"
    assert CompositionAesthetics(cached_encoder, CPU).name == "stand-in: composition score"
