"""Time the whole way from a photo to suggestions with the lite encoder.

    python tests/benchmarks/bench_lite.py [PHOTO.jpg] [--threads 1] [--rounds 15] [--json FILE]

The photo is scaled to 1024 px on its long side. The reference of the ratios is the network
alone, in ONNX Runtime on the same pixels in the same run: what is left to what surrounds it.
The wall times are what a user waits; on a busy machine trust the processor times.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path

from timing import measure, medians, write_json

from clipcrop import Predictor
from clipcrop.encoders.lite_graph import LiteGraph
from clipcrop.encoders.lite_pixels import letterbox
from clipcrop.imaging.images import load_image
from clipcrop.weights.registry import EMBEDDED_LITE

SAMPLE = Path(__file__).parents[2] / "clipcrop" / "samples" / "coffee.jpg"
LONG_SIDE_PX = 1024
PROMPTS = ("a cup of coffee", "the spoon beside the cup", "two cups without the spoon", "a saucer")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("photo", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the numbers there, too")
    options = parser.parse_args()
    original = load_image(options.photo).rgb
    scale = LONG_SIDE_PX / max(original.size)
    resized = original.resize((round(original.width * scale), round(original.height * scale)))

    predictor = Predictor.load("lite", "cpu", threads=options.threads)
    graph = LiteGraph.load(EMBEDDED_LITE, options.threads)
    pixels = letterbox(resized).pixels
    encoded = predictor.encode(resized)
    prompts = itertools.cycle(PROMPTS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        resized.save(path, quality=92)
        timings = measure(
            {
                "network alone": lambda: graph.run(pixels),
                "read the file": lambda: load_image(path),
                "encode": lambda: predictor.encode(resized),
                "a further prompt": lambda: predictor.suggest(encoded, next(prompts)),
                "encode and suggest": lambda: predictor.suggest(
                    predictor.encode(resized), next(prompts)
                ),
            },
            options.rounds,
        )

    print(f"{options.photo.name} at {resized.width} x {resized.height} px, ", end="")
    print(f"{options.threads} thread(s), {options.rounds} rounds, medians\n")
    print("| what | wall ms | least | most | processor ms | of the network alone |")
    print("|---|---|---|---|---|---|")
    reference = medians(timings["network alone"]).processor_s
    for name, measured in timings.items():
        median = medians(measured)
        walls = [timing.wall_s for timing in measured]
        shown = " | ".join(f"{1e3 * s:.1f}" for s in (median.wall_s, min(walls), max(walls)))
        processor = f"{1e3 * median.processor_s:.1f} | {median.processor_s / reference:.2f}"
        print(f"| {name} | {shown} | {processor} |")
    if options.json:
        write_json(options.json, timings)


if __name__ == "__main__":
    main()
