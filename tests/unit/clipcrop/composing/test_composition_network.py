"""The composition score's network in PyTorch, held against the one in NumPy."""

from __future__ import annotations

import pytest
import torch

from clipcrop.composing.composition import CompositionConfig, CompositionScorer
from clipcrop.composing.composition_network import CompositionNetwork


def random_network(**config):
    torch.manual_seed(0)
    return CompositionNetwork(CompositionConfig(**config)).eval()


def random_boxes(*count):
    corner = torch.rand(*count, 2) * 0.5
    return torch.cat([corner, corner + 0.1 + torch.rand(*count, 2) * 0.4], dim=-1)


@pytest.mark.parametrize("count", [0, 1, 10], ids=["no object", "one", "ten"])
def test_the_embedded_weights_score_the_same_in_numpy(count: int):
    torch.manual_seed(count)
    frames, objects = random_boxes(1, 400), random_boxes(1, count)
    is_subject = torch.arange(count)[None] < 1

    in_torch = CompositionNetwork.load()(
        frames, objects, is_subject, torch.ones(1, count, dtype=torch.bool), torch.tensor([1.5])
    )

    in_numpy = CompositionScorer.load().score(frames[0].numpy(), objects[0].numpy(), 1, 1.5)
    torch.testing.assert_close(in_torch[0].clamp(0, 1), torch.from_numpy(in_numpy))


def test_output_shapes():
    batch, frames, objects = 2, 7, 3
    with torch.device("meta"):
        quality = CompositionNetwork()(
            torch.empty(batch, frames, 4),
            torch.empty(batch, objects, 4),
            torch.empty(batch, objects, dtype=torch.bool),
            torch.empty(batch, objects, dtype=torch.bool),
            torch.empty(batch),
        )

    assert tuple(quality.shape) == (batch, frames)


def test_padding_objects_change_nothing():
    network = random_network()
    frames, objects = random_boxes(1, 6), random_boxes(1, 4)
    is_object = torch.tensor([[True, True, False, False]])
    none = torch.zeros(1, 4, dtype=torch.bool)

    padded = network(frames, objects, none, is_object, torch.ones(1))
    plain = network(frames, objects[:, :2], none[:, :2], is_object[:, :2], torch.ones(1))

    torch.testing.assert_close(padded, plain)


def test_a_batch_gives_what_its_images_give_one_by_one():
    network = random_network()
    frames, objects, aspects = random_boxes(2, 300), random_boxes(2, 4), torch.tensor([0.7, 1.5])
    is_subject = torch.tensor([[True, False, False, False]] * 2)

    batch = network(frames, objects, is_subject, torch.ones(2, 4, dtype=torch.bool), aspects)

    for row in range(2):
        alone = network.scorer().score(
            frames[row].numpy(), objects[row].numpy(), 1, float(aspects[row])
        )
        torch.testing.assert_close(torch.from_numpy(alone), batch[row].clamp(0, 1))


def test_saved_and_loaded_scores_the_same(tmp_path):
    network = random_network(dim=32, num_heads=2)
    network.half().float()  # as it is written
    frames, objects = random_boxes(20).numpy(), random_boxes(4).numpy()
    network.save(tmp_path / "scorer.safetensors", seed="7")

    loaded = CompositionScorer.load(tmp_path / "scorer.safetensors")

    assert loaded.config == network.config
    assert loaded.score(frames, objects, 1, 1.5).tolist() == (
        network.scorer().score(frames, objects, 1, 1.5).tolist()
    )
