"""How good a decoder is while it is trained, and how its crops look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..boxes import cxcywh_to_xyxy, iou
from ..contact_sheet import Row, write_contact_sheet
from ..data import Example
from ..decoder import Decoder
from ..suggestions import Detection, Suggestion, Suggestions
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
    def draw(self, decoder: Decoder, device: torch.device, path: Path, tower: str) -> None:
        """Write a page with some of the photos and their best crops; the targets are drawn in."""
        count = min(MAX_SHOWN, len(self))
        shown = [index * len(self) // count for index in range(count)]
        write_contact_sheet([self._row(index, decoder, device, tower) for index in shown], path)

    def _row(self, index: int, decoder: Decoder, device: torch.device, tower: str) -> Row:
        example = self._examples[index]
        sample = self._sample(index)
        crops_xyxy, quality = best_crops(decoder, sample, device)
        image = photo_of(example, SHOWN_PX).rgb
        target = cxcywh_to_xyxy(sample.crops_cxcywh[sample.opinions.argmax()]).cpu()
        return Row(
            f"{example.photo.name}: {example.text or 'no text'}",
            image,
            Suggestions(
                model=tower,
                kind="match",
                is_well_framed=False,
                matched=(Detection("target", 1.0, _four(target)),),
                dropped=(),
                excluded=(),
                crops=tuple(
                    Suggestion(_four(crop), _pixels(crop, image.size), float(one))
                    for crop, one in zip(
                        crops_xyxy[:SHOWN_CROPS], quality[:SHOWN_CROPS], strict=True
                    )
                ),
                seconds=0.0,
            ),
        )

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


def _pixels(box_xyxy: Tensor, size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (box_xyxy * torch.tensor([*size_px, *size_px])).round().int().tolist()
    return x0, y0, x1, y1
