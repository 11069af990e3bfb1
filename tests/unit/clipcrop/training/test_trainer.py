"""The loop: it learns, and a run that was cut is the same as one that was not."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from clipcrop.datasets import Example, RatedCrop
from clipcrop.decoder.checkpoint import load_decoder
from clipcrop.decoder.network import DecoderConfig
from clipcrop.decoder.tensor_boxes import iou
from clipcrop.errors import InputError
from clipcrop.training.config import TrainConfig
from clipcrop.training.criterion import CriterionConfig
from clipcrop.training.processes import Processes
from clipcrop.training.run_folder import RunFolder
from clipcrop.training.samples import ViewEncoder
from clipcrop.training.trainer import RunOptions, train
from clipcrop.training.validation import best_crops
from clipcrop.training.views import plain_view
from clipcrop.weights.decoders import read_decoder_info

pytestmark = pytest.mark.slow

SHORT = TrainConfig(epochs=3, batch_size=2, lr=1e-3, side_px=208, views=1)


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    """Tokens that all short runs share."""
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture
def run(tower, examples, small_decoder, tokens):
    """Train on the four photos, into a folder."""

    def run(folder, config=SHORT, decoder=small_decoder, **more):
        options = more.pop("options", RunOptions(validate_every=2, tokens=tokens))
        return train(
            more.pop("examples", examples),
            examples[:2],
            tower,
            folder,
            config=config,
            decoder_config=decoder,
            options=options,
            **more,
        )

    return run


def weights_and_metrics(folder):
    weights = load_file(folder / "last.safetensors")
    best = load_file(folder / "best.safetensors")
    return weights, best, (folder / "metrics.jsonl").read_text()


def assert_same(one, other):
    for first, second in zip(one[:2], other[:2], strict=True):
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert one[2] == other[2]


def test_a_run_leaves_decoders_metrics_a_curve_and_pictures(run, tower, tmp_path):
    outcome = run(tmp_path)

    assert outcome.is_done
    assert (outcome.step, outcome.num_steps) == (6, 6)
    records = RunFolder(tmp_path).records()
    assert [r["step"] for r in records if "loss" in r] == list(range(1, 7))
    assert [r["step"] for r in records if "val_iou" in r] == [2, 4, 6]
    assert outcome.best == max(r["val_iou"] for r in records if "val_iou" in r)
    assert records[0]["lr"] == 1e-3
    assert [record["lr"] for record in records if "lr" in record][-1] == pytest.approx(1e-6)
    looks = sorted((tmp_path / "looks").iterdir())
    assert [look.name for look in looks][-1] == "step-000006.jpg"
    for picture in (looks[0], tmp_path / "curve.png"):
        with Image.open(picture) as image:
            assert image.width > 300
    assert load_decoder(tmp_path / "last.safetensors", tower).config.token_dim == 256
    assert read_decoder_info(tmp_path / "best.safetensors").notes["step"].isdigit()


def test_the_same_seed_gives_the_same_weights_and_another_one_others(run, tmp_path):
    run(tmp_path / "one")
    run(tmp_path / "same")
    run(tmp_path / "other", replace(SHORT, seed=1))

    one = weights_and_metrics(tmp_path / "one")
    assert_same(one, weights_and_metrics(tmp_path / "same"))
    assert one[2] != (tmp_path / "other" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("views", [0, 1])
def test_a_run_that_is_stopped_at_any_step_goes_on_as_if_it_were_not(run, tmp_path, tokens, views):
    config = replace(SHORT, views=views)
    run(tmp_path / "uncut", config)
    stops = random.randint(1, 5)
    after = itertools.count(1)

    first = run(tmp_path / "cut", config, is_stopped=lambda: next(after) == stops)
    again = run(tmp_path / "cut", config)

    assert (first.step, first.is_done) == (stops, False)
    assert again.is_done
    assert_same(weights_and_metrics(tmp_path / "uncut"), weights_and_metrics(tmp_path / "cut"))


def test_a_run_that_is_done_does_nothing_more(run, tmp_path):
    run(tmp_path)
    before = weights_and_metrics(tmp_path)

    assert run(tmp_path).is_done
    assert_same(before, weights_and_metrics(tmp_path))


def test_a_run_is_not_gone_on_with_under_other_circumstances(run, examples, tmp_path):
    run(tmp_path, is_stopped=lambda: True)

    with pytest.raises(InputError, match=r"was started with lr 0.001, now it is 0.002; use the"):
        run(tmp_path, replace(SHORT, lr=2e-3))
    with pytest.raises(InputError, match=r"was started with examples '4 .*', now it is '3"):
        run(tmp_path, examples=examples[:3])
    with pytest.raises(InputError, match="was started with giou_weight"):
        run(tmp_path, criterion_config=CriterionConfig(giou_weight=9.0))


def test_a_run_of_an_earlier_version_goes_on_only_with_the_readings_that_are_left(run, tmp_path):
    run(tmp_path, is_stopped=lambda: True)
    state = torch.load(tmp_path / "last.pt")
    earlier = {"norm_order": "post", "costs": {"l1": 5.0, "giou": 2.0, "quality": 2.0}}
    assert state["identity"].items() >= earlier.items()

    torch.save(
        {**state, "identity": {**state["identity"], "label_matched": False}}, tmp_path / "last.pt"
    )
    with pytest.raises(InputError, match="was started with label_matched False"):
        run(tmp_path)


def test_gradients_in_parts_are_those_of_the_whole_batch(run, small_decoder, tmp_path):
    decoder = replace(small_decoder, dropout=0.0)
    config = replace(SHORT, batch_size=4, epochs=3)

    run(tmp_path / "whole", config, decoder)
    run(tmp_path / "parts", replace(config, accumulate=3), decoder)

    whole, parts = (
        [r for r in RunFolder(tmp_path / name).records() if "loss" in r]
        for name in ("whole", "parts")
    )
    for one, other in zip(whole, parts, strict=True):
        assert other == pytest.approx(one, rel=1e-3)


def test_views_made_by_other_processes_are_the_same(run, tmp_path):
    config = replace(SHORT, views=0, epochs=1)

    run(tmp_path / "here", config)
    run(tmp_path / "there", config, options=RunOptions(validate_every=1, num_workers=2))

    here, there = ((tmp_path / name / "metrics.jsonl").read_text() for name in ("here", "there"))
    assert here.splitlines()[:2] == there.splitlines()[:2]


def test_base_has_no_mosaics(run, small_decoder, tmp_path):
    base = replace(small_decoder, variant="base")
    config = replace(SHORT, epochs=1)

    run(tmp_path / "default", config, base)
    run(tmp_path / "none", replace(config, mosaic_sides=(1,)), base)

    default, none = (RunFolder(tmp_path / name).records() for name in ("default", "none"))
    assert default == none


def test_bfloat16_is_near_float32(run, tmp_path):
    run(tmp_path / "full")
    run(tmp_path / "half", replace(SHORT, precision="bfloat16"))

    full, half = (RunFolder(tmp_path / name).records()[0] for name in ("full", "half"))
    assert half["loss"] == pytest.approx(full["loss"], rel=0.05)
    assert half["loss"] != full["loss"]


@pytest.mark.parametrize(
    ("config", "processes", "sentence"),
    [
        (SHORT, Processes(0, 4, torch.device("cpu")), "a batch of 2 cannot be shared by 4 proc"),
        (
            replace(SHORT, precision="float16"),
            Processes(0, 1, torch.device("cpu")),
            "float16 cannot be trained with on cpu",
        ),
        (
            replace(SHORT, tower_lr=1e-5, views=0),
            Processes(0, 1, torch.device("cpu")),
            "the encoder 'lite' cannot be trained",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(run, tmp_path, config, processes, sentence):
    with pytest.raises(InputError, match=sentence):
        run(tmp_path, config, processes=processes)


def test_a_training_that_diverges_says_so(run, tmp_path):
    with pytest.raises(InputError, match=r"the loss is inf at step 1: .*lower --lr"):
        run(tmp_path, criterion_config=CriterionConfig(l1_weight=1e39))


def learned_by_heart(photo, crops, text, size_px, tower, folder):
    """Train on one photo alone; the first crop's IoU with the nearest good one, and its rating."""
    example = Example(photo=photo, text=text, crops=crops, split="train", size_px=size_px)
    config = TrainConfig(
        epochs=100, batch_size=1, lr=1e-3, views=1, jitter=0.0, flip=0.0, side_px=416
    )
    decoder = {"num_queries": 16, "dim": 64, "num_layers": 2, "num_heads": 4, "mlp_dim": 128}
    train(
        [example],
        [],
        tower,
        folder,
        config=config,
        decoder_config=DecoderConfig(**decoder, dropout=0.0),
    )
    [sample] = ViewEncoder(tower, config, "full").encode([plain_view(example, 416)])
    with torch.no_grad():
        decoder = load_decoder(folder / "last.safetensors", tower)
        crops_xyxy, quality = best_crops(decoder, sample, torch.device("cpu"))
    overlaps = iou(crops_xyxy[:1], torch.from_numpy(example.crops_xyxy((1, 1))))[0]
    return float(overlaps.max()), float(example.ratings()[overlaps.argmax()]), float(quality[0])


