"""One training step of the paper's configuration: its memory and its time.

    python tests/benchmarks/bench_training_step.py [--device cuda] [--batch 32] [--rounds 3]

The encoder is of OWL-ViT base/32's size with random weights, looks at 768 px, and is frozen, or
fine-tuned along with the decoder. A step is: encode the photos, select tokens, decode, match,
compare, go back, AdamW. Photos are noise that is in memory already; reading and augmenting real
ones is other processes' work. The batch is the paper's 32 on a GPU and 2 elsewhere unless told.

"Needs" is what a step should take, computed before it is run:

state    weights, and for what is trained its gradients and AdamW's two averages
kept     what a forward pass keeps for the way back, of each image: from batches of 1 and of 2
passing  the widest layer's values while it is computed

"Took" is the most that was allocated (CUDA), or by how much the process grew (Linux). Each encoder
is measured in a process of its own. On a busy machine the processor's time is the one to trust.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from bench_owlvit import write_random_model
from PIL import Image
from timing import Timing, measure, medians, write_json
from torch import Tensor

from clipcrop.decoder.conditioning import condition, decode
from clipcrop.decoder.network import Decoder, DecoderConfig
from clipcrop.decoder.tensor_boxes import xyxy_to_cxcywh
from clipcrop.device import choose_device
from clipcrop.encoders.owlvit import OwlVitEncoder
from clipcrop.training.criterion import Criterion, CropTargets
from clipcrop.weights.checkpoint import find_checkpoint

SIDE_PX = 768
TEXTS = 3  # the whole prompt and two keywords
RATED_CROPS = 90  # of a photo of GAIC
ENCODERS = ("frozen", "fine-tuned")
GIB = 2**30


@dataclass(frozen=True)
class Task:
    """What one process is to measure."""

    folder: Path
    encoder: str
    device: str
    batch: int
    rounds: int
    threads: int
    is_bfloat16: bool


@dataclass(frozen=True)
class Result:
    """Of one encoder, in bytes and seconds."""

    encoder: str
    state: int
    kept: int
    passing: int
    took: int
    timings: list[Timing]

    @property
    def needs(self) -> int:
        """What the step should take."""
        return self.state + self.kept + self.passing


class Step:
    """The networks, and a training step."""

    def __init__(self, task: Task) -> None:
        torch.manual_seed(0)
        self.device = torch.device(task.device)
        self.dtype = torch.bfloat16 if task.is_bfloat16 else None
        checkpoint = find_checkpoint(task.folder)
        self.encoder = OwlVitEncoder.load(checkpoint, self.device)
        # On CUDA its own default is bfloat16; here float32 unless asked for.
        self.encoder._autocast_dtype = self.dtype
        self.decoder = Decoder(DecoderConfig()).to(self.device)
        self.criterion = Criterion()
        self.trained = list(self.decoder.parameters())
        if task.encoder == "fine-tuned":
            self.trained += self.encoder.begin_training().parameters()
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4)
        self.texts = torch.nn.functional.normalize(torch.randn(task.batch, TEXTS, 512), dim=-1)
        self.texts = self.texts.to(self.device)
        self.images = noise(task.batch)
        self.targets = [rated_crops().to(self.device) for _ in range(task.batch)]

    def loss(self, batch: int) -> Tensor:
        """The way there, for the first images."""
        tokens = self.encoder.encode_tensors(self.images[:batch])
        selection = condition(tokens, self.texts[:batch])
        enabled = self.dtype is not None
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=enabled):
            output = decode(self.decoder, tokens, selection)
        return self.criterion(output, self.targets[:batch])["total"]

    def run(self, batch: int) -> None:
        """There and back."""
        self.loss(batch).backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def weights(self) -> list[Tensor]:
        """Of both networks."""
        return [*self.encoder._model.parameters(), *self.decoder.parameters()]

    def kept_bytes(self, batch: int) -> int:
        """What the way there keeps for the way back, weights not counted."""
        weights = {one.untyped_storage().data_ptr() for one in self.weights()}
        kept: dict[int, tuple[int, Tensor]] = {}

        def note(value: Tensor) -> Tensor:
            # Without its history, or the two would hold on to each other for ever.
            value = value.detach()
            storage = value.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = (storage.nbytes(), value)
            return value

        with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
            loss = self.loss(batch)
        del loss
        return sum(num_bytes for num_bytes, _ in kept.values())

    def passing_bytes(self, batch: int) -> int:
        """The widest layer: the encoder's MLP, its values before and after the activation."""
        vision = self.encoder._model.config.vision_config
        tokens = (vision.image_size // vision.patch_size) ** 2 + 1
        return 4 * batch * tokens * (3 * vision.intermediate_size + 2 * vision.hidden_size)


def noise(count: int) -> list[Image.Image]:
    """Photos that look like nothing."""
    generator = np.random.default_rng(0)
    shape = (SIDE_PX, SIDE_PX, 3)
    return [
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count)
    ]


