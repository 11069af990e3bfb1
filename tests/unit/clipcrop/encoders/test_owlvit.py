from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil
from transformers.models.owlvit.image_processing_pil_owlvit import OwlViTImageProcessorPil

from clipcrop.decoder.tensor_boxes import cxcywh_to_xyxy
from clipcrop.encoders import load_encoder
from clipcrop.encoders.base import Encoder
from clipcrop.encoders.owlvit import OwlVitEncoder
from clipcrop.encoders.tensors import TokenTensors
from clipcrop.errors import CheckpointError, InputError
from clipcrop.prompt.parser import Text
from clipcrop.weights.checkpoint import find_checkpoint

KINDS = ["owlvit", "owlv2"]
SHAPES = ["square", "3:1", "1:3", "small"]
TEXTS = ["dog", "two brown dogs", "a cat!"]
LONG_TEXT = "the woman with a long red scarf and her three dogs by the old harbour"


def load(folder: Path) -> OwlVitEncoder:
    return OwlVitEncoder.load(find_checkpoint(folder), torch.device("cpu"))


@pytest.fixture(scope="module")
def encoders(tiny_owls: dict[str, Path]) -> dict[str, OwlVitEncoder]:
    return {kind: load(folder) for kind, folder in tiny_owls.items()}


@pytest.fixture
def damaged(tiny_owls: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the tiny OWL-ViT, for a test to damage."""
    return Path(shutil.copytree(tiny_owls["owlvit"], tmp_path / "damaged"))


def processor_of(kind: str) -> Any:
    processor_class: Any = OwlViTImageProcessorPil if kind == "owlvit" else Owlv2ImageProcessorPil
    return processor_class(size={"height": 96, "width": 96})


def see(encoder: Encoder, images: list[Image.Image]) -> TokenTensors:
    return TokenTensors.of(encoder.encode_images(images))


def encode_texts(encoder: Encoder, texts: list[str]) -> torch.Tensor:
    return torch.from_numpy(encoder.encode_texts([Text(text) for text in texts]))


def query(encoder: Encoder, image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(encoder.encode_image_query(image))


def boxes_px(boxes_cxcywh: torch.Tensor, image: Image.Image) -> torch.Tensor:
    size_px = torch.tensor([*image.size, *image.size])
    return cxcywh_to_xyxy(boxes_cxcywh) * size_px


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_text_guided_detection_has_the_numbers_of_transformers(
    kind: str,
    shape: str,
    encoders: dict[str, OwlVitEncoder],
    reference_models: dict[str, Any],
    reference_tokenizers: dict[str, Any],
    pictures: dict[str, Image.Image],
) -> None:
    image = pictures[shape]
    processor = processor_of(kind)
    ids = reference_tokenizers[kind](TEXTS, padding="max_length", return_tensors="pt")
    pixel_values = processor(image, return_tensors="pt").pixel_values.float()
    with torch.no_grad():
        output = reference_models[kind](**ids, pixel_values=pixel_values)
    expected = processor.post_process_object_detection(
        output, threshold=0.0, target_sizes=[(image.height, image.width)]
    )[0]

    encoder = encoders[kind]
    image_tokens = see(encoder, [image])
    all_tokens = image_tokens._replace(mask=torch.ones_like(image_tokens.mask))
    scores = all_tokens.scores(encode_texts(encoder, TEXTS))[0]

    torch.testing.assert_close(scores, output.logits[0].sigmoid().T, atol=2e-5, rtol=0)
    torch.testing.assert_close(scores.amax(dim=0), expected["scores"], atol=2e-5, rtol=0)
    torch.testing.assert_close(
        boxes_px(image_tokens.initial_boxes_cxcywh[0], image), expected["boxes"], atol=5e-3, rtol=0
    )
    assert scores.std() > 0.01  # the comparison is not one of constants
    assert expected["boxes"].std(dim=0).min() > 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_image_guided_detection_has_the_numbers_of_transformers(
    kind: str,
    shape: str,
    encoders: dict[str, OwlVitEncoder],
    reference_models: dict[str, Any],
    pictures: dict[str, Image.Image],
) -> None:
    image, example = pictures["square"], pictures[shape]
    processor = processor_of(kind)
    with torch.no_grad():
        output = reference_models[kind].image_guided_detection(
            pixel_values=processor(image, return_tensors="pt").pixel_values.float(),
            query_pixel_values=processor(example, return_tensors="pt").pixel_values.float(),
        )
    expected = processor.post_process_image_guided_detection(
        output, threshold=0.0, nms_threshold=1.0, target_sizes=torch.tensor([[120, 120]])
    )[0]

    encoder = encoders[kind]
    image_tokens = see(encoder, [image])
    scores = image_tokens.scores(query(encoder, example))[0, 0]

    torch.testing.assert_close(scores, output.logits[0, :, 0].sigmoid(), atol=2e-5, rtol=0)
    best = int(expected["scores"].argmax())
    found = boxes_px(image_tokens.initial_boxes_cxcywh[0, scores.argmax()], image)
    torch.testing.assert_close(found, expected["boxes"][best], atol=5e-3, rtol=0)
    assert scores.std() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_query_from_a_wide_image_finds_what_transformers_finds_in_a_wide_image(
    kind: str,
    encoders: dict[str, OwlVitEncoder],
    reference_models: dict[str, Any],
    pictures: dict[str, Image.Image],
) -> None:
    image = pictures["3:1"]
    pixel_values = processor_of(kind)(image, return_tensors="pt").pixel_values.float()
    with torch.no_grad():
        output = reference_models[kind].image_guided_detection(
            pixel_values=pixel_values, query_pixel_values=pixel_values
        )

    encoder = encoders[kind]
    image_tokens = see(encoder, [image])
    scores = image_tokens.scores(query(encoder, image))[0, 0]

    expected = output.logits[0, :, 0].sigmoid() * image_tokens.mask[0]
    torch.testing.assert_close(scores, expected, atol=2e-5, rtol=0)


def test_objectness_of_owlv2_is_its_own_heads(
    encoders: dict[str, OwlVitEncoder],
    reference_models: dict[str, Any],
    reference_tokenizers: dict[str, Any],
    pictures: dict[str, Image.Image],
) -> None:
    image = pictures["3:1"]
    ids = reference_tokenizers["owlv2"](["dog"], padding="max_length", return_tensors="pt")
    pixel_values = processor_of("owlv2")(image, return_tensors="pt").pixel_values.float()
    with torch.no_grad():
        logits = reference_models["owlv2"](**ids, pixel_values=pixel_values).objectness_logits

    image_tokens = see(encoders["owlv2"], [image])

    expected = logits.sigmoid() * image_tokens.mask
    torch.testing.assert_close(image_tokens.objectness, expected, atol=2e-5, rtol=0)


def test_objectness_of_owlvit_is_the_best_score_of_generic_things(
    encoders: dict[str, OwlVitEncoder], pictures: dict[str, Image.Image]
) -> None:
    from clipcrop.encoders.owlvit import GENERIC_TEXTS

    encoder = encoders["owlvit"]
    image_tokens = see(encoder, [pictures["square"]])

    by_text = [image_tokens.scores(encode_texts(encoder, [text])) for text in GENERIC_TEXTS]
    best = torch.cat(by_text, dim=1).amax(dim=1)
    torch.testing.assert_close(image_tokens.objectness, best, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_types_of_what_an_encoder_sees(
    kind: str, encoders: dict[str, OwlVitEncoder], pictures: dict[str, Image.Image]
) -> None:
    encoder = encoders[kind]
    image_tokens = see(encoder, [pictures["square"], pictures["3:1"]])

    assert {
        name: (tuple(value.shape), value.dtype) for name, value in image_tokens.parts().items()
    } == {
        "tokens": ((2, 36, 32), torch.float32),
        "class_embeddings": ((2, 36, 24), torch.float32),
        "initial_boxes_cxcywh": ((2, 36, 4), torch.float32),
        "objectness": ((2, 36), torch.float32),
        "mask": ((2, 36), torch.bool),
        "logit_shift": ((2, 36), torch.float32),
        "logit_scale": ((2, 36), torch.float32),
    }
    assert encode_texts(encoder, TEXTS).shape == (3, 24)
    assert encode_texts(encoder, []).shape == (0, 24)
    assert query(encoder, pictures["3:1"]).shape == (1, 24)
    assert not image_tokens.tokens.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_equals_its_images_one_by_one(
    kind: str, encoders: dict[str, OwlVitEncoder], pictures: dict[str, Image.Image]
) -> None:
    images = [pictures[shape] for shape in SHAPES]

    batch = see(encoders[kind], images)

    for index, image in enumerate(images):
        single = see(encoders[kind], [image])
        for name, value in single.parts().items():
            torch.testing.assert_close(
                getattr(batch, name)[index], value[0], atol=1e-5, rtol=1e-5, msg=name
            )


def test_texts_together_equal_texts_one_by_one(encoders: dict[str, OwlVitEncoder]) -> None:
    encoder = encoders["owlvit"]
    texts = ["dog", LONG_TEXT, "a cat"]

    together = encode_texts(encoder, texts)

    one_by_one = torch.cat([encode_texts(encoder, [text]) for text in texts])
    torch.testing.assert_close(together, one_by_one, atol=1e-5, rtol=0)


def test_only_tokens_in_the_padding_are_masked(
    encoders: dict[str, OwlVitEncoder], pictures: dict[str, Image.Image]
) -> None:
    images = [pictures["3:1"], pictures["1:3"], pictures["square"]]

    wide, tall, square = see(encoders["owlv2"], images).mask.reshape(3, 6, 6)

    assert wide.sum(dim=1).tolist() == [6, 6, 0, 0, 0, 0]
    assert tall.sum(dim=0).tolist() == [6, 6, 0, 0, 0, 0]
    assert square.all()
    assert see(encoders["owlvit"], images).mask.all()


def test_masked_tokens_score_nothing(
    encoders: dict[str, OwlVitEncoder], pictures: dict[str, Image.Image]
) -> None:
    encoder = encoders["owlv2"]
    image_tokens = see(encoder, [pictures["3:1"]])

    scores = image_tokens.scores(encode_texts(encoder, TEXTS))

    assert (scores[0, :, ~image_tokens.mask[0]] == 0).all()
    assert (image_tokens.objectness[~image_tokens.mask] == 0).all()
    assert (scores[0, :, image_tokens.mask[0]] > 0).all()


def test_a_long_text_is_cut_as_transformers_cuts_it(
    encoders: dict[str, OwlVitEncoder],
    reference_models: dict[str, Any],
    reference_tokenizers: dict[str, Any],
) -> None:
    ids = reference_tokenizers["owlvit"](
        [LONG_TEXT], padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    )
    with torch.no_grad():
        features = reference_models["owlvit"].owlvit.get_text_features(**ids).pooler_output

    embedding = encode_texts(encoders["owlvit"], [LONG_TEXT])

    expected = features / features.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(embedding, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(encode_texts(encoders["owlvit"], [LONG_TEXT * 150]), embedding)


def test_texts_in_any_script_have_unit_embeddings_and_blank_ones_are_zero(
    encoders: dict[str, OwlVitEncoder],
) -> None:
    texts = ["dog", "", "  \n", "🐕", "собака", "犬"]

    norms = encode_texts(encoders["owlvit"], texts).norm(dim=-1)

    torch.testing.assert_close(norms, torch.tensor([1.0, 0, 0, 1, 1, 1]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1)], ids=str)
def test_images_of_extreme_shape_give_finite_numbers(
    kind: str, size: tuple[int, int], encoders: dict[str, OwlVitEncoder]
) -> None:
    image_tokens = see(encoders[kind], [Image.new("RGB", size, "teal")])

    assert image_tokens.mask.any()
    for name, value in image_tokens.parts().items():
        assert value.isfinite().all(), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_loads_as_the_same(
    kind: str,
    encoders: dict[str, OwlVitEncoder],
    reference_models: dict[str, Any],
    tiny_owls: dict[str, Path],
    pictures: dict[str, Image.Image],
    tmp_path: Path,
) -> None:
    reference_models[kind].save_pretrained(tmp_path)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(tiny_owls[kind] / name, tmp_path)

    again = load_encoder(tmp_path, "cpu")

    tokens = see(again, [pictures["square"]])
    expected = see(encoders[kind], [pictures["square"]])
    for name, value in expected.parts().items():
        torch.testing.assert_close(getattr(tokens, name), value, atol=0, rtol=0, msg=name)
    assert again.name == str(tmp_path)
    # OWL-ViT base/32 on the astronaut photo, as published: a face .357, a badge .281, a rocket
    # .211, a flag .138; all of them are there, and none of what scores less than .1.
    assert again.min_score == 0.1
    assert again.min_query_score == 0.6


def test_weights_in_half_precision_are_computed_with_in_single(
    damaged: Path, pictures: dict[str, Image.Image]
) -> None:
    weights = load_file(damaged / "model.safetensors")
    halves = {name: value.half() for name, value in weights.items()}
    save_file(halves, damaged / "model.safetensors", {"format": "pt"})

    tokens = see(load(damaged), [pictures["square"]]).tokens

    assert tokens.dtype == torch.float32
    assert tokens.isfinite().all()


def test_weights_without_a_tensor_of_the_model_are_refused(damaged: Path) -> None:
    weights = load_file(damaged / "model.safetensors")
    del weights["box_head.dense1.weight"]
    save_file(weights, damaged / "model.safetensors", {"format": "pt"})

    with pytest.raises(CheckpointError, match=r"not those of an owlvit model: 1 tensors"):
        load(damaged)


def test_weights_of_another_size_are_refused(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    config["vision_config"]["hidden_size"] = 10**9  # would not fit into any memory
    (damaged / "config.json").write_text(json.dumps(config))

    with pytest.raises(CheckpointError, match=r"cannot load .* as an owlvit model .*mismatch"):
        load(damaged)


def test_weights_of_the_other_family_are_refused(damaged: Path, tiny_owls: dict[str, Path]) -> None:
    shutil.copy(tiny_owls["owlv2"] / "model.safetensors", damaged)

    with pytest.raises(CheckpointError, match="not those of an owlvit model"):
        load(damaged)


@pytest.mark.parametrize("part", [None, "vision_config"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attn_implementation", "somebody/kernel"),
        ("_attn_implementation", {"": "kernels-community/flash-attn"}),
        ("quantization_config", {"quant_method": "mxfp4"}),
        ("use_kernels", True),
    ],
    ids=str,
)
def test_a_config_that_names_code_is_refused_before_anything_is_loaded(
    damaged: Path, part: str | None, key: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (config if part is None else config[part])[key] = value
    (damaged / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", None)

    with pytest.raises(CheckpointError, match=f"names code to be loaded .{key}"):
        load(damaged)


AUTO_CLASSES = ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor")


def test_code_that_lies_beside_the_weights_is_not_run(damaged: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (damaged / "theirs.py").write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()")
    for name in ("config.json", "tokenizer_config.json"):
        path = damaged / name
        settings = json.loads(path.read_text()) if path.exists() else {}
        settings["auto_map"] = dict.fromkeys(AUTO_CLASSES, "theirs.Theirs")
        path.write_text(json.dumps(settings))

    load(damaged)

    assert not mark.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_attention_heads", 5), ("num_attention_heads", 0), ("hidden_size", "big")],
    ids=str,
)
def test_a_config_with_impossible_values_is_refused(damaged: Path, key: str, value: object) -> None:
    config = json.loads((damaged / "config.json").read_text())
    config["vision_config"][key] = value
    (damaged / "config.json").write_text(json.dumps(config))

    with pytest.raises(CheckpointError, match=r"cannot load .* as an owlvit model"):
        load(damaged)


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_damaged_tokenizer_is_refused(damaged: Path, name: str) -> None:
    (damaged / name).write_bytes(b"\xff\xfe{ not this")

    with pytest.raises(CheckpointError, match="cannot read the tokenizer files"):
        load(damaged)


def test_a_damaged_tokenizer_in_one_file_is_refused(damaged: Path) -> None:
    (damaged / "tokenizer.json").write_text('{"version": "1.0", "model": 3')

    with pytest.raises(CheckpointError, match="cannot read the tokenizer files"):
        load(damaged)


def test_the_tokenizer_of_a_larger_vocabulary_is_refused(damaged: Path) -> None:
    ids = json.loads((damaged / "vocab.json").read_text())
    ids |= {f"extra{index}": len(ids) + index for index in range(5)}
    (damaged / "vocab.json").write_text(json.dumps(ids))

    with pytest.raises(CheckpointError, match=r"the tokenizer in .* is not the model's"):
        load(damaged)


def test_an_example_in_which_no_box_has_any_area_is_refused(
    damaged: Path, pictures: dict[str, Image.Image]
) -> None:
    weights = load_file(damaged / "model.safetensors")
    weights["box_head.dense2.weight"] *= 0
    weights["box_head.dense2.bias"] = torch.tensor([80.0, 80.0, 80.0, -200.0])
    save_file(weights, damaged / "model.safetensors", {"format": "pt"})

    with pytest.raises(InputError, match=r"nothing can be made out .*120 x 120"):
        load(damaged).encode_image_query(pictures["square"])


def test_loading_writes_nothing_to_the_terminal(
    tiny_owls: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    load(tiny_owls["owlv2"])

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_precision_is_what_the_image_transformer_computes_in(
    kind: str, tiny_owls: dict[str, Path], pictures: dict[str, Image.Image]
) -> None:
    checkpoint, cpu = find_checkpoint(tiny_owls[kind]), torch.device("cpu")
    by_default, single, half = (
        OwlVitEncoder.load(checkpoint, cpu, precision=precision).encode_tensors(
            [pictures["square"]]
        )
        for precision in (None, "float32", "bfloat16")
    )

    assert torch.equal(single.tokens, by_default.tokens)
    assert not torch.equal(half.tokens, single.tokens)
    torch.testing.assert_close(half.tokens, single.tokens, atol=0.1, rtol=0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_on_a_gpu_is_close_to_single_on_the_cpu(
    kind: str,
    dtype: torch.dtype,
    tiny_owls: dict[str, Path],
    encoders: dict[str, OwlVitEncoder],
    pictures: dict[str, Image.Image],
) -> None:
    images = [pictures[shape] for shape in SHAPES]
    on_gpu = OwlVitEncoder.load(
        find_checkpoint(tiny_owls[kind]),
        torch.device("cuda"),
        precision=str(dtype).removeprefix("torch."),
    )

    tokens = on_gpu.encode_images(images)
    expected = see(encoders[kind], images)

    assert tokens.tokens.is_cuda
    assert tokens.tokens.dtype == torch.float32
    scores = tokens.scores(encode_texts(on_gpu, TEXTS)).cpu()
    expected_scores = expected.scores(encode_texts(encoders[kind], TEXTS))
    torch.testing.assert_close(scores, expected_scores, atol=0.05, rtol=0)
    boxes, expected_boxes = tokens.initial_boxes_cxcywh.cpu(), expected.initial_boxes_cxcywh
    torch.testing.assert_close(
        boxes[expected.mask], expected_boxes[expected.mask], atol=0.05, rtol=0.05
    )
    assert torch.equal(tokens.mask.cpu(), expected.mask)


@pytest.mark.gpu
def test_bfloat16_is_what_a_gpu_that_has_it_computes_in_by_default(
    tiny_owls: dict[str, Path], pictures: dict[str, Image.Image]
) -> None:
    by_default = load_encoder(tiny_owls["owlvit"], "cuda")
    in_bfloat16 = OwlVitEncoder.load(
        find_checkpoint(tiny_owls["owlvit"]), torch.device("cuda"), precision="bfloat16"
    )

    tokens = by_default.encode_images([pictures["square"]]).tokens

    torch.testing.assert_close(tokens, in_bfloat16.encode_images([pictures["square"]]).tokens)


def test_a_fingerprint_is_that_of_the_weights(tiny_owls: dict[str, Path], damaged: Path):
    original = load(tiny_owls["owlvit"]).fingerprint()
    weights = load_file(damaged / "model.safetensors")
    name = next(name for name in weights if name.startswith("box_head"))
    save_file(weights | {name: weights[name] + 1e-3}, damaged / "model.safetensors")

    assert load(tiny_owls["owlvit"]).fingerprint() == original
    assert load(damaged).fingerprint() != original
    assert load(tiny_owls["owlv2"]).fingerprint() != original
