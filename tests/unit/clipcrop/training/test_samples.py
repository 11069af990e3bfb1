"""What the encoder says of views, and batches of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from clipcrop.decoder.network import Decoder
from clipcrop.decoder.tensor_boxes import cxcywh_to_xyxy, iou
from clipcrop.errors import InputError
from clipcrop.training.config import TrainConfig
from clipcrop.training.criterion import CriterionConfig
from clipcrop.training.identity import identity_of, sample_key
from clipcrop.training.samples import ViewEncoder, collate, decode
from clipcrop.training.token_store import TokenStore, rounded
from clipcrop.training.views import ViewMaker, plain_view

CONFIG = TrainConfig(side_px=416)


@pytest.fixture(scope="module")
def plain_samples(tower, examples):
    encoder = ViewEncoder(tower, CONFIG, "full")
    return encoder.encode([plain_view(one, 416) for one in examples])


def test_a_sample_has_the_tokens_and_what_the_text_selects(plain_samples, examples):
    sample = plain_samples[1]

    assert sample.tokens.shape[1] == 256
    assert len(sample.token_boxes_cxcywh) == len(sample.tokens)
    cat = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    assert iou(cxcywh_to_xyxy(sample.union_box_cxcywh)[None], cat) > 0.3
    assert sample.opinions.tolist() == pytest.approx(examples[1].ratings().tolist())
    crops_xyxy = torch.from_numpy(examples[1].crops_xyxy((451, 300)))
    torch.testing.assert_close(cxcywh_to_xyxy(sample.crops_cxcywh), crops_xyxy)


def test_padding_changes_nothing(plain_samples, small_decoder):
    decoder = Decoder(replace(small_decoder, token_dim=256)).eval()
    assert len({len(one.tokens) for one in plain_samples}) > 1

    together = decode(decoder, collate(plain_samples))

    for row, sample in enumerate(plain_samples):
        alone = decode(decoder, collate([sample]))
        torch.testing.assert_close(
            together.boxes_cxcywh[row], alone.boxes_cxcywh[0], atol=1e-4, rtol=0
        )


def test_in_a_mosaic_the_text_finds_its_own_photo(tower, examples):
    config = replace(CONFIG, mosaic_sides=(2,), jitter=0.0, flip=0.0)
    maker, encoder = ViewMaker(examples, config), ViewEncoder(tower, config, "full")

    for number in range(4):
        view = maker.make(1, number)
        [sample] = encoder.encode([view])
        left, top, right, bottom = view.crops_xyxy[0].tolist()
        x, y = sample.union_box_cxcywh[:2].tolist()
        assert left <= x <= right
        assert top <= y <= bottom


def test_base_needs_no_text_but_shares_its_samples(tower, examples):
    views = [plain_view(one, 416) for one in (examples[0], replace(examples[0], text=""))]

    with_text, without = ViewEncoder(tower, CONFIG, "base").encode(views)

    assert with_text.selected_mean.any()
    assert not without.selected_mean.any()
    assert without.union_box_cxcywh.tolist() == [0.5, 0.5, 1.0, 1.0]


def test_an_example_image_selects_where_there_is_no_text(tower, examples, samples):
    asked = replace(examples[1], text="", query_image=samples / "chelsea.jpg")

    [sample] = ViewEncoder(tower, CONFIG, "full").encode([plain_view(asked, 416)])

    assert sample.selected_mean.any()


def test_a_text_that_is_too_long_is_named_with_its_line(tower, examples):
    view = plain_view(replace(examples[0], text="dog " * 200), 64)

    with pytest.raises(InputError, match=r"texts.jsonl, line 1: prompt of 800 characters"):
        ViewEncoder(tower, CONFIG, "full").encode([view])


def test_samples_of_another_precision_are_not_shared(tower, examples, small_decoder):
    def key(precision):
        config = replace(CONFIG, precision=precision)
        identity = identity_of(config, small_decoder, CriterionConfig(), tower, examples, [])
        return sample_key(identity)

    assert key("float32") == key("float32") != key("bfloat16")


def test_a_kept_sample_comes_back_as_it_was_used_first(tmp_path, plain_samples):
    store, sample = TokenStore(tmp_path), plain_samples[0]

    store.write(3, 1, sample)

    kept = store.read(3, 1)
    torch.testing.assert_close(kept.tokens.float(), rounded(sample).tokens, atol=0, rtol=0)
    for name in sample._fields[1:]:
        torch.testing.assert_close(getattr(kept, name), getattr(sample, name), atol=0, rtol=0)
    size = next(tmp_path.rglob("*.safetensors")).stat().st_size
    assert size == pytest.approx(store.bytes_for(sample), rel=0.01)
    assert store.count() == 1


def test_a_sample_that_is_not_there_or_damaged_is_made_again(tmp_path, plain_samples):
    store = TokenStore(tmp_path)
    store.write(0, "plain", plain_samples[0])
    next(tmp_path.rglob("*.safetensors")).write_bytes(b"cut")

    assert store.read(0, "plain") is None
    assert store.read(1, "plain") is None


def test_a_text_selects_as_it_was_written(tower, examples, monkeypatch):
    asked: list[str] = []
    encode_texts = tower.encode_texts

    def recorded(texts):
        asked.extend(text.text for text in texts)
        return encode_texts(texts)

    monkeypatch.setattr(tower, "encode_texts", recorded)
    view = plain_view(replace(examples[1], text="Close up of a cat, without the dog"), 64)

    ViewEncoder(tower, CONFIG, "full").encode([view])

    assert asked == ["Close up of a cat, without the dog", "a cat", "the dog"]
