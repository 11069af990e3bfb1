"""The table of docs/methods.md: python tests/benchmarks/methods.py DATA --output DIR [--docs DIR]

Runs `clipcrop evaluate methods`, on one processor thread, over the photos of DATA that nothing was
trained on, and over the sample photos for the page of pictures. With ``--docs`` the measured part
of ``methods.md`` there is replaced, and ``methods.jpg``. A run that was cut goes on where it was;
its times are those of a quiet machine only if the machine was quiet.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

CHECKOUT = Path(__file__).parents[2]
SAMPLES = CHECKOUT / "clipcrop" / "samples"
QUERIES, PHOTOS = "grounding_holdout.jsonl", "photos/coco_captioned_holdout"

SHOWN = "centre,smartcrop,tower,cascade,cagic,suggest"
"""Methods on the page of pictures; the decoder's is added where there is one."""

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PAGE_WIDTH_PX, PAGE_QUALITY = 1200, 75


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help=f"folder with {QUERIES} and {PHOTOS}")
    parser.add_argument("--decoder", metavar="[NAME=]FOLDER", help="one that learns.py trained")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--docs", type=Path, help="folder of methods.md")
    options = parser.parse_args()
    about = (
        f"On one thread of {processor()}, Python {platform.python_version()}; of "
        f"{os.cpu_count()} processors {os.getloadavg()[0]:.1f} were busy before."
    )
    decoder = [f"--decoder={options.decoder}"] if options.decoder else []
    measured, shown = options.output / "hold-out", options.output / "samples"
    evaluate(options.data / QUERIES, options.data / PHOTOS, measured, [*decoder, "--pictures=5"])
    methods = f"{SHOWN},clipcrop" if decoder else SHOWN
    evaluate(SAMPLES / "queries.jsonl", SAMPLES, shown, [*decoder, f"--methods={methods}"])
    if options.docs:
        write_docs(options.docs, measured, shown, about)
    return 0


def evaluate(queries: Path, images: Path, output: Path, more: list[str]) -> None:
    """`clipcrop evaluate methods` with the lite encoder on one thread; ends where it fails."""
    given = [str(queries), "--images", str(images), "--output", str(output), *more]
    command = [sys.executable, "-m", "clipcrop.cli", "evaluate", "methods", *given]
    encoder = ["--model", "lite", "--device", "cpu"]
    if subprocess.run([*command, *encoder], env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode:
        sys.exit(f"clipcrop evaluate methods did not end well; its results, if any: {output}")


def write_docs(docs: Path, measured: Path, shown: Path, about: str) -> None:
    """Replace what is measured in the page, and its picture."""
    tables = (measured / "results.md").read_text(encoding="utf-8")
    tables = tables[tables.index("\n## ") :].strip().replace("## grounding_holdout", "### Hold-out")
    page = docs / "methods.md"
    text = page.read_text(encoding="utf-8")
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    page.write_text(f"{text[:start]}\n\n{about}\n\n{tables}\n\n{text[end:]}", encoding="utf-8")
    with Image.open(shown / "pictures.jpg") as pictures:
        height_px = round(pictures.height * PAGE_WIDTH_PX / pictures.width)
        smaller = pictures.resize((PAGE_WIDTH_PX, height_px), Image.Resampling.LANCZOS)
        smaller.save(docs / "methods.jpg", quality=PAGE_QUALITY)


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        told = ""
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
