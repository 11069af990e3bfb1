"""What CAGIC costs beside its networks: python tests/benchmarks/bench_cagic.py [JSON]

32 restarts x 100 steps, against the same number of forward and backward passes of the same networks
over pixels that are there already: no sampling of crops, no optimiser, no path, no aggregation. The
networks are a BLIP and a CLIP with random weights and few layers, beside which the rest costs the
most; the ratio is of processor time, on one thread, which a busy machine spoils less.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from timing import Timing, write_json
from torch import nn
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    CLIPConfig,
    CLIPModel,
)

from clipcrop.cagic.aesthetics import ClipAesthetics
from clipcrop.cagic.captioner import TransformersCaptioner
from clipcrop.cagic.cropper import Cagic
from clipcrop.cagic.options import CagicOptions
from clipcrop.cagic.sampler import Crops, Pyramid
from clipcrop.imaging.images import load_image

CHECKOUT = Path(__file__).parents[2]
PHOTO = CHECKOUT / "clipcrop" / "samples" / "astronaut.jpg"
SIDE_PX = 96
WIDTHS = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
}
VISION = {**WIDTHS, "image_size": SIDE_PX, "patch_size": 16}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "woman", "suit", "rocket")


def save_blip(folder: Path) -> None:
    """A captioner with random weights, as published."""
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    text = {**WIDTHS, "vocab_size": 1000, "encoder_hidden_size": WIDTHS["hidden_size"]}
    ids = {"bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0}
    config = BlipConfig(text_config={**text, **ids, "is_decoder": True}, vision_config=VISION)
    BlipForConditionalGeneration(config).save_pretrained(folder)


def save_clip(folder: Path) -> Path:
    """A CLIP and an aesthetic head beside it, with random weights; gives the head."""
    text = {**WIDTHS, "vocab_size": 100, "bos_token_id": 1, "eos_token_id": 2}
    config = CLIPConfig(text_config=text, vision_config=VISION)
    CLIPModel(config).save_pretrained(folder)
    torch.save(nn.Linear(config.projection_dim, 1).state_dict(), folder / "head.pth")
    return folder / "head.pth"


def timed(task: Callable[[], object]) -> Timing:
    """One run of a task."""
    wall, processor = time.perf_counter(), time.process_time()
    task()
    return Timing(time.perf_counter() - wall, time.process_time() - processor)


def main() -> None:
    """Print a table, and write it as JSON where a file is named."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    options = CagicOptions()
    photo, prompt = load_image(PHOTO), "a woman"
    with tempfile.TemporaryDirectory() as kept:
        blip, clip = Path(kept, "blip"), Path(kept, "clip")
        blip.mkdir()
        clip.mkdir()
        save_blip(blip)
        cpu = torch.device("cpu")
        captioner = TransformersCaptioner.load(blip, cpu, "random")
        aesthetics = ClipAesthetics.load(save_clip(clip), clip, cpu)
    cagic = Cagic(captioner, aesthetics, options)
    caption_loss, looks = captioner.read(photo, prompt).loss, aesthetics.read(photo)
    pyramid = Pyramid.of_image(photo.rgb)
    boxes = torch.tensor([[0.1, 0.1, 0.9, 0.9]]).expand(options.restarts, 4)
    made = Crops(boxes, pyramid).pixels(SIDE_PX, SIDE_PX)

    def networks_alone() -> None:
        for _ in range(options.steps):
            pixels = made.clone().requires_grad_()
            crops = Crops(boxes, pyramid, {(SIDE_PX, SIDE_PX): pixels})
            loss = caption_loss(crops) - options.aesthetic_weight * looks(crops)
            loss.sum().backward()

    Cagic(captioner, aesthetics, CagicOptions(steps=3)).search(photo, prompt)  # warms up
    results = {
        "networks alone": timed(networks_alone),
        "CAGIC": timed(lambda: cagic.search(photo, prompt)),
    }
    alone = results["networks alone"].processor_s
    print(f"{options.restarts} restarts x {options.steps} steps, crops of {SIDE_PX} px")
    print("| what | processor s | wall s | of the networks alone |")
    print("|---|---|---|---|")
    for name, timing in results.items():
        share = timing.processor_s / alone
        print(f"| {name} | {timing.processor_s:.1f} | {timing.wall_s:.1f} | {share:.2f} |")
    if len(sys.argv) > 1:
        write_json(Path(sys.argv[1]), results)


if __name__ == "__main__":
    main()
