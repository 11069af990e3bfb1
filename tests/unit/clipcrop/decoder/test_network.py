"""The crop decoder: shapes at the paper's sizes, then everything else on a small one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from clipcrop.decoder.network import (
    Decoder,
    DecoderConfig,
    DecoderOutput,
    add_offsets,
    clamp_to_image,
    fourier_features,
)

VARIANTS = ["base", "main", "key", "full"]
SMALL = DecoderConfig(
    token_dim=12, num_queries=5, dim=16, num_layers=2, num_heads=4, mlp_dim=24, dropout=0.0
)
READINGS: list[dict[str, Any]] = [
    {},
    {"offset_space": "union"},
    {"key_positions": "none"},
    {"query_positions": "union"},
]


def small_decoder(**changes: Any) -> Decoder:
    torch.manual_seed(0)
    return Decoder(replace(SMALL, **changes))


def made_inputs(batch: int = 3, count: int = 7, seed: int = 1) -> dict[str, Tensor]:
    """Arguments of the small decoder for a batch of images."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(batch, count, 4, generator=generator)
    return {
        "tokens": torch.randn(batch, count, SMALL.token_dim, generator=generator),
        "padding_mask": torch.zeros(batch, count, dtype=torch.bool),
        "text_condition": torch.randn(batch, SMALL.token_dim, generator=generator),
        "union_box_cxcywh": torch.tensor([[0.5, 0.5, 0.3, 0.4]]).repeat(batch, 1),
        "token_boxes_cxcywh": boxes,
    }


def assert_same(ours: DecoderOutput, theirs: DecoderOutput) -> None:
    torch.testing.assert_close(ours.boxes_cxcywh, theirs.boxes_cxcywh, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.scores, theirs.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_papers_sizes_give_its_shapes(variant: Any):
    batch, tokens = 32, 576
    with torch.device("meta"):
        config = DecoderConfig(variant=variant)
        decoder = Decoder(config)
        is_conditioned = variant != "base"

        output = decoder(
            torch.empty(batch, tokens, 768),
            None,
            torch.empty(batch, 768) if is_conditioned else None,
            torch.empty(batch, 4) if is_conditioned else None,
            torch.empty(batch, tokens, 4),
        )

    assert {
        "layers": len(decoder.layers),
        "supervised beside the last": [layer.boxes_cxcywh.shape for layer in output.layers],
        "mlp": tuple(decoder.layers[0].mlp[0].weight.shape),
        "boxes_cxcywh": tuple(output.boxes_cxcywh.shape),
        "scores": tuple(output.scores.shape),
    } == {
        "layers": 6,
        "supervised beside the last": [(batch, 90, 4)] * 5,
        "mlp": (2048, 512),
        "boxes_cxcywh": (batch, 90, 4),
        "scores": (batch, 90),
    }


@pytest.mark.parametrize("reading", READINGS, ids=lambda reading: str(*reading.items()))
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_every_parameter(variant: Any, reading: dict[str, Any]):
    decoder = small_decoder(variant=variant, **reading)

    output = decoder(**made_inputs())
    (output.boxes_cxcywh.square().sum() + output.quality.sum()).backward()

    unreached = [
        name
        for name, parameter in decoder.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.any())
    ]
    assert unreached == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_an_encoder_gives_has_gradients_only_where_it_is_used(variant: Any):
    decoder = small_decoder(variant=variant)
    inputs = made_inputs()
    for name in ("tokens", "text_condition", "union_box_cxcywh"):
        inputs[name].requires_grad_()

    decoder(**inputs).boxes_cxcywh.square().sum().backward()

    has_gradient = {
        name for name, value in inputs.items() if value.grad is not None and bool(value.grad.any())
    }
    conditions = {"text_condition", "union_box_cxcywh"}
    assert has_gradient == ({"tokens"} if variant == "base" else {"tokens", *conditions})


@pytest.mark.parametrize("variant", ["base", "full"])
def test_a_batch_of_images_with_different_tokens_equals_its_items(variant: Any):
    decoder = small_decoder(variant=variant, query_positions="union").eval()
    counts = [7, 3, 5]
    batch = made_inputs(3, 7)
    batch["padding_mask"] = torch.arange(7)[None] >= torch.tensor(counts)[:, None]
    for name in ("tokens", "token_boxes_cxcywh"):
        batch[name][batch["padding_mask"]] = 1e3  # what stands in the padding must not matter

    together = decoder(**batch)

    for image, count in enumerate(counts):
        item = {name: value[image : image + 1] for name, value in batch.items()}
        for name in ("tokens", "token_boxes_cxcywh", "padding_mask"):
            item[name] = item[name][:, :count]
        alone = decoder(**item)
        assert_same(alone, DecoderOutput(together.boxes_cxcywh[[image]], together.scores[[image]]))


def test_the_order_of_tokens_does_not_matter():
    decoder = small_decoder().eval()
    inputs = made_inputs()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    shuffled = inputs | {
        name: inputs[name][:, order] for name in ("tokens", "token_boxes_cxcywh", "padding_mask")
    }

    assert_same(decoder(**inputs), decoder(**shuffled))