def grid_crops(width_px, height_px):
    """Ninety crops as GAICD's, the better the nearer to one of them."""
    best = (0.2, 0.1, 0.8, 0.9)
    for left, top, right, bottom in itertools.product(
        (0.05, 0.13, 0.2), (0.02, 0.1, 0.18), (0.65, 0.72, 0.8), (0.75, 0.82, 0.9)
    ):
        far = sum(abs(a - b) for a, b in zip((left, top, right, bottom), best, strict=True))
        box = (left * width_px, top * height_px, right * width_px, bottom * height_px)
        yield RatedCrop(box_xyxy_px=box, rating=5 - 6 * far)


def test_one_photo_is_learned_by_heart(tower, samples, tmp_path):
    crops = tuple(grid_crops(600, 400))

    found = learned_by_heart(
        samples / "coffee.jpg", crops, "a cup of coffee", (600, 400), tower, tmp_path
    )

    assert found[0] > 0.9
    assert found[1] >= 4
    assert found[2] > 0.7


@pytest.mark.data
def test_the_photo_of_gaicd_is_learned_by_heart_with_the_ratings_of_people(
    tower, training_data, tmp_path
):
    name = "211958.jpg"
    lines = (training_data / "gaicd" / "ratings.jsonl").read_text().splitlines()
    [line] = [line for line in lines if name in line]
    record = json.loads(line)
    crops = tuple(RatedCrop(box_xyxy_px=tuple(box), rating=mos) for *box, mos in record["crops"])
    size_px = (record["width_px"], record["height_px"])

    found = learned_by_heart(
        training_data / "gaicd" / name, crops, record["text"], size_px, tower, tmp_path
    )

    assert found[0] > 0.9
    assert found[1] >= 4
