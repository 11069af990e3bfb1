"""How much memory a photo takes, as a multiple of its decoded size; on Linux.

    python tests/benchmarks/image_memory.py [--megapixels 24] [--kind png]

Each measurement runs in a process of its own: a photo of noise is read for the model, or a crop of
nearly all of it is written. Printed is the growth of the peak of resident memory over what the
imports take, divided by width x height x channels x bytes of the decoded photo.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

MEASURE = """
import json, sys
from pathlib import Path
from PIL import Image
import clipcrop.imaging.crop_files, clipcrop.imaging.deep_images, clipcrop.imaging.images
path, what, warm = sys.argv[1:]

def run(name):
    loaded = clipcrop.imaging.images.load_image(name)
    if what == "crop":
        box = (1, 1, loaded.width_px - 1, loaded.height_px - 1)
        crop = Path(name).with_name("crop")
        clipcrop.imaging.crop_files.write_crops(name, [box], [crop], overwrite=True)

def resident_kb(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

run(warm)
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = resident_kb("VmRSS")
run(path)
print(json.dumps((resident_kb("VmHWM") - before) * 1024))
"""


def photo(side_px: int, kind: str, path: Path) -> int:
    """Write a photo of noise; returns its decoded size in bytes."""
    random = np.random.default_rng(1)
    small = random.integers(0, 256, (side_px // 8, side_px // 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((side_px, side_px))
    if kind.endswith("16"):
        import pyvips

        deep = pyvips.Image.new_from_array(np.asarray(image)).cast("ushort") << 8
        deep = deep.copy(interpretation="rgb16")
        if path.suffix == ".png":
            deep.pngsave(str(path), compression=1)
        else:
            deep.tiffsave(str(path))
        return side_px * side_px * 6
    if kind == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6 if "turned" in kind else 1
    saved = {"compress_level": 1} if path.suffix == ".png" else {"quality": 90}
    image.save(path, exif=exif, progressive="progressive" in kind, **saved)
    return side_px * side_px * 3


KINDS = {
    "jpeg": ".jpg",
    "jpeg progressive": ".jpg",
    "jpeg turned": ".jpg",
    "png": ".png",
    "png 16": ".png",
    "tiff": ".tif",
    "tiff 16": ".tif",
    "webp": ".webp",
    "heic": ".heic",
    "avif": ".avif",
}


def main() -> int:
    """Print a line for each kind; 1 if one takes more than three times its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--kind", choices=KINDS, action="append")
    options = parser.parse_args()
    side_px = int((options.megapixels * 1e6) ** 0.5)
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.kind or KINDS:
            suffix = KINDS[kind]
            path, warm = Path(folder) / f"photo{suffix}", Path(folder) / f"warm{suffix}"
            photo(64, kind, warm)
            size = photo(side_px, kind, path)
            ratios = []
            for what in ("read", "crop"):
                command = [sys.executable, "-c", MEASURE, str(path), what, str(warm)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                ratios.append(json.loads(done.stdout) / size)
            worst = max(worst, *ratios)
            print(f"{kind:18} {size / 1e6:6.0f} MB  read {ratios[0]:.2f}  crop {ratios[1]:.2f}")
            path.unlink()
    print(f"at most {worst:.2f} times the decoded size")
    return int(worst > 3)


if __name__ == "__main__":
    sys.exit(main())
