from __future__ import annotations

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from clipcrop.boxes import as_boxes
from clipcrop.composing.composition import (
    EMBEDDED_WEIGHTS,
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

NOTHING = as_boxes([])


@pytest.fixture(scope="module")
def scorer():
    """The embedded weights."""
    return CompositionScorer.load()


def random_boxes(count):
    draw = np.random.default_rng(count)
    corner, size = draw.random((2, count, 2), np.float32) * [[[0.5]], [[0.4]]]
    return np.concatenate([corner, corner + 0.1 + size], axis=1).astype(np.float32)


def test_features_are_as_many_as_the_layers_expect():
    frames, objects = random_boxes(5), random_boxes(3)

    shapes = {
        "frame": frame_features(frames, 1.0).shape,
        "object": object_features(objects, np.ones(3, bool), 1.0).shape,
        "relation": relation_features(frames, objects).shape,
    }

    assert shapes == {
        "frame": (5, NUM_FRAME_FEATURES),
        "object": (3, NUM_OBJECT_FEATURES),
        "relation": (5, 3, NUM_RELATION_FEATURES),
    }


def test_features_say_which_edge_cuts_an_object_and_by_how_much():
    frame, cut_at_the_left = as_boxes([0.2, 0.2, 0.8, 0.8]), as_boxes([0.1, 0.3, 0.5, 0.5])

    features = relation_features(frame, cut_at_the_left)[0, 0]

    np.testing.assert_allclose(
        features[:8], [-1 / 6, 1 / 6, 0.5, 0.5, 0.25, 0.0, 0.0, 0.0], atol=1e-6
    )


@pytest.mark.parametrize("count", [0, 1, 10, 25], ids=["none", "one", "ten", "too many"])
def test_any_number_of_objects_gives_a_quality_for_each_frame(scorer, count):
    quality = scorer.score(random_boxes(40), random_boxes(count), min(count, 1), 1.5)

    assert quality.shape == (40,)
    assert ((quality >= 0) & (quality <= 1)).all()


def test_no_frames_have_no_quality(scorer):
    assert scorer.score(NOTHING, NOTHING, 0, 1.0).shape == (0,)


def test_boxes_without_a_size_are_judged_too(scorer):
    points = as_boxes([[0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1]])

    assert np.isfinite(scorer.score(points, points, 1, 1e-4)).all()


def test_a_subject_kept_whole_is_better_than_one_cut_in_half(scorer):
    frames = as_boxes([[0.1, 0.1, 0.8, 0.9], [0.35, 0.1, 1.0, 0.9]])

    whole, cut = scorer.score(frames, as_boxes([[0.2, 0.25, 0.5, 0.75]]), 1, 1.5).tolist()

    assert whole > cut + 0.1


def test_a_head_with_air_above_is_better_than_a_cut_head(scorer):
    person = as_boxes([[0.35, 0.2, 0.65, 1.0]])
    frames = as_boxes([[0.1, 0.1, 0.9, 1.0], [0.1, 0.3, 0.9, 1.0]])

    air, cut = scorer.score(frames, person, 1, 1.0).tolist()

    assert air > cut + 0.1


def test_the_mirrored_layout_is_about_as_good(scorer):
    draw = np.random.default_rng(0)
    corners = draw.random((2, 50, 2), np.float32) * 0.2
    frames = np.concatenate([corners[0], 1 - corners[1]], axis=1)
    objects = random_boxes(5)

    def mirror(boxes):
        return np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)

    difference = scorer.score(frames, objects, 1, 1.5) - scorer.score(
        mirror(frames), mirror(objects), 1, 1.5
    )

    assert float(np.abs(difference).mean()) < 0.03


def test_the_embedded_weights_are_small():
    assert EMBEDDED_WEIGHTS.stat().st_size < 200_000


def missing(path):
    pass


def truncated(path):
    path.write_bytes(EMBEDDED_WEIGHTS.read_bytes()[:-1000])


def not_weights(path):
    path.write_text("hello", encoding="utf-8")


def another_model(path):
    save_file({"weight": np.zeros(2)}, path)


def rewritten(path, **changes):
    """The embedded weights with other tensors."""
    with safe_open(EMBEDDED_WEIGHTS, framework="numpy") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        save_file({**weights, **changes}, path, metadata=file.metadata())


def other_sizes(path):
    rewritten(path, **{"mix.weight": np.zeros((32, 32), np.float16)})


def no_numbers(path):
    rewritten(path, **{"mix.bias": np.full(64, np.nan, np.float16)})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        pytest.param(missing, "cannot read the composition weights", id="missing"),
        pytest.param(truncated, "cannot read the composition weights", id="truncated"),
        pytest.param(not_weights, "cannot read the composition weights", id="text"),
        pytest.param(another_model, "holds no composition weights", id="another model"),
        pytest.param(other_sizes, "are damaged", id="sizes that do not fit"),
        pytest.param(no_numbers, "mix.bias", id="not a number"),
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