def rated_crops() -> CropTargets:
    """Random crops with random ratings."""
    low = torch.rand(RATED_CROPS, 2) * 0.5
    high = low + 0.1 + torch.rand(RATED_CROPS, 2) * 0.4
    return CropTargets(
        xyxy_to_cxcywh(torch.cat([low, high], dim=1)), 1 + 4 * torch.rand(RATED_CROPS)
    )


def measure_encoder(task: Task) -> Result:
    """One encoder, in a process of its own."""
    torch.set_num_threads(task.threads)
    step = Step(task)
    weights = _bytes(step.weights())
    for part in step.weights():
        part.sum()  # a file of weights takes memory only once it is read
    before = _memory(task.device) - weights
    one, two = step.kept_bytes(1), step.kept_bytes(2)
    _forget_peak(task.device)
    timings = measure({"step": lambda: step.run(task.batch)}, task.rounds)["step"]
    return Result(
        encoder=task.encoder,
        state=weights + 3 * _bytes(step.trained),
        kept=one + (two - one) * (task.batch - 1),
        passing=step.passing_bytes(task.batch),
        took=_memory(task.device, at_most=True) - before,
        timings=timings,
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(one.numel() * one.element_size() for one in tensors)


def _memory(device: str, *, at_most: bool = False) -> int:
    """Bytes in use, or the most there have been since `_forget_peak`."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() if at_most else torch.cuda.memory_allocated()
    field = "VmHWM" if at_most else "VmRSS"
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this benchmark measures memory on Linux or on a CUDA device only")


def _forget_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def show(results: Sequence[Result], batch: int) -> None:
    """Print a table."""
    names = ("state", "kept", "passing", "needs", "took")
    header = "".join(f"{name:>9}" for name in names)
    print(f"{'GiB':12}{header}{'wall s':>9}{'cpu s':>9}{'images/s':>10}")
    for one in results:
        values = (one.state, one.kept, one.passing, one.needs, one.took)
        row = "".join(f"{value / GIB:9.2f}" for value in values)
        fits = "fits" if one.took <= one.needs else "DOES NOT FIT"
        wall_s, cpu_s = medians(one.timings)
        print(f"{one.encoder:12}{row}{wall_s:9.2f}{cpu_s:9.2f}{batch / wall_s:10.2f}  {fits}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, help="the paper's 32 on a GPU, else 2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--encoder", choices=ENCODERS, action="append", help="both by default")
    parser.add_argument("--bfloat16", action="store_true", help="mixed precision")
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    options = parser.parse_args()
    device = str(choose_device(options.device))
    batch = options.batch or (32 if device.startswith("cuda") else 2)

    # Read when a process starts: freed memory goes back at once, or it would count as taken.
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(2**20)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        write_random_model(Path(folder))
        for encoder in options.encoder or ENCODERS:
            task = Task(
                folder=Path(folder),
                encoder=encoder,
                device=device,
                batch=batch,
                rounds=options.rounds,
                threads=options.threads,
                is_bfloat16=options.bfloat16,
            )
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                results.append(pool.submit(measure_encoder, task).result())

    name = torch.cuda.get_device_name() if device.startswith("cuda") else device
    precision = "bfloat16" if options.bfloat16 else "float32"
    print(f"{name}, {options.threads} thread(s), batch {batch}, {SIDE_PX} px, {precision}")
    show(results, batch)
    if options.json:
        write_json(options.json, [vars(one) | {"batch": batch} for one in results])


if __name__ == "__main__":
    main()
