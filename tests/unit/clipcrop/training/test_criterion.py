"""The losses, worked out by hand."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from clipcrop.decoder.network import Decoder, DecoderConfig, DecoderOutput
from clipcrop.errors import InputError
from clipcrop.training.criterion import Criterion, CriterionConfig, CropTargets

WHOLE = [0.5, 0.5, 1.0, 1.0]
LEFT_HALF = [0.25, 0.5, 0.5, 1.0]
RIGHT_HALF = [0.75, 0.5, 0.5, 1.0]
NEARLY_WHOLE = [0.475, 0.5, 0.95, 1.0]  # IoU .95 with the whole


def made_output(*crops: tuple[list[float], float]) -> DecoderOutput:
    """One image's predictions: crops with their quality."""
    boxes = torch.tensor([[crop for crop, _ in crops]], requires_grad=True)
    scores = torch.tensor([[quality for _, quality in crops]]).logit().requires_grad_()
    return DecoderOutput(boxes, scores)


def made_targets(*crops: tuple[list[float], float]) -> CropTargets:
    """Crops with their opinions."""
    boxes = torch.tensor([crop for crop, _ in crops]).reshape(-1, 4)
    return CropTargets(boxes, torch.tensor([opinion for _, opinion in crops]))


def random_batch(batch: int = 3, crops: int = 6) -> tuple[DecoderOutput, list[CropTargets]]:
    generator = torch.Generator().manual_seed(0)
    output = DecoderOutput(
        torch.rand(batch, crops, 4, generator=generator),
        torch.randn(batch, crops, generator=generator),
    )
    targets = [
        CropTargets(
            torch.rand(count, 4, generator=generator),
            torch.rand(count, generator=generator) * 4 + 1,
        )
        for count in (9, 0, 4)
    ]
    return output, targets


def quality_loss(output: DecoderOutput, target: CropTargets, **config: Any) -> float:
    return Criterion(CriterionConfig(**config))(output, [target])["quality"].item()


def test_losses_of_a_matched_crop_and_a_free_one_by_hand():
    output = made_output((LEFT_HALF, 0.5), (RIGHT_HALF, 0.4))
    targets = made_targets((WHOLE, 4.2))

    losses = Criterion()(output, [targets])

    # Both are as near, so the surer one, the left, is matched: L1 .25 + .5; GIoU half.
    assert losses["l1"].item() == pytest.approx(0.75)
    assert losses["giou"].item() == pytest.approx(0.5)
    # Labels: the matched crop's (4.2 - 1) / 4 = .8 with weight 1, and 0 with weight .1.
    quality = (0.5 * 0.3**2 + 0.1 * 0.5 * 0.4**2) / 1.1
    assert losses["quality"].item() == pytest.approx(quality)
    assert losses["total"].item() == pytest.approx(5 * 0.75 + 2 * 0.5 + 2 * quality)


def test_perfect_crops_cost_nothing():
    output = made_output((LEFT_HALF, 0.75), (WHOLE, 0.9))
    targets = made_targets((WHOLE, 4.6), (LEFT_HALF, 4.0))

    assert Criterion()(output, [targets])["total"].item() == pytest.approx(0, abs=1e-6)


def test_only_crops_rated_high_are_matched():
    output = made_output((LEFT_HALF, 0.5))
    targets = made_targets((RIGHT_HALF, 3.99), (LEFT_HALF, 4.0))

    assert Criterion()(output, [targets])["l1"].item() == pytest.approx(0, abs=1e-6)


def test_an_image_without_a_crop_rated_high_teaches_its_best_crops():
    output = made_output((LEFT_HALF, 0.5), (RIGHT_HALF, 0.5), (RIGHT_HALF, 0.1))
    best = ((WHOLE, 3.0), (RIGHT_HALF, 3.0))

    losses = Criterion()(output, [made_targets(*best, (LEFT_HALF, 2.0))])

    # Matched are the surer right half, exactly, and the left half with the whole: .25 + .5.
    assert losses["l1"].item() == pytest.approx(0.75 / 2)
    assert losses["giou"].item() == pytest.approx(0.5 / 2)
    # The left half is a rated crop itself, (2 - 1) / 4; both right halves have (3 - 1) / 4.
    quality = (0.5 * 0.25**2 + 0.5 * 0.4**2) / 3
    assert losses["quality"].item() == pytest.approx(quality)


def test_beside_a_crop_rated_high_the_others_are_not_matched_in_a_batch_either():
    outputs = [made_output((LEFT_HALF, 0.5)), made_output((LEFT_HALF, 0.5))]
    output = DecoderOutput(
        torch.cat([one.boxes_cxcywh for one in outputs]), torch.cat([one.scores for one in outputs])
    )
    low, high = made_targets((RIGHT_HALF, 3.9)), made_targets((RIGHT_HALF, 3.9), (LEFT_HALF, 4.0))

    # Only the first image's crop is off, by .5 of the width.
    assert Criterion()(output, [low, high])["l1"].item() == pytest.approx(0.5 / 2)


