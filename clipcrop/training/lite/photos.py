"""The pool of photos that views are made from."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import InputError

FOLDERS = ("coco", "coco_captioned", "flickr8k", "imagenet", "varied")
"""Folders below ``photos`` that may be trained on; no hold-out is among them."""

DEV_EVERY = 6
"""Every sixth photo with true boxes is kept out of training, to look at while training."""

_LONG_SIDE_PX = 512
_SURE = 0.4  # the teacher's score from which a pseudo box counts as seen
_COCO_SHARE = 0.35  # of all draws: photos with many objects in their natural places


@dataclass(frozen=True)
class PhotoPool:
    """Photos in memory, with the probability of drawing each."""

    names: tuple[str, ...]
    """Folder and file name, in a fixed order."""

    pixels: tuple[NDArray[np.uint8], ...]
    """[H, W, 3] RGB, long side at most 512 px."""

    weights: NDArray[np.float64]
    """[P] probability of each photo; they sum to 1."""


def dev_photos(boxes_file: Path) -> list[str]:
    """The photos with true boxes that are never trained on."""
    names = sorted(json.loads(line)["image"] for line in boxes_file.read_text().splitlines())
    return names[::DEV_EVERY]


def load_pool(data: Path) -> PhotoPool:
    """Read every photo that may be trained on.

    Args:
        data: The folder with ``photos``, ``boxes_train.jsonl`` and ``pseudo_boxes.json``.
    """
    for needed in ("photos", "boxes_train.jsonl", "pseudo_boxes.json"):
        if not (data / needed).exists():
            raise InputError(f"no {needed} in {data}; name the folder that holds the training data")
    held_out = set(dev_photos(data / "boxes_train.jsonl"))
    files = [
        path
        for folder in FOLDERS
        for path in sorted((data / "photos" / folder).glob("*.jpg"))
        if f"{folder}/{path.name}" not in held_out
    ]
    names = tuple(f"{path.parent.name}/{path.name}" for path in files)
    pixels = []
    for path in files:
        with Image.open(path) as image:
            image.draft("RGB", (_LONG_SIDE_PX, _LONG_SIDE_PX))
            rgb = image.convert("RGB")
        rgb.thumbnail((_LONG_SIDE_PX, _LONG_SIDE_PX))
        pixels.append(np.asarray(rgb))
    pseudo = json.loads((data / "pseudo_boxes.json").read_text())
    return PhotoPool(names, tuple(pixels), _draw_weights(names, pseudo))


def _draw_weights(
    names: tuple[str, ...], pseudo_boxes: dict[str, list[list[object]]]
) -> NDArray[np.float64]:
    """Photos with rare classes are drawn more often; COCO's have a fixed share of all."""
    classes = [
        {box[0] for box in pseudo_boxes.get(name, ()) if float(box[1]) >= _SURE}  # type: ignore[arg-type]
        for name in names
    ]
    counts = Counter(name for seen in classes for name in seen)
    rarity = np.array(
        [max((counts[name] ** -0.5 for name in seen), default=0.05) for seen in classes]
    )
    is_coco = np.array([name.startswith("coco") for name in names])
    weights: NDArray[np.float64] = np.where(
        is_coco,
        _COCO_SHARE * rarity / rarity[is_coco].sum(),
        (1 - _COCO_SHARE) * rarity / rarity[~is_coco].sum(),
    )
    weights /= weights.sum()
    return weights
