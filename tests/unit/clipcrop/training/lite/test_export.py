"""The exported file computes what the trained network does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from clipcrop.encoders.lite_graph import LiteGraph
from clipcrop.encoders.lite_pixels import STRIDES, letterbox
from clipcrop.errors import CheckpointError
from clipcrop.imaging.images import load_image
from clipcrop.training.lite.export import export
from clipcrop.training.lite.network import LiteNetwork
from clipcrop.training.lite.people_head import PeopleMaps
from clipcrop.training.lite.scene_head import SceneHead, join_maps


@pytest.fixture(scope="module")
def network() -> LiteNetwork:
    """Weights as after some training: norms that are not the identity."""
    torch.manual_seed(0)
    network = LiteNetwork()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.fixture(scope="module")
def scene() -> SceneHead:
    """The same of the scene head."""
    torch.manual_seed(1)
    return SceneHead().eval()


@pytest.fixture(scope="module")
def people() -> PeopleMaps:
    """Untrained maps of people."""
    torch.manual_seed(2)
    return PeopleMaps().eval()


@pytest.fixture(scope="module")
def exported(
    network: LiteNetwork,
    scene: SceneHead,
    people: PeopleMaps,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Its file."""
    folder = tmp_path_factory.mktemp("export")
    state = {"average": network.state_dict(), "config": {}, "block": 3}
    torch.save(state, folder / "checkpoint.pt")
    torch.save({"average": scene.state_dict(), "config": {}}, folder / "scene.pt")
    torch.save({"average": people.state_dict(), "config": {}}, folder / "people.pt")
    checkpoints = (folder / f"{name}.pt" for name in ("checkpoint", "scene", "people"))
    export(*checkpoints, folder / "lite.onnx")
    return folder / "lite.onnx"


@pytest.mark.parametrize("photo", ["chelsea.jpg", "rocket.jpg"])
def test_boxes_and_scores_are_those_of_the_network(
    network: LiteNetwork,
    scene: SceneHead,
    people: PeopleMaps,
    exported: Path,
    samples: Path,
    photo: str,
):
    pixels = letterbox(load_image(samples / photo).rgb).pixels

    output = LiteGraph.load(exported).run(pixels)

    with torch.no_grad():
        features = network.trunk(torch.from_numpy(pixels))
        dense, levels = network.detect(features)
        logits = network.classifier(features.stride32)
        maps = join_maps(features, levels)
        scenery = scene(*maps)
        evidence = people(*maps, logits)
    tolerance = {"atol": 1e-3, "rtol": 1e-3}
    for name in ("objectness", "classes", "boxes"):
        expected = getattr(dense, name).numpy()
        np.testing.assert_allclose(getattr(output, name), expected, **tolerance, err_msg=name)
    np.testing.assert_allclose(output.imagenet, logits.numpy(), **tolerance)
    classes = scenery.classes[..., 1:].movedim(-1, 1).numpy()
    np.testing.assert_allclose(output.scene, classes, **tolerance)
    np.testing.assert_allclose(output.faces, scenery.faces.movedim(-1, 1).numpy(), **tolerance)
    for stride, expected in zip(STRIDES, evidence, strict=True):
        found = getattr(output, f"people{stride}")
        np.testing.assert_allclose(found, expected.numpy(), atol=0.02, rtol=1e-2)
    num_coarse = levels[2][0, 0].numel()
    coarse = levels[2].flatten(2).transpose(1, 2).numpy()
    np.testing.assert_allclose(output.tokens[:, -num_coarse:], coarse, **tolerance)


def test_no_convolution_waits_for_a_padding_of_its_own(exported: Path):
    nodes = onnx.load(exported).graph.node
    padded = {output for node in nodes if node.op_type == "Pad" for output in node.output}

    assert not [node.name for node in nodes if node.op_type == "Conv" and node.input[0] in padded]


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path):
    (tmp_path / "checkpoint.pt").write_bytes(b"hello")

    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        export(*[tmp_path / "checkpoint.pt"] * 3, tmp_path / "lite.onnx")
