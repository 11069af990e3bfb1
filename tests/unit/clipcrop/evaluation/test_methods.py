"""The methods that need a model, with the embedded weights and a decoder that nobody trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from clipcrop import Predictor
from clipcrop.boxes import clip_to_image, coverage, cxcywh_to_xyxy
from clipcrop.composing.composition import CompositionScorer
from clipcrop.decoder.checkpoint import save_decoder
from clipcrop.decoder.network import Decoder, DecoderConfig
from clipcrop.errors import CheckpointError, InputError
from clipcrop.evaluation.crop_metrics import grid_frames
from clipcrop.evaluation.methods import MAKERS, MethodFactory, make_methods, missing_requirements
from clipcrop.imaging.images import LoadedImage, load_image
from clipcrop.predictor import CachedEncoder

assert_close = partial(np.testing.assert_allclose, rtol=1.3e-6, atol=1e-5)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """The lite encoder on the CPU."""
    return Predictor.load("lite", "cpu", decoder="none")


@pytest.fixture(scope="module")
def rocket(samples: Path) -> LoadedImage:
    """A sample photo of a small rocket between masts."""
    return load_image(samples / "rocket.jpg")


@pytest.fixture(scope="module")
def checkpoints(lite_decoders: Callable[..., dict[str, Path]]) -> dict[str, Path]:
    """Decoders of random weights for the lite encoder, by variant."""
    return lite_decoders(base="base", full="full")


@pytest.fixture
def factory(predictor: Predictor, checkpoints: dict[str, Path]) -> MethodFactory:
    """What methods are made of."""
    return MethodFactory(
        CachedEncoder(predictor), CompositionScorer.load(), dict(checkpoints), "cpu"
    )


def test_every_method_gives_crops_inside_the_photo(factory: MethodFactory, rocket: LoadedImage):
    methods = make_methods(list(MAKERS), factory)

    assert [method.name for method in methods] == [
        "whole image",
        "centre 80%",
        "smartcrop",
        "smartcrop, square",
        "lite box",
        "composition",
        "cascade",
        "CAGIC (stand-in: text scores of lite; stand-in: composition score)",
        "clipcrop suggest",
        "base",
        "full",
    ]
    for method in methods:
        crops = method.crops(rocket, "the rocket")
        assert crops.shape[1] == 4
        assert len(crops) >= 1
        assert ((crops >= 0) & (crops <= 1)).all()
        assert (crops[:, 2:] > crops[:, :2]).all()
        assert_close(method.crops(rocket, "the rocket"), crops)


def test_a_photo_is_encoded_once_for_all_methods(predictor: Predictor, rocket: LoadedImage):
    cached_encoder = CachedEncoder(predictor)

    first = cached_encoder(rocket)

    assert cached_encoder(rocket) is first
    assert cached_encoder(LoadedImage(rocket.rgb, rocket.width_px, rocket.height_px)) is not first


def test_the_encoders_box_is_that_of_the_whole_text(factory: MethodFactory, rocket: LoadedImage):
    encoder = factory.cached_encoder.predictor.encoder
    (method,) = make_methods(["tower"], factory)

    (box,) = method.crops(rocket, "rocket").tolist()

    tokens = encoder.encode_images([rocket.rgb])
    scores = tokens.scores(encoder.encode_texts(_texts("rocket")))[0, 0]
    best = clip_to_image(cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[0, scores.argmax()]))
    assert box == pytest.approx(best.tolist(), abs=1e-5)


@pytest.mark.parametrize("text", ["qwxzyk", "the background"])
def test_a_text_of_which_the_encoder_knows_nothing_selects_the_whole_image(
    factory: MethodFactory, rocket: LoadedImage, text: str
):
    tower, full = make_methods(["tower"], factory)[0], make_methods(["clipcrop"], factory)[1]

    assert tower.crops(rocket, text).tolist() == [[0, 0, 1, 1]]
    assert len(full.crops(rocket, text)) >= 1


def test_composition_orders_the_grid_by_its_score(factory: MethodFactory, rocket: LoadedImage):
    (method,) = make_methods(["composition"], factory)

    crops = method.crops(rocket, "")

    assert len(crops) == len(grid_frames(rocket.width_px / rocket.height_px))
    quality = method.judge(rocket, "", crops)
    assert (quality[:-1] >= quality[1:]).all()
    assert quality[0] > quality[-1]


def test_the_cascade_keeps_frames_that_cover_the_encoders_box(
    factory: MethodFactory, rocket: LoadedImage
):
    tower, composition, cascade = make_methods(["tower", "composition", "cascade"], factory)

    crops = cascade.crops(rocket, "the rocket")

    frames = composition.crops(rocket, "the rocket")
    share = coverage(tower.crops(rocket, "the rocket"), frames)[0]
    is_kept = share >= 0.999 if (share >= 0.999).any() else share == share.max()
    assert_close(crops, frames[is_kept])
    assert 0 < len(crops) < len(frames)


def test_a_decoders_crops_come_by_their_quality(
    factory: MethodFactory, rocket: LoadedImage, checkpoints: dict[str, Path]
):
    base, full = make_methods(["clipcrop"], factory)

    assert (base.needs_text, full.needs_text) == (False, True)
    assert_close(base.crops(rocket, "the rocket"), base.crops(rocket, ""))
    rocket_crops, mast_crops = full.crops(rocket, "the rocket"), full.crops(rocket, "a tower")
    assert not np.array_equal(rocket_crops, mast_crops)


def test_a_decoder_of_another_encoder_is_refused(factory: MethodFactory, tmp_path: Path):
    path = tmp_path / "other.safetensors"
    decoder = Decoder(DecoderConfig(token_dim=8, num_layers=1, dim=16, num_heads=2, mlp_dim=16))
    save_decoder(decoder, path, encoder="owlvit", encoder_fingerprint="f" * 16)
    factory.decoders = {"other": path}

    with pytest.raises(CheckpointError, match="was trained for the encoder 'owlvit'"):
        make_methods(["clipcrop"], factory)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        pytest.param(
            ["whole", "cagicc"], "no such method: 'cagicc'; known are whole", id="unknown"
        ),
        pytest.param(["whole", "clipcrop"], "two methods are called 'whole image'", id="doubled"),
    ],
)
def test_methods_that_cannot_be_made_are_refused(
    factory: MethodFactory, checkpoints: dict[str, Path], names: list[str], reason: str
):
    factory.decoders = {"whole image": checkpoints["base"]}

    with pytest.raises(InputError, match=reason):
        make_methods(names, factory)


def test_it_is_told_what_a_method_lacks(factory: MethodFactory, monkeypatch: pytest.MonkeyPatch):
    assert missing_requirements(list(MAKERS), factory) == {}
    factory.decoders = {}
    monkeypatch.setattr("clipcrop.evaluation.methods.is_installed", lambda: False)

    assert missing_requirements(["smartcrop", "whole", "clipcrop"], factory) == {
        "smartcrop": "'smartcrop' needs a package that is not installed; run `pip install "
        "smartcrop`",
        "clipcrop": "'clipcrop' needs a trained decoder; give --decoder FILE",
    }
    assert missing_requirements(["whole"], factory) == {}


def _texts(text: str):
    from clipcrop.prompt.parser import parse_prompt

    return parse_prompt(text).all_texts[:1]
