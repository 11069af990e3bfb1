"""What the decoder is told about its crops: L1 and GIoU where they should be, and their quality.

Section 3.3 and Appendix B, which follow Jia et al.: predictions are matched with the crops that
people rated high; matched ones are drawn to them; every prediction's quality is compared, by smooth
L1, with a label. The label is the rating of a crop that the prediction overlaps by IoU >= .9, as
people hardly see so small a difference.

Each image's losses are means over that image, and a batch's are means over its images. So a batch
gives what its images give one by one, and so do gradients that are accumulated or averaged over
processes.

Axes beside those of `clipcrop.encoders.base`: T, rated crops of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from ..boxes import cxcywh_to_xyxy, generalised_iou, iou
from ..decoder import DecoderOutput
from .matcher import MatchCosts, match


class CropTargets(NamedTuple):
    """The rated crops of one image, the low ones too."""

    boxes_cxcywh: Tensor
    """[T, 4] normalised to the image."""

    opinions: Tensor
    """[T] mean opinion scores, 1 to 5."""

    def to(self, device: torch.device) -> CropTargets:
        """The same on another device."""
        return CropTargets(self.boxes_cxcywh.to(device), self.opinions.to(device))


@dataclass(frozen=True, kw_only=True)
class CriterionConfig:
    """Weights and labels; what the paper gives, and our readings of what it leaves open."""

    l1_weight: float = 5.0
    """Of the boxes' L1 loss; the paper gives no weights, so they are DETR's."""

    giou_weight: float = 2.0
    """Of the boxes' GIoU loss; DETR's."""

    quality_weight: float = 1.0
    """Of the quality loss; that of DETR's class loss, in whose place it stands."""

    min_matched_opinion: float = 4.0
    """Crops rated at least so high are matched (section 3.3). An image without any teaches quality
    alone."""

    label_iou: float = 0.9
    """A prediction that overlaps a rated crop by so much has its rating as label (section 3.3); of
    several the one that it overlaps most."""

    label_matched: bool = True
    """A matched prediction that overlaps no rated crop enough has the rating of the crop that it is
    drawn to as label: that is where it will be."""

    unlabelled_weight: float = 0.1
    """All other predictions are labelled 0 with this weight, that of DETR's "no object": without it
    nothing would lower the quality of a crop that is like none that people saw. 0 leaves them
    out."""

    lowest_opinion: float = 1.0
    """The rating that is mapped to quality 0; "directly map the quality score to 0~1" (Appendix
    B)."""

    highest_opinion: float = 5.0
    """The rating that is mapped to quality 1."""

    smooth_l1_beta: float = 1.0
    """Where smooth L1 turns from a square to a line; PyTorch's default. Differences of quality are
    below 1, so it is half the square."""

    costs: MatchCosts = field(default_factory=MatchCosts)
    """What matching minimises."""

    def __post_init__(self) -> None:
        """Refuse what would teach nothing, or the opposite."""
        for name in ("l1_weight", "giou_weight", "quality_weight", "unlabelled_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not 0 < self.label_iou <= 1:
            raise ValueError(f"label_iou must be above 0 and at most 1, got {self.label_iou}")
        if self.highest_opinion <= self.lowest_opinion:
            raise ValueError(
                f"highest_opinion must be above lowest_opinion, got {self.highest_opinion} and "
                f"{self.lowest_opinion}"
            )
        if self.smooth_l1_beta <= 0:
            raise ValueError(f"smooth_l1_beta must be above 0, got {self.smooth_l1_beta}")


class Criterion(nn.Module):
    """The decoder's output and the rated crops -> losses by name."""

    def __init__(self, config: CriterionConfig | None = None) -> None:
        super().__init__()
        self.config = config or CriterionConfig()

    def forward(self, output: DecoderOutput, targets: Sequence[CropTargets]) -> dict[str, Tensor]:
        """Compare a batch's predictions with its targets.

        Args:
            output: For B images.
            targets: B of them, on the output's device.

        Returns:
            Scalars: ``total``, which is to be minimised, over all layers; ``l1``, ``giou`` and
            ``quality`` of the last layer, before their weights.

        Raises:
            ValueError: Not as many targets as images.
        """
        if len(targets) != len(output.scores):
            raise ValueError(f"{len(targets)} targets for {len(output.scores)} images")
        last = self._losses(output, targets)
        total = self._weighted(last)
        for layer in output.layers:
            total = total + self._weighted(self._losses(layer, targets))
        return {"total": total, **last}

    def _losses(self, output: DecoderOutput, targets: Sequence[CropTargets]) -> dict[str, Tensor]:
        per_image = [
            self._image_losses(boxes, scores, target)
            for boxes, scores, target in zip(
                output.boxes_cxcywh.float(), output.scores.float(), targets, strict=True
            )
        ]
        names = ("l1", "giou", "quality")
        means = torch.stack([torch.stack(losses) for losses in per_image]).mean(dim=0)
        return dict(zip(names, means.unbind(), strict=True))

    def _image_losses(
        self, boxes_cxcywh: Tensor, scores: Tensor, target: CropTargets
    ) -> tuple[Tensor, Tensor, Tensor]:
        """[M, 4], [M] -> L1, GIoU and quality loss of one image."""
        is_high = target.opinions >= self.config.min_matched_opinion
        high = is_high.nonzero()[:, 0]
        quality = scores.sigmoid()
        predictions, matched = match(
            boxes_cxcywh.detach(), quality.detach(), target.boxes_cxcywh[high], self.config.costs
        )
        matched = high[matched]
        labels, weights = self.quality_labels(boxes_cxcywh, target, predictions, matched)
        differences = smooth_l1_loss(
            quality, labels, reduction="none", beta=self.config.smooth_l1_beta
        )
        quality_loss = (differences * weights).sum() / weights.sum().clamp(min=1e-6)

        ours, theirs = boxes_cxcywh[predictions], target.boxes_cxcywh[matched].float()
        count = max(1, len(matched))
        l1_loss = (ours - theirs).abs().sum() / count
        overlaps = generalised_iou(cxcywh_to_xyxy(ours), cxcywh_to_xyxy(theirs))
        giou_loss = (1 - overlaps).sum() / count
        return l1_loss, giou_loss, quality_loss

    @torch.no_grad()
    def quality_labels(
        self, boxes_cxcywh: Tensor, target: CropTargets, predictions: Tensor, matched: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What quality the predictions of an image should have.

        Args:
            boxes_cxcywh: [M, 4] predicted crops.
            target: The rated crops.
            predictions: Indices of the matched predictions,
            matched: and of their rated crops.

        Returns:
            [M] labels, 0 to 1, and [M] their weights.
        """
        labels = boxes_cxcywh.new_zeros(len(boxes_cxcywh))
        weights = torch.full_like(labels, self.config.unlabelled_weight)
        if not len(target.opinions):
            return labels, weights
        lowest, highest = self.config.lowest_opinion, self.config.highest_opinion
        wanted = ((target.opinions.to(labels) - lowest) / (highest - lowest)).clamp(0, 1)
        if self.config.label_matched:
            labels[predictions] = wanted[matched]
            weights[predictions] = 1.0
        overlaps = iou(cxcywh_to_xyxy(boxes_cxcywh), cxcywh_to_xyxy(target.boxes_cxcywh).to(labels))
        nearest = overlaps.max(dim=1)
        is_same = nearest.values >= self.config.label_iou
        labels = torch.where(is_same, wanted[nearest.indices], labels)
        return labels, torch.where(is_same, 1.0, weights)

    def _weighted(self, losses: dict[str, Tensor]) -> Tensor:
        return (
            self.config.l1_weight * losses["l1"]
            + self.config.giou_weight * losses["giou"]
            + self.config.quality_weight * losses["quality"]
        )
