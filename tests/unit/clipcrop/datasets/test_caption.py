from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image
from published_sets import write_photo
from safetensors.torch import load_file

from clipcrop.datasets.caption import DEFAULT_MODEL, ImageToText, caption_photos
from clipcrop.datasets.texts import read_texts
from clipcrop.errors import CheckpointError, InputError
from clipcrop.weights.registry import BLIP

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "dog", "cat", "on", "the"]


class FakeCaptioner:
    """Says how wide an image is; stops after so many batches, as a run that is cut does."""

    def __init__(self, stops_after=99, words="{} wide"):
        self.batches = 0
        self._stops_after = stops_after
        self._words = words

    def caption(self, images):
        if self.batches == self._stops_after:
            raise KeyboardInterrupt
        self.batches += 1
        return [self._words.format(image.width) for image in images]


@pytest.fixture
def photos(tmp_path):
    return [write_photo(tmp_path / f"{width}.png", (width, 10)) for width in (20, 30, 40)]


@pytest.fixture(scope="module")
def tiny_blip(tmp_path_factory):
    """A BLIP of a few thousand random weights, saved as the published one is."""
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessorPil,
        BlipProcessor,
    )

    folder = tmp_path_factory.mktemp("blip")
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    layers = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 16,
    }
    text = {
        **layers,
        "vocab_size": len(WORDS),
        "encoder_hidden_size": 16,
        "bos_token_id": 5,
        "pad_token_id": 0,
        "sep_token_id": 3,
        "eos_token_id": 3,
    }
    torch.manual_seed(0)
    config = BlipConfig(text_config=text, vision_config={**layers, "image_size": 32})
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(
        image_processor=BlipImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=BertTokenizer(str(folder / "vocab.txt"), additional_special_tokens=["[DEC]"]),
    ).save_pretrained(folder)
    return folder


def test_the_usual_model_is_taken_at_its_pinned_commit(tiny_blip, tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / f"models--{DEFAULT_MODEL.replace('/', '--')}"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)  # the newest, which is not here
    shutil.copytree(tiny_blip, cached / "snapshots" / BLIP.revision)

    captioner = ImageToText.load(device="cpu")

    assert captioner.caption([Image.new("RGB", (30, 30))])
    with pytest.raises(CheckpointError, match="no captioning model in 'Salesforce/blip"):
        ImageToText.load(device="cpu", revision="main")


def test_a_model_in_the_published_format_describes_images_the_same_way_each_time(tiny_blip):
    captioner = ImageToText.load(str(tiny_blip), "cpu")
    images = [Image.new("RGB", (50, 40)), Image.new("RGB", (20, 90), "red")]

    texts = captioner.caption(images)

    assert texts == ImageToText.load(str(tiny_blip), "cpu").caption(images)
    assert all(word in WORDS[1:] for text in texts for word in text.split())
    assert all(texts)


def test_weights_that_are_published_for_pytorch_alone_are_read(tiny_blip, tmp_path):
    folder = shutil.copytree(tiny_blip, tmp_path / "blip")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    images = [Image.new("RGB", (50, 40))]

    texts = ImageToText.load(str(folder), "cpu").caption(images)

    assert texts == ImageToText.load(str(tiny_blip), "cpu").caption(images)


class _Opener:
    """Unpickled, it would write a file."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return (open, (str(self._path), "w"))


def test_a_pickle_that_would_run_code_is_refused(tiny_blip, tmp_path):
    folder = shutil.copytree(tiny_blip, tmp_path / "blip")
    (folder / "model.safetensors").unlink()
    torch.save({"weight": _Opener(tmp_path / "run")}, folder / "pytorch_model.bin")

    with pytest.raises(CheckpointError):
        ImageToText.load(str(folder), "cpu")
    assert not (tmp_path / "run").exists()


def test_one_copy_of_the_weights_is_downloaded(tiny_blip, tmp_path, monkeypatch):
    published = shutil.copytree(tiny_blip, tmp_path / "published")
    (published / "tf_model.h5").write_bytes(b"the same for TensorFlow")
    torch.save(load_file(published / "model.safetensors"), published / "pytorch_model.bin")
    (published / "model.safetensors").unlink()
    cache = tmp_path / "cache"

    def snapshot_download(model, *, revision, allow_patterns):
        assert (model, revision) == (DEFAULT_MODEL, BLIP.revision)
        cache.mkdir(exist_ok=True)
        for pattern in allow_patterns:
            for path in published.glob(pattern):
                shutil.copy(path, cache)
        return str(cache)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)

    ImageToText.load(device="cpu")

    assert (cache / "pytorch_model.bin").exists()
    assert not (cache / "tf_model.h5").exists()


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=f"no captioning model in '{tmp_path}'"):
        ImageToText.load(str(tmp_path), "cpu")


def test_every_photo_gets_a_text_that_the_readers_take(tmp_path, photos):
    output = tmp_path / "texts.jsonl"

    added = caption_photos(photos, output, FakeCaptioner(), batch_size=2)

    assert added == 3
    assert read_texts(output) == {f"{width}.png": (f"{width} wide",) for width in (20, 30, 40)}


def test_a_run_that_was_cut_goes_on_where_it_was(tmp_path, photos):
    output = tmp_path / "texts.jsonl"
    with pytest.raises(KeyboardInterrupt):
        caption_photos(photos, output, FakeCaptioner(stops_after=2), batch_size=1)
    with output.open("a") as file:
        file.write('{"image": "40.p')  # the disk was full, say
    second = FakeCaptioner()

    added = caption_photos(photos, output, second, batch_size=1)

    assert (added, second.batches) == (1, 1)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["image"] for line in lines] == ["20.png", "30.png", "40.png"]


def test_a_last_line_without_its_end_is_kept_where_it_is_whole(tmp_path, photos):
    output = tmp_path / "texts.jsonl"
    output.write_text('{"image": "20.png", "text": "by hand"}')

    caption_photos(photos, output, FakeCaptioner())

    assert read_texts(output)["20.png"] == ("by hand",)
    assert len(read_texts(output)) == 3


def test_photos_that_cannot_be_read_are_told_and_the_others_described(tmp_path, photos):
    photos[1].write_bytes(b"nothing")
    problems = []

    added = caption_photos(
        photos, tmp_path / "texts.jsonl", FakeCaptioner(), on_error=problems.append
    )

    assert added == 2
    assert "30.png" in str(problems[0])
    assert len(problems) == 1


def test_an_empty_text_is_told_not_written(tmp_path, photos):
    with pytest.raises(InputError, match=r"nothing to say about 20\.png"):
        caption_photos(photos[:1], tmp_path / "texts.jsonl", FakeCaptioner(words=" "))


def test_photos_of_one_name_are_refused(tmp_path, photos):
    other = write_photo(tmp_path / "in" / "20.png")

    with pytest.raises(InputError, match=r"two photos are called '20\.png'"):
        caption_photos([*photos, other], tmp_path / "texts.jsonl", FakeCaptioner())


def test_a_file_of_another_kind_is_not_touched(tmp_path, photos):
    output = tmp_path / "texts.json"
    output.write_text('{"a.jpg": "a dog"}')

    with pytest.raises(InputError, match=r"not to 'texts\.json'; name a \.jsonl file"):
        caption_photos(photos, output, FakeCaptioner())

    assert output.read_text() == '{"a.jpg": "a dog"}'
