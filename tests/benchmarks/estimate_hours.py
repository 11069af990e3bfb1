"""How long a training of the paper's configuration should take on a GPU: an estimate, not a time.

    python tests/benchmarks/estimate_hours.py [--tflops 24] [--workers 4] [--json FILE]

Two things take time, beside each other, so the longer one counts:

arithmetic   counted by PyTorch, with random weights of OWL-ViT base/32's size at 768 px and the
             paper's decoder; divided by what the GPU does a second. The default, 24 TFLOP/s, is a
             third of the 71 that an RTX 3090 is rated at in bfloat16; in float32 it is half of it.
photos       reading, mosaics and colours, timed here on one core with made JPEGs of GAIC's usual
             size (1024 x 683); divided by the number of worker processes. A core of another machine
             may well be twice as fast or slow.

CAGIC        BLIP base and CLIP ViT-L/14 with its default search, counted on no device; for each
             table that it may be asked for in.

Going back through a network is taken for twice the arithmetic of going through it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from bench_owlvit import write_random_model
from PIL import Image, ImageFilter
from timing import write_json
from torch.utils.flop_counter import FlopCounterMode

from clipcrop.cagic.options import CagicOptions
from clipcrop.datasets import Example, RatedCrop
from clipcrop.decoder.conditioning import condition, decode, stack_texts
from clipcrop.decoder.network import Decoder, DecoderConfig
from clipcrop.encoders import load_encoder
from clipcrop.encoders.tensors import TokenTensors
from clipcrop.prompt.parser import Text
from clipcrop.training.config import TrainConfig
from clipcrop.training.views import ViewMaker

PHOTOS, EPOCHS = 2636, 180  # GAIC's training split; the paper's Appendix B
TEXTS = [Text("a woman and three dogs on the boat"), Text("woman"), Text("dogs"), Text("boat")]
PHOTO_SIZE_PX = (1024, 683)
VIEWS = 40
CAGIC_EXAMPLES = {1: 100, 2: 416, 3: 500}  # table -> photos and texts
CAPTION_TOKENS = 10


def count_arithmetic(folder: Path) -> dict[str, float]:
    """GFLOP of each part for one photo, a multiplication with its addition taken as two."""
    write_random_model(folder)
    encoder = load_encoder(folder, "cpu")
    image = Image.fromarray(np.zeros((768, 768, 3), dtype=np.uint8))
    decoder = Decoder(DecoderConfig()).train()

    def gflop(work: Callable[[], object]) -> float:
        with FlopCounterMode(display=False) as counter:
            work()
        return float(counter.get_total_flops()) / 1e9

    tokens = TokenTensors.of(encoder.encode_images([image]))
    selection = condition(tokens, stack_texts([torch.from_numpy(encoder.encode_texts(TEXTS))]))
    forward = gflop(lambda: decode(decoder, tokens, selection))
    images = gflop(lambda: encoder.encode_images([image]))
    words = gflop(lambda: encoder.encode_texts(TEXTS))
    return {
        "images, forward": images,
        "texts, forward": words,
        "decoder, forward and back": 3 * forward,
        "frozen encoder": images + words + 3 * forward,
        "fine-tuned encoder": 3 * images + words + 3 * forward,
    }


def count_cagic() -> float:
    """TFLOP of CAGIC's search for one photo and text."""
    from transformers import (
        BlipConfig,
        BlipForConditionalGeneration,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        captioner = BlipForConditionalGeneration(BlipConfig()).eval()
        rater = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=1024,
                intermediate_size=4096,
                num_hidden_layers=24,
                num_attention_heads=16,
                patch_size=14,
                projection_dim=768,
            )
        ).eval()
        words = torch.zeros(1, CAPTION_TOKENS, dtype=torch.long)
        captioner(pixel_values=torch.empty(1, 3, 384, 384), input_ids=words, labels=words)
        rater(pixel_values=torch.empty(1, 3, 224, 224))
    options = CagicOptions()
    return 3 * float(counter.get_total_flops()) * options.steps * options.restarts / 1e12


def time_view(folder: Path) -> float:
    """Seconds of one core for one view: a photo, or a mosaic of four or nine of them."""
    torch.set_num_threads(1)
    noise = np.random.default_rng(0)
    crop = RatedCrop(box_xyxy_px=(100, 80, 900, 600), rating=4.5)
    examples = []
    for number in range(12):
        path = folder / f"{number}.jpg"
        pixels = noise.integers(0, 256, (*PHOTO_SIZE_PX[::-1], 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2))
        picture.save(path, quality=90)
        examples.append(Example(photo=path, crops=(crop,), text="a dog"))
    maker = ViewMaker(examples, TrainConfig())
    started = time.process_time()
    for number in range(VIEWS):
        maker.make(number % len(examples), number)
    return (time.process_time() - started) / VIEWS


def main() -> None:
    """Print the parts and the hours."""
    parser = argparse.ArgumentParser(description="Estimate the hours of a training.")
    parser.add_argument("--tflops", type=float, default=24.0, help="that the GPU really does")
    parser.add_argument("--workers", type=int, default=4, help="processes that prepare photos")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "encoder").mkdir()
        arithmetic = count_arithmetic(Path(name) / "encoder")
        view_s = time_view(Path(name))
    samples = PHOTOS * EPOCHS
    photos_h = samples * view_s / options.workers / 3600
    print("| part | GFLOP a photo |\n|---|---|")
    for part, gflop in arithmetic.items():
        print(f"| {part} | {gflop:.0f} |")
    print(f"\none view takes a core {view_s * 1e3:.0f} ms: {photos_h:.1f} h by {options.workers}\n")
    print("| training | arithmetic, h | photos, h | the longer, h |\n|---|---|---|---|")
    hours = {}
    for encoder in ("frozen encoder", "fine-tuned encoder"):
        compute_h = samples * arithmetic[encoder] / (options.tflops * 1e3) / 3600
        hours[encoder] = max(compute_h, photos_h)
        print(f"| {encoder} | {compute_h:.1f} | {photos_h:.1f} | {hours[encoder]:.1f} |")
    search = count_cagic()
    print(f"\nCAGIC: {search:.0f} TFLOP a photo and text, {search / options.tflops:.0f} s\n")
    for table, examples in CAGIC_EXAMPLES.items():
        hours[f"CAGIC, table {table}"] = examples * search / options.tflops / 3600
        print(f"- table {table}: {hours[f'CAGIC, table {table}']:.0f} h")
    if options.json:
        write_json(options.json, {"gflop": arithmetic, "view_s": view_s, "hours": hours})


if __name__ == "__main__":
    main()
