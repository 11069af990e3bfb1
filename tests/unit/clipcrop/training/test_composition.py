from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from clipcrop.boxes import as_boxes
from clipcrop.composing.composition import CompositionConfig, CompositionScorer
from clipcrop.datasets.ratings import RatedImage
from clipcrop.evaluation.ratings import compare, predict
from clipcrop.training.composition import (
    Batch,
    TrainingConfig,
    augment,
    collate,
    cross_validate,
    loss,
    main,
    train,
)

SMALL = CompositionConfig(dim=16, num_heads=2)
PLAIN = TrainingConfig(view_share=0, jitter=0, drop_share=0, shuffle_share=0, subject_share=0)


def rated_photo(seed, with_person=False):
    """A photo whose crops are the better the nearer their left edge is to the image's."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(24, 2, generator=generator) * 0.3
    end = 1 - torch.rand(24, 2, generator=generator) * 0.2
    return RatedImage(
        image=f"{seed}.jpg",
        aspect=1.5,
        objects_xyxy=as_boxes([[0.3, 0.3, 0.6, 0.6], [0.5, 0.5, 0.9, 0.9]]),
        person_xyxy=as_boxes([0.1, 0.2, 0.3, 0.9])[0] if with_person else None,
        crops_xyxy=torch.cat([corner, end], dim=1).numpy(),
        mos=(5 - 4 * corner[:, 0] / 0.3).numpy(),
    )


def test_collated_photos_keep_their_boxes_and_the_person_takes_the_first_place():
    batch = collate([rated_photo(0), rated_photo(1, with_person=True)], max_objects=3)

    assert batch.frames_xyxy.shape == (2, 24, 4)
    assert batch.is_object.tolist() == [[False, True, True, False], [True, True, True, False]]
    assert batch.has_person.tolist() == [False, True]
    assert batch.objects_xyxy[1, 0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.9])
    assert float(batch.quality.max()) <= 1.0


def test_augmenting_without_any_chance_only_mirrors_and_draws_crops():
    data = collate([rated_photo(seed) for seed in range(8)], max_objects=3)
    config = TrainingConfig(
        view_share=0, jitter=0, drop_share=0, shuffle_share=0, subject_share=0, num_crops=24
    )

    batch = augment(data.take(torch.arange(8)), config, torch.Generator().manual_seed(0))

    lefts = batch.objects_xyxy[:, 0, 0]
    assert {round(float(left), 3) for left in lefts} == {0.3, 0.4}  # 0.4 is mirrored
    assert batch.is_object.sum(dim=1).tolist() == [2] * 8
    torch.testing.assert_close(batch.quality.sort(dim=1).values, data.quality.sort(dim=1).values)


def test_a_photo_shown_cropped_has_frames_as_large_as_itself():
    data = collate([rated_photo(seed) for seed in range(8)], max_objects=3)
    config = TrainingConfig(view_share=1.0, num_crops=24)

    batch = augment(data.take(torch.arange(8)), config, torch.Generator().manual_seed(0))

    whole = torch.tensor([0.0, 0.0, 1.0, 1.0])
    is_whole = ((batch.frames_xyxy - whole).abs().amax(dim=-1) < 1e-4) & batch.is_frame
    inside = batch.frames_xyxy[batch.is_frame]
    assert is_whole.sum(dim=1).tolist() == [1] * 8
    assert bool(((inside >= -0.01) & (inside <= 1.01)).all())


def test_a_subject_comes_first_and_is_the_person_where_there_is_one():
    data = collate([rated_photo(0, with_person=True), rated_photo(1)], max_objects=3)
    config = TrainingConfig(
        subject_share=1.0, drop_share=1.0, shuffle_share=1.0, view_share=0, jitter=0
    )

    batch = augment(data.take(torch.arange(2)), config, torch.Generator().manual_seed(1))

    widths = (batch.objects_xyxy[:, 0, 2] - batch.objects_xyxy[:, 0, 0]).tolist()
    assert widths == pytest.approx([0.2, 0.3])
    assert batch.is_subject[:, 0].tolist() == [True, True]
    assert batch.is_subject.sum() == 2


def test_without_a_subject_the_person_is_not_set_apart():
    data = collate([rated_photo(0, with_person=True)], max_objects=3)

    batch = augment(data.take(torch.arange(1)), PLAIN, torch.Generator().manual_seed(0))

    assert int(batch.is_object.sum()) == 2
    assert not bool(batch.is_subject.any())


def test_loss_is_nothing_for_the_truth_and_more_for_the_reverse_order():
    batch = collate([rated_photo(0)], max_objects=3)

    truth = loss(batch.quality, batch, order_weight=1.0)
    reverse = loss(1 - batch.quality, batch, order_weight=1.0)

    assert float(truth) == pytest.approx(0.0, abs=2e-3)
    assert float(reverse) > 1.9


def test_frames_that_only_fill_up_do_not_count_in_the_loss():
    batch = collate([rated_photo(0)], max_objects=3)
    padded = Batch(**vars(batch))
    padded.is_frame = batch.is_frame.clone()
    padded.is_frame[:, 12:] = False
    predicted = batch.quality.clone()
    predicted[:, 12:] = 100.0

    assert float(loss(predicted, padded, order_weight=1.0)) == pytest.approx(0.0, abs=5e-3)


def test_a_few_photos_can_be_learned_by_heart():
    photos = [rated_photo(seed) for seed in range(4)]
    config = TrainingConfig(
        epochs=60, batch_size=4, lr=1e-2, averaging=0.9, view_share=0, drop_share=0
    )

    scorer = train(photos, config, SMALL, title="test").scorer()

    assert compare(photos, [predict(photo, scorer) for photo in photos]).spearman > 0.9


def test_the_same_seed_gives_the_same_weights():
    photos = [rated_photo(seed, with_person=bool(seed % 2)) for seed in range(4)]
    config = TrainingConfig(epochs=2, batch_size=2, seed=3)

    first = train(photos, config, SMALL, title="test").state_dict()
    second = train(photos, config, SMALL, title="test").state_dict()

    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_cross_validation_judges_every_photo_once():
    photos = [rated_photo(seed) for seed in range(5)]

    report, _ = cross_validate(photos, 2, TrainingConfig(epochs=1, batch_size=4), SMALL)

    assert (report.num_images, report.num_crops) == (5, 120)


def write_ratings(path):
    lines = []
    for seed in range(4):
        photo = rated_photo(seed)
        scale = np.array([1500.0, 1000.0, 1500.0, 1000.0])
        crops = np.concatenate([photo.crops_xyxy * scale, photo.mos[:, None]], axis=1)
        record = {"image": photo.image, "width_px": 1500, "height_px": 1000}
        record["objects_xyxy_px"] = (photo.objects_xyxy * scale).tolist()
        lines.append(json.dumps({**record, "crops": crops.tolist()}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def test_the_command_writes_weights_that_load_and_prints_the_cross_validation(tmp_path, capsys):
    write_ratings(tmp_path / "ratings.jsonl")
    output = tmp_path / "composition.safetensors"

    code = main(
        [str(tmp_path / "ratings.jsonl"), "--output", str(output), "--folds", "2", "--epochs", "1"]
    )

    assert code == 0
    assert CompositionScorer.load(output).config == CompositionConfig()
    assert "2-fold cross-validation by photo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["nothing.jsonl", "--folds", "5"], "cannot read nothing.jsonl", id="no file"),
        pytest.param(
            ["ratings.jsonl", "--folds", "9"], "9 folds need as many", id="too many folds"
        ),
        pytest.param(["ratings.jsonl"], "nothing to do", id="nothing asked for"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(
    tmp_path, monkeypatch, capsys, arguments, sentence
):
    write_ratings(tmp_path / "ratings.jsonl")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert sentence in capsys.readouterr().err
