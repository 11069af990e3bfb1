"""Small data sets in the layouts that the real ones are published in; the photos are made."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

SIZE_PX = (200, 100)
"""Width and height of every photo."""

GAICD_LINES = "10 20 90 180 4.25\n0   0  100 200   2.0\n10 20 50 60 -2\n"
"""As published: top, left, bottom, right, score; blanks vary, and -2 is a crop without a score."""


def write_photo(path: Path, size_px: tuple[int, int] = SIZE_PX, colour: str = "grey") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_px, colour).save(path)
    return path


def write_gaicd(folder: Path, lines: dict[str, str] | None = None, *, journal: bool = True) -> Path:
    """GAICD with a photo for each name, "train/a" for one; both versions' layouts."""
    for name, text in (lines or {"train/a": GAICD_LINES, "test/b": GAICD_LINES}).items():
        split, _, stem = name.partition("/")
        write_photo(folder / "images" / split / f"{stem}.jpg")
        annotations = folder / "annotations" / (split if journal else "")
        annotations.mkdir(parents=True, exist_ok=True)
        (annotations / f"{stem}.txt").write_text(text, encoding="utf-8")
    return folder


def write_fcdb(folder: Path, crops_xywh: dict[str, list[int]], split: str = "testing") -> Path:
    """FCDB: name of a photo -> x, y, width, height of its crop."""
    entries = [
        {
            "url": f"https://farm8.staticflickr.com/7218/{name}",
            "flickr_photo_id": number,
            "crop": crop,
        }
        for number, (name, crop) in enumerate(crops_xywh.items())
    ]
    for name in crops_xywh:
        write_photo(folder / "data" / name)
    path = folder / f"cropping_{split}_set.json"
    path.write_text(json.dumps(entries, indent=4), encoding="utf-8")
    return folder


def write_flms(folder: Path, crops_yxyx: dict[str, list[list[int]]]) -> Path:
    """FLMS: name of a photo -> rows of top, left, bottom, right; MATLAB's file, as scipy has it."""
    import numpy as np
    from scipy.io import savemat

    table = np.empty((len(crops_yxyx), 1), dtype=[("filename", object), ("bbox", object)])
    for row, (name, crops) in enumerate(crops_yxyx.items()):
        write_photo(folder / "image" / name)
        table[row, 0] = (name, np.array(crops, dtype=np.float64))
    savemat(folder / "500_image_dataset.mat", {"img_gt": table})
    return folder


def write_labelme(
    path: Path,
    image: str,
    shapes: list[tuple[str, list[list[float]]]],
    changed: dict[str, object] | None = None,
) -> Path:
    """One file of labelme: label and two corners of each rectangle."""
    record = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [
            {
                "label": label,
                "points": points,
                "group_id": None,
                "description": "",
                "shape_type": "rectangle",
                "flags": {},
                "mask": None,
            }
            for label, points in shapes
        ],
        "imagePath": image,
        "imageData": None,
        "imageHeight": SIZE_PX[1],
        "imageWidth": SIZE_PX[0],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**record, **(changed or {})}, indent=2), encoding="utf-8")
    return path
