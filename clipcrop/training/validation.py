"""How good a decoder is while it is trained, and how its crops look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..datasets import Example
from ..decoder.network import Decoder
from ..decoder.tensor_boxes import cxcywh_to_xyxy, iou
from ..imaging.contact_sheet import PictureRow, cut_picture, marked_picture, write_pictures
from .processes import Processes
from .samples import Sample, ViewEncoder, collate, decode
from .token_store import TokenStore, rounded
from .views import photo_of, plain_view

MAX_SHOWN = 8
"""Photos on a page of crops."""

SHOWN_CROPS = 4
"""Crops of each."""

SHOWN_PX = 480
"""Longer side of a photo on the page."""

TARGET, FIRST = (255, 196, 0), (90, 220, 130)
"""Colours of the crop that is rated highest, and of the decoder's first."""

GOOD_OPINION = 4.0
"""A crop that people rated at least so high is a good one (the paper's 3.3)."""


@dataclass(frozen=True)
class Measures:
    """Means over the validation examples, of the crop with the highest quality."""

    val_iou: float
    """IoU with the crop that is rated highest, the first of several."""

    val_iou_good: float
    """IoU with the nearest crop that is rated 4 or more; with the highest, where none is."""


class Validation:
    """Examples that are looked at now and then, as they are: no mosaics, no augmentation."""

    def __init__(
        self,
        examples: Sequence[Example],
        encoder: ViewEncoder,
        side_px: int,
        store: TokenStore | None,
    ) -> None:
        self._examples = examples
        self._encoder = encoder
        self._side_px = side_px
        self._store = store

    def __len__(self) -> int:
        return len(self._examples)

    @torch.no_grad()
    def measure(self, decoder: Decoder, processes: Processes) -> Measures:
        """Judge a decoder; each process looks at its share."""
        sums = torch.zeros(3, dtype=torch.float64)
        for index in range(processes.rank, len(self), processes.world_size):
            sample = self._sample(index)
            crops_xyxy, _ = best_crops(decoder, sample, processes.device)
            targets_xyxy = cxcywh_to_xyxy(sample.crops_cxcywh).cpu()
            opinions = sample.opinions.cpu()
            is_good = opinions >= min(GOOD_OPINION, float(opinions.max()))
            overlaps = iou(crops_xyxy[:1], targets_xyxy)[0]
            best = overlaps[opinions.argmax()]
            sums += torch.stack([best, overlaps[is_good].max(), torch.ones(())]).double()
        best_sum, good_sum, count = processes.sum(sums).tolist()
        return Measures(best_sum / count, good_sum / count)

    @torch.no_grad()
    def draw(self, decoder: Decoder, device: torch.device, path: Path) -> None:
        """Write a page of some photos: the best crop and the decoder's first, then its crops."""
        count = min(MAX_SHOWN, len(self))
        shown = [index * len(self) // count for index in range(count)]
        write_pictures(shown, path, lambda index: self._row(index, decoder, device))

    def _row(self, index: int, decoder: Decoder, device: torch.device) -> PictureRow:
        example, sample = self._examples[index], self._sample(index)
        found = best_crops(decoder, sample, device)
        crops = [(_four(crop), float(one)) for crop, one in zip(*found, strict=True)][:SHOWN_CROPS]
        image = photo_of(example, SHOWN_PX).rgb
        target_xyxy = cxcywh_to_xyxy(sample.crops_cxcywh[sample.opinions.argmax()])
        marked = marked_picture(image, [(_four(target_xyxy), TARGET), (crops[0][0], FIRST)])
        cut = [
            (cut_picture(image, crop_xyxy), f"{number}.  {quality:.2f}")
            for number, (crop_xyxy, quality) in enumerate(crops, start=1)
        ]
        title = f"{example.photo.name}: {example.text or 'no text'}"
        return PictureRow(title, [(marked, "best, and first"), *cut])

    def _sample(self, index: int) -> Sample:
        kept = self._store.read(index, "plain") if self._store else None
        if kept is not None:
            return kept
        view = plain_view(self._examples[index], self._side_px)
        [sample] = self._encoder.encode([view])
        if self._store is None:
            return sample
        self._store.write(index, "plain", sample)
        return rounded(sample)


def best_crops(decoder: Decoder, sample: Sample, device: torch.device) -> tuple[Tensor, Tensor]:
    """[M, 4] all crops of a sample, xyxy, best first, and [M] their quality; on the CPU."""
    output = decode(decoder, collate([sample]).to(device))
    order = output.quality[0].argsort(descending=True, stable=True)
    crops_xyxy = cxcywh_to_xyxy(output.boxes_cxcywh[0, order])
    return crops_xyxy.cpu(), output.quality[0, order].cpu()


def _four(box_xyxy: Tensor) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box_xyxy.tolist()
    return x0, y0, x1, y1
