"""The lite encoder's network: shapes, padding, folding, cells."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clipcrop.encoders.lite_pixels import STRIDES
from clipcrop.training.lite.network import (
    TRUNK_CHANNELS,
    LiteNetwork,
    SameConv,
    TrunkFeatures,
    decode_boxes,
    fold_norms,
)


def test_output_shapes():
    """On the meta device: shapes only."""
    with torch.device("meta"):
        network = LiteNetwork()
        features = network.trunk(torch.empty(2, 3, 96, 64))
        output, levels = network.detect(features)
        logits = network.classifier(features.stride32)

    num_cells = sum((96 // stride) * (64 // stride) for stride in STRIDES)
    assert {
        "features": [tuple(feature.shape) for feature in features],
        "levels": [tuple(level.shape) for level in levels],
        "objectness": tuple(output.objectness.shape),
        "classes": tuple(output.classes.shape),
        "boxes": tuple(output.boxes.shape),
        "imagenet": tuple(logits.shape),
    } == {
        "features": [(2, 40, 12, 8), (2, 192, 6, 4), (2, 320, 3, 2)],
        "levels": [(2, 64, 12, 8), (2, 160, 6, 4), (2, 256, 3, 2)],
        "objectness": (2, num_cells),
        "classes": (2, num_cells, 80),
        "boxes": (2, num_cells, 4),
        "imagenet": (2, 1000, 3, 2),
    }


@pytest.mark.parametrize("kernel", [3, 5])
def test_stride_two_starts_at_the_first_pixel_as_tensorflow_does(kernel: int):
    conv = SameConv(1, 1, kernel, stride=2)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, kernel // 2 - 1, kernel // 2 - 1] = 1.0
        assert conv.bias is not None
        conv.bias.zero_()
    image = torch.arange(64.0).reshape(1, 1, 8, 8)

    output = conv(image)

    # SAME pads an even side by one less on the left, so this tap meets pixels 0, 2, 4, 6.
    assert torch.equal(output[0, 0], image[0, 0, ::2, ::2])


def test_folded_norms_change_nothing():
    torch.manual_seed(0)
    network = LiteNetwork(head_depths=(1, 1, 1))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -1, 1)
    network.eval()
    features = TrunkFeatures(
        *(torch.rand(1, c, 64 // s, 64 // s) for c, s in zip(TRUNK_CHANNELS, STRIDES, strict=True))
    )
    with torch.no_grad():
        before, _ = network.detect(features)

        fold_norms(network)

        after, _ = network.detect(features)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    for was, is_now in zip(before, after, strict=True):
        torch.testing.assert_close(is_now, was, rtol=1e-3, atol=1e-4)


def test_a_box_is_decoded_in_units_of_its_stride():
    corners, strides = torch.tensor([[3.0, 1.0]]), torch.tensor([16.0])
    half_a_cell_right_twice_as_wide = torch.tensor([[0.5, 0.0, 2.0, 1.0]]).log()
    half_a_cell_right_twice_as_wide[0, :2] = torch.tensor([0.5, 0.0])

    box_cxcywh = decode_boxes(half_a_cell_right_twice_as_wide, corners, strides)

    torch.testing.assert_close(box_cxcywh, torch.tensor([[56.0, 16.0, 32.0, 16.0]]))
