"""The photos that are looked at while training: not trained on, not the hold-out either."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...decoder.tensor_boxes import area, cxcywh_to_xyxy, iou
from ...encoders.lite_pixels import cell_grid, letterbox
from .network import LiteNetwork, decode_boxes
from .photos import dev_photos

_LARGE = 0.05  # share of the photo from which an object counts as large


class DevPhotos:
    """Pointing and IoU of the best box for each class named in each photo."""

    def __init__(self, data: Path, coco_names: list[str]) -> None:
        lines = (data / "boxes_train.jsonl").read_text().splitlines()
        truth = {line["image"]: line["boxes"] for line in map(json.loads, lines)}
        self._photos = [
            (data / "photos" / name, truth[name]) for name in dev_photos(data / "boxes_train.jsonl")
        ]
        self._coco_names = coco_names

    @torch.no_grad()
    def measure(self, network: LiteNetwork) -> dict[str, float]:
        """Means over person queries and over other classes of at least 5 % of the photo."""
        results: dict[str, list[tuple[float, float]]] = {"person": [], "large": [], "small": []}
        for path, boxes in self._photos:
            with Image.open(path) as image:
                view = letterbox(image.convert("RGB"))
            output, _ = network.detect(network.trunk(torch.from_numpy(view.pixels)))
            corners, strides = map(torch.from_numpy, cell_grid(*view.pixels.shape[2:]))
            predicted_px = cxcywh_to_xyxy(decode_boxes(output.boxes[0], corners, strides))
            predicted = predicted_px / torch.tensor([view.width_px, view.height_px] * 2)
            scores = output.objectness[0].sigmoid()[:, None] * output.classes[0].sigmoid()
            for name in {box[0] for box in boxes}:
                true = torch.tensor([box[1:] for box in boxes if box[0] == name])
                best = predicted[scores[:, self._coco_names.index(name)].argmax()].clamp(0, 1)
                large = float(area(true).max()) >= _LARGE
                group = "person" if name == "person" else "large" if large else "small"
                results[group].append((_points_at(best, true), float(iou(best[None], true).max())))
        return {
            f"{group}_{what}": round(float(np.mean([pair[i] for pair in pairs])), 3)
            for group, pairs in results.items()
            for i, what in enumerate(("pointing", "iou"))
        }


def _points_at(best_xyxy: Tensor, true_xyxy: Tensor) -> float:
    centre = (best_xyxy[:2] + best_xyxy[2:]) / 2
    inside = (true_xyxy[:, :2] <= centre) & (centre <= true_xyxy[:, 2:])
    return float(inside.all(dim=1).any())