def test_a_rated_crop_that_a_prediction_overlaps_by_nine_tenths_labels_it():
    output = made_output((NEARLY_WHOLE, 0.5), (LEFT_HALF, 0.4))
    targets = made_targets((WHOLE, 2.0), ([0.45, 0.5, 0.9, 1.0], 3.5))

    # It overlaps the whole by .95 and the other by .9 / .95 = .947: the nearer one counts.
    expected = (0.5 * (0.5 - 0.25) ** 2 + 0.1 * 0.5 * 0.4**2) / 1.1
    assert quality_loss(output, targets) == pytest.approx(expected)


def test_the_crop_that_it_overlaps_labels_a_matched_prediction_before_its_match_does():
    output = made_output((NEARLY_WHOLE, 0.4))
    targets = made_targets((WHOLE, 3.0), (LEFT_HALF, 5.0))

    assert quality_loss(output, targets) == pytest.approx(0.5 * (0.5 - 0.4) ** 2)


@pytest.mark.parametrize(
    ("config", "labels", "weights"),
    [
        pytest.param({}, (0.75, 0.0), (1.0, 0.1), id="default"),
        pytest.param({"unlabelled_weight": 0.0}, (0.75, 0.0), (1.0, 0.0), id="others left out"),
    ],
)
def test_readings_of_the_label(
    config: dict[str, Any], labels: tuple[float, ...], weights: tuple[float, ...]
):
    have = (0.5, 0.4)  # the surer one is matched
    output = made_output((LEFT_HALF, have[0]), (RIGHT_HALF, have[1]))

    found = quality_loss(output, made_targets((WHOLE, 4.0)), **config)

    errors = [0.5 * (one - label) ** 2 for one, label in zip(have, labels, strict=True)]
    expected = sum(one * weight for one, weight in zip(errors, weights, strict=True)) / sum(weights)
    assert found == pytest.approx(expected)


def test_images_without_any_rated_crop_lower_the_quality():
    output = made_output((WHOLE, 0.5))

    Criterion()(output, [made_targets()])["total"].backward()

    assert output.scores.grad is not None
    assert output.scores.grad.item() > 0


def test_a_batch_is_the_mean_of_its_images():
    output, targets = random_batch()

    together = Criterion()(output, targets)

    alone = [
        Criterion()(DecoderOutput(output.boxes_cxcywh[[image]], output.scores[[image]]), [target])
        for image, target in enumerate(targets)
    ]
    for name, loss in together.items():
        mean = torch.stack([losses[name] for losses in alone]).mean()
        torch.testing.assert_close(loss, mean)


def test_the_order_of_predictions_and_targets_does_not_matter():
    output, targets = random_batch()
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    shuffled = DecoderOutput(output.boxes_cxcywh[:, order], output.scores[:, order])
    reversed_targets = [
        CropTargets(one.boxes_cxcywh.flip(0), one.opinions.flip(0)) for one in targets
    ]

    losses, others = Criterion()(output, targets), Criterion()(shuffled, reversed_targets)

    for name, loss in losses.items():
        torch.testing.assert_close(loss, others[name])


def test_every_supervised_layer_adds_to_the_total():
    output, targets = random_batch()

    one = Criterion()(output, targets)
    three = Criterion()(output._replace(layers=(output, output)), targets)

    torch.testing.assert_close(three["total"], 3 * one["total"])
    torch.testing.assert_close(three["l1"], one["l1"])


def test_a_crop_turned_inside_out_is_drawn_back():
    output = made_output(([0.5, 0.5, -0.2, 0.4], 0.5))

    losses = Criterion()(output, [made_targets((WHOLE, 5.0))])
    losses["total"].backward()

    assert output.boxes_cxcywh.grad is not None
    assert output.boxes_cxcywh.grad[0, 0, 2] < 0  # a step against it makes the crop wider


def test_a_decoder_learns_one_batch_by_heart():
    torch.manual_seed(0)
    decoder = Decoder(
        DecoderConfig(token_dim=8, num_queries=4, dim=32, num_layers=2, num_heads=4, mlp_dim=32,
                      dropout=0.0)
    )  # fmt: skip
    inputs = (torch.randn(2, 6, 8), None, torch.randn(2, 8), torch.rand(2, 4), torch.rand(2, 6, 4))
    targets = [made_targets((LEFT_HALF, 5.0)), made_targets((RIGHT_HALF, 4.5), (WHOLE, 4.0))]
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-3)

    for _ in range(400):  # 150 are too few for some orders of summation
        optimizer.zero_grad()
        Criterion()(decoder(*inputs), targets)["total"].backward()
        optimizer.step()

    output: DecoderOutput = decoder.eval()(*inputs)
    best: Tensor = output.boxes_cxcywh[torch.arange(2), output.quality.argmax(dim=1)]
    torch.testing.assert_close(best, torch.tensor([LEFT_HALF, RIGHT_HALF]), atol=0.05, rtol=0)


def test_targets_of_other_images_are_refused():
    output, targets = random_batch()

    with pytest.raises(ValueError, match="2 targets for 3 images"):
        Criterion()(output, targets[:2])


def test_a_missing_scipy_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)

    with pytest.raises(InputError, match=r"clipcrop-desktop\[train\]"):
        Criterion()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"l1_weight": -1.0}, "l1_weight must be at least 0"),
        ({"label_iou": 0.0}, "label_iou must be above 0"),
        ({"smooth_l1_beta": 0.0}, "smooth_l1_beta must be above 0"),
    ],
)
def test_a_configuration_that_teaches_nothing_is_refused(config: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        CriterionConfig(**config)
