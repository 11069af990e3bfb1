from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from clipcrop.composition import (
    NUM_FRAME_FEATURES,
    NUM_OBJECT_FEATURES,
    NUM_RELATION_FEATURES,
    CompositionConfig,
    CompositionScorer,
    frame_features,
    object_features,
    relation_features,
)
from clipcrop.errors import CheckpointError

NOTHING = torch.zeros(0, 4)


@pytest.fixture(scope="module")
def scorer():
    """The embedded weights."""
    return CompositionScorer.load()


def random_scorer(**config):
    torch.manual_seed(0)
    return CompositionScorer(CompositionConfig(**config)).eval()


def random_boxes(*count):
    corner = torch.rand(*count, 2) * 0.5
    return torch.cat([corner, corner + 0.1 + torch.rand(*count, 2) * 0.4], dim=-1)


def test_output_shapes():
    batch, frames, objects = 2, 7, 3
    with torch.device("meta"):
        quality = CompositionScorer()(
            torch.empty(batch, frames, 4),
            torch.empty(batch, objects, 4),
            torch.empty(batch, objects, dtype=torch.bool),
            torch.empty(batch, objects, dtype=torch.bool),
            torch.empty(batch),
        )

    assert tuple(quality.shape) == (batch, frames)


def test_features_are_as_many_as_the_layers_expect():
    frames, objects, aspect = random_boxes(2, 5), random_boxes(2, 3), torch.ones(2)

    shapes = {
        "frame": tuple(frame_features(frames, aspect).shape),
        "object": tuple(object_features(objects, torch.ones(2, 3).bool(), aspect).shape),
        "relation": tuple(relation_features(frames, objects).shape),
    }

    assert shapes == {
        "frame": (2, 5, NUM_FRAME_FEATURES),
        "object": (2, 3, NUM_OBJECT_FEATURES),
        "relation": (2, 5, 3, NUM_RELATION_FEATURES),
    }


def test_features_say_which_edge_cuts_an_object_and_by_how_much():
    frame = torch.tensor([[[0.2, 0.2, 0.8, 0.8]]])
    cut_at_the_left = torch.tensor([[[0.1, 0.3, 0.5, 0.5]]])

    features = relation_features(frame, cut_at_the_left)[0, 0, 0]

    torch.testing.assert_close(
        features[:8], torch.tensor([-1 / 6, 1 / 6, 0.5, 0.5, 0.25, 0.0, 0.0, 0.0])
    )


def test_padding_objects_change_nothing():
    scorer = random_scorer()
    frames, objects = random_boxes(1, 6), random_boxes(1, 4)
    is_object = torch.tensor([[True, True, False, False]])
    none = torch.zeros(1, 4, dtype=torch.bool)

    padded = scorer(frames, objects, none, is_object, torch.ones(1))
    plain = scorer(frames, objects[:, :2], none[:, :2], is_object[:, :2], torch.ones(1))

    torch.testing.assert_close(padded, plain)


def test_a_batch_gives_what_its_images_give_one_by_one():
    scorer = random_scorer()
    frames, objects, aspects = random_boxes(2, 300), random_boxes(2, 4), torch.tensor([0.7, 1.5])
    is_subject = torch.tensor([[True, False, False, False]] * 2)

    batch = scorer(frames, objects, is_subject, torch.ones(2, 4, dtype=torch.bool), aspects)

    for row in range(2):
        alone = scorer.score(frames[row], objects[row], 1, float(aspects[row]))
        torch.testing.assert_close(alone, batch[row].clamp(0, 1))


@pytest.mark.parametrize("count", [0, 1, 10, 25], ids=["none", "one", "ten", "too many"])
def test_any_number_of_objects_gives_a_quality_for_each_frame(scorer, count):
    torch.manual_seed(0)

    quality = scorer.score(random_boxes(40), random_boxes(count), min(count, 1), 1.5)

    assert quality.shape == (40,)
    assert bool(((quality >= 0) & (quality <= 1)).all())


def test_no_frames_have_no_quality(scorer):
    assert scorer.score(NOTHING, NOTHING, 0, 1.0).shape == (0,)


def test_boxes_without_a_size_are_judged_too(scorer):
    points = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1]])

    assert bool(scorer.score(points, points, 1, 1e-4).isfinite().all())


def test_a_subject_kept_whole_is_better_than_one_cut_in_half(scorer):
    frames = torch.tensor([[0.1, 0.1, 0.8, 0.9], [0.35, 0.1, 1.0, 0.9]])

    whole, cut = scorer.score(frames, torch.tensor([[0.2, 0.25, 0.5, 0.75]]), 1, 1.5).tolist()

    assert whole > cut + 0.1


def test_a_head_with_air_above_is_better_than_a_cut_head(scorer):
    person = torch.tensor([[0.35, 0.2, 0.65, 1.0]])
    frames = torch.tensor([[0.1, 0.1, 0.9, 1.0], [0.1, 0.3, 0.9, 1.0]])

    air, cut = scorer.score(frames, person, 1, 1.0).tolist()

    assert air > cut + 0.1


def test_the_mirrored_layout_is_about_as_good(scorer):
    torch.manual_seed(0)
    frames = torch.cat([torch.rand(50, 2) * 0.2, 1 - torch.rand(50, 2) * 0.2], dim=1)
    objects = random_boxes(5)

    def mirror(boxes):
        return torch.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], dim=1)

    difference = scorer.score(frames, objects, 1, 1.5) - scorer.score(
        mirror(frames), mirror(objects), 1, 1.5
    )

    assert float(difference.abs().mean()) < 0.03


def test_saved_and_loaded_judges_the_same(tmp_path):
    scorer = random_scorer(dim=32, num_heads=2)
    scorer.half().float()  # as it is written
    frames, objects = random_boxes(20), random_boxes(4)
    scorer.save(tmp_path / "scorer.safetensors", seed="7")

    loaded = CompositionScorer.load(tmp_path / "scorer.safetensors")

    assert loaded.config == scorer.config
    torch.testing.assert_close(
        loaded.score(frames, objects, 1, 1.5), scorer.score(frames, objects, 1, 1.5)
    )


def test_the_embedded_weights_are_small():
    from clipcrop.composition import EMBEDDED_WEIGHTS

    assert EMBEDDED_WEIGHTS.stat().st_size < 200_000


def missing(path):
    pass


def truncated(path):
    random_scorer().save(path)
    path.write_bytes(path.read_bytes()[:-1000])


def not_weights(path):
    path.write_text("hello", encoding="utf-8")


def another_model(path):
    save_file({"weight": torch.zeros(2)}, path)


def another_config(path):
    scorer = random_scorer()
    config = {"max_objects": 10, "dim": 32, "num_heads": 4}
    save_file(
        scorer.state_dict(),
        path,
        metadata={"format": "clipcrop-composition-1", "config": json.dumps(config)},
    )


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(missing, "cannot read the composition weights", id="missing"),
        pytest.param(truncated, "cannot read the composition weights", id="truncated"),
        pytest.param(not_weights, "cannot read the composition weights", id="text"),
        pytest.param(another_model, "holds no composition weights", id="another model"),
        pytest.param(another_config, "are damaged", id="sizes that do not fit"),
    ],
)
def test_wrong_weights_are_a_sentence(tmp_path, damage, sentence):
    path = tmp_path / "composition.safetensors"
    damage(path)

    with pytest.raises(CheckpointError, match=sentence):
        CompositionScorer.load(path)


def test_a_config_whose_heads_do_not_divide_the_width_is_refused():
    with pytest.raises(ValueError, match="num_heads must divide dim"):
        CompositionConfig(dim=64, num_heads=5)
