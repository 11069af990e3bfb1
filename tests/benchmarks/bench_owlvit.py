"""Time the owlvit encoder against transformers used as it comes, on the same weights.

    python tests/benchmarks/bench_owlvit.py PHOTO.jpg [--threads 1] [--rounds 5] [--json FILE]

The weights are random, of the size of OWL-ViT base/32 (153 million parameters): times don't depend
on what the numbers are. Compared, with the whole prompt and its keywords as texts:

pipeline   transformers' zero-shot-object-detection pipeline, which runs the whole model per text
one call   transformers' processor and model on all texts at once
ours       the encoder: image encoded, texts encoded, every token scored

"Second prompt" is another prompt on the same photo: transformers starts again, the encoder encodes
the texts. The rounds of the three alternate, so that what else runs on the machine hits them alike;
on a busy machine the ratios of processor time are the ones to trust.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from timing import measure, medians, write_json
from transformers import (
    CLIPTokenizer,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessorPil,
    OwlViTProcessor,
    pipeline,
)

from clipcrop.arrays import FloatArray
from clipcrop.boxes import cxcywh_to_xyxy
from clipcrop.encoders.owlvit import OwlVitEncoder
from clipcrop.prompt.parser import Text
from clipcrop.weights.checkpoint import find_checkpoint

FIRST_TEXTS = ["the woman and her dogs", "woman", "dogs"]
SECOND_TEXTS = ["a red rocket", "rocket"]


def write_random_model(folder: Path) -> None:
    """Save weights of base/32's size with a tokenizer that knows the words of the prompts."""
    ids, merges = {"!": 0}, []
    for word in sorted({word for text in FIRST_TEXTS + SECOND_TEXTS for word in text.split()}):
        *head, last = word
        parts = [*head, f"{last}</w>"]
        for part in parts:
            ids.setdefault(part, len(ids))
        for end in range(1, len(parts)):
            pair = ("".join(parts[:end]), parts[end])
            merges.append(f"{pair[0]} {pair[1]}")
            ids.setdefault("".join(pair), len(ids))
    for token in ("<|startoftext|>", "<|endoftext|>"):
        ids[token] = len(ids)
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    unique = list(dict.fromkeys(merges))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *unique]), encoding="utf-8")
    settings = {"tokenizer_class": "CLIPTokenizer", "pad_token": "!", "model_max_length": 16}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    torch.manual_seed(0)
    model = OwlViTForObjectDetection(OwlViTConfig())
    with torch.no_grad():
        # Fresh heads give all tokens nearly the same score: spread them, so that boxes compare.
        for parameter in model.class_head.parameters():
            parameter.normal_(std=0.1)
        for parameter in model.box_head.parameters():
            parameter.normal_(std=0.04)
    model.save_pretrained(folder)


class Stock:
    """transformers as it comes: the processor and one call of the model."""

    def __init__(self, folder: Path) -> None:
        self.model = OwlViTForObjectDetection.from_pretrained(folder).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)
        self.image_processor = OwlViTImageProcessorPil()
        self.processor: Any = OwlViTProcessor(self.image_processor, self.tokenizer)
        self.pipeline: Any = pipeline(
            "zero-shot-object-detection",
            model=self.model,
            tokenizer=self.tokenizer,
            image_processor=self.image_processor,
            device="cpu",
        )

    def one_call(self, image: Image.Image, texts: list[str]) -> FloatArray:
        """[W, 4] the best box of each text, in pixels."""
        inputs = self.processor(text=[texts], images=image, return_tensors="pt")
        with torch.no_grad():
            output = self.model(**inputs)
        best = output.logits[0].argmax(dim=0)
        return boxes_px(output.pred_boxes[0, best].numpy(), image)

    def through_pipeline(self, image: Image.Image, texts: list[str]) -> None:
        """As its documentation shows it, with its own threshold."""
        self.pipeline(image, candidate_labels=texts)


class Ours:
    """The encoder, with the image's tokens kept for the next prompt."""

    def __init__(self, folder: Path) -> None:
        self.encoder = OwlVitEncoder.load(find_checkpoint(folder), torch.device("cpu"))
        self.encoder.encode_images([Image.new("RGB", (8, 8))])  # embeds the generic texts, once

    def first(self, image: Image.Image, texts: list[str]) -> FloatArray:
        """[W, 4] the best box of each text, in pixels."""
        self.image_tokens = self.encoder.encode_images([image])
        return self.again(image, texts)

    def again(self, image: Image.Image, texts: list[str]) -> FloatArray:
        """The same on the image of the last `first`."""
        scores = self.image_tokens.scores(self.encoder.encode_texts([Text(text) for text in texts]))
        best = scores[0].argmax(axis=1)
        return boxes_px(self.image_tokens.initial_boxes_cxcywh[0, best], image)


def boxes_px(boxes_cxcywh: FloatArray, image: Image.Image) -> FloatArray:
    """[W, 4] -> [W, 4] xyxy in pixels of the image."""
    return cxcywh_to_xyxy(boxes_cxcywh) * np.array([*image.size, *image.size], np.float32)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    image = Image.open(options.photo).convert("RGB")

    with tempfile.TemporaryDirectory() as folder:
        write_random_model(Path(folder))
        stock, ours = Stock(Path(folder)), Ours(Path(folder))

    difference_px = np.abs(stock.one_call(image, FIRST_TEXTS) - ours.first(image, FIRST_TEXTS))
    timings = measure(
        {
            "first prompt, pipeline": lambda: stock.through_pipeline(image, FIRST_TEXTS),
            "first prompt, one call": lambda: stock.one_call(image, FIRST_TEXTS),
            "first prompt, ours": lambda: ours.first(image, FIRST_TEXTS),
            "second prompt, pipeline": lambda: stock.through_pipeline(image, SECOND_TEXTS),
            "second prompt, one call": lambda: stock.one_call(image, SECOND_TEXTS),
            "second prompt, ours": lambda: ours.again(image, SECOND_TEXTS),
        },
        options.rounds,
    )

    print(f"{options.photo.name}, {image.width} x {image.height} px; {options.threads} thread(s)")
    print(f"best boxes differ by at most {difference_px.max():.4f} px")
    header = f"{'medians':26}{'wall ms':>10}{'min':>9}{'max':>9}{'cpu ms':>10}"
    print(f"{header}  cpu of pipeline, one call")
    rows = []
    for name, measured in timings.items():
        prompt = name.partition(",")[0]
        median = medians(measured)
        ratios = [
            median.processor_s / medians(timings[f"{prompt}, {other}"]).processor_s
            for other in ("pipeline", "one call")
        ]
        walls = [timing.wall_s for timing in measured]
        shown = "".join(f"{1e3 * value:9.1f}" for value in (median.wall_s, min(walls), max(walls)))
        print(f"{name:27}{shown}{1e3 * median.processor_s:10.1f}{ratios[0]:13.3f}{ratios[1]:10.3f}")
        rows.append({"name": name, "timings": measured, "processor_ratios": ratios})
    if options.json:
        write_json(options.json, rows)


if __name__ == "__main__":
    main()