def test_crops_follow_their_query_tokens():
    decoder = small_decoder().eval()
    before = decoder(**made_inputs())
    order = torch.tensor([3, 1, 4, 0, 2])

    with torch.no_grad():
        decoder.queries.copy_(decoder.queries[order])

    after = decoder(**made_inputs())
    assert_same(after, DecoderOutput(before.boxes_cxcywh[:, order], before.scores[:, order]))


@pytest.mark.parametrize("changed", ["text_condition", "union_box_cxcywh"])
def test_what_was_selected_changes_the_crops_of_all_variants_but_base(changed: str):
    inputs = made_inputs()
    others = inputs | {changed: inputs[changed] + 0.1}

    for variant in VARIANTS:
        decoder = small_decoder(variant=variant).eval()
        is_same = torch.equal(decoder(**inputs).boxes_cxcywh, decoder(**others).boxes_cxcywh)
        assert is_same == (variant == "base")


def test_an_untrained_decoder_gives_crops_near_the_union_box():
    torch.manual_seed(0)
    decoder = Decoder(replace(SMALL, dim=512, num_heads=8)).eval()
    inputs = made_inputs()

    boxes = decoder(**inputs).boxes_cxcywh

    assert (boxes - inputs["union_box_cxcywh"][:, None]).abs().max() < 0.3
    assert boxes.std(dim=1).min() > 0  # and no two the same, or matching would be by chance


def test_crops_lie_in_the_image_except_in_training():
    decoder = small_decoder()
    torch.nn.init.constant_(decoder.box_head[-1].bias, 0.6)

    training = decoder(**made_inputs()).boxes_cxcywh
    evaluation = decoder.eval()(**made_inputs()).boxes_cxcywh

    assert (training[..., :2] + training[..., 2:] / 2).max() > 1
    torch.testing.assert_close(evaluation, clamp_to_image(training))
    assert (evaluation[..., :2] + evaluation[..., 2:] / 2).max() <= 1 + 1e-6


def test_layers_are_supervised_in_training_only():
    decoder = small_decoder()

    assert len(decoder(**made_inputs()).layers) == 1
    assert decoder.eval()(**made_inputs()).layers == ()


def test_boxes_stay_float32_in_mixed_precision():
    decoder = small_decoder()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = decoder(**made_inputs())

    assert output.boxes_cxcywh.dtype == output.scores.dtype == torch.float32


def test_an_offset_in_units_of_the_image_is_a_sum():
    union = torch.tensor([0.5, 0.4, 0.2, 0.3])
    offset = torch.tensor([0.1, -0.1, 0.25, -0.05])

    crop = add_offsets(union, offset, "image")

    torch.testing.assert_close(crop, torch.tensor([0.6, 0.3, 0.45, 0.25]))


def test_an_offset_in_units_of_the_union_box_scales_with_it():
    union = torch.tensor([0.5, 0.4, 0.2, 0.3])
    offset = torch.tensor([0.5, -1.0, math.log(2.0), math.log(0.5)])

    crop = add_offsets(union, offset, "union")

    torch.testing.assert_close(crop, torch.tensor([0.6, 0.1, 0.4, 0.15]))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param([0.5, 0.5, 0.4, 0.2], [0.5, 0.5, 0.4, 0.2], id="inside"),
        pytest.param([0.1, 0.5, 0.4, 0.2], [0.15, 0.5, 0.3, 0.2], id="over the left edge"),
        pytest.param([0.9, 0.9, 0.4, 0.4], [0.85, 0.85, 0.3, 0.3], id="over a corner"),
        pytest.param([0.5, 0.5, 3.0, 2.0], [0.5, 0.5, 1.0, 1.0], id="larger than the image"),
        pytest.param([1.5, 0.5, 0.2, 0.2], [1.0, 0.5, 0.0, 0.2], id="outside"),
        pytest.param([0.5, 0.5, -0.2, 0.2], [0.5, 0.5, 0.0, 0.2], id="size below zero"),
    ],
)
def test_clamping_keeps_the_part_in_the_image(box: list[float], expected: list[float]):
    torch.testing.assert_close(clamp_to_image(torch.tensor(box)), torch.tensor(expected))


def test_waves_tell_boxes_apart_that_differ_by_a_hundredth():
    box = torch.tensor([0.3, 0.6, 0.2, 0.4])
    moved = box + torch.tensor([0.01, 0.0, 0.0, 0.0])

    difference = (fourier_features(box) - fourier_features(moved)).abs()

    assert fourier_features(box).shape == (256,)
    assert difference[:64].max() > 0.5
    assert not difference[64:].any()


@pytest.mark.parametrize("missing", ["text_condition", "union_box_cxcywh", "token_boxes_cxcywh"])
def test_a_missing_input_is_named(missing: str):
    inputs = made_inputs()
    del inputs[missing]

    with pytest.raises(ValueError, match=missing):
        small_decoder()(**inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "both"}, "no such variant: 'both'"),
        ({"offset_space": "pixels"}, "no such offset_space"),
        ({"num_heads": 3}, "num_heads must divide dim, got 3 and 512"),
        ({"num_queries": 0}, "num_queries must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        DecoderConfig(**changes)
