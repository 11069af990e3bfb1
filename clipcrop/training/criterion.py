"""What the decoder is told about its crops: L1 and GIoU where they should be, and their quality.

Section 3.3 and Appendix B, which follow Jia et al.: predictions are matched with the crops that
people rated high; matched ones are drawn to them; every prediction's quality is compared, by smooth
L1, with a label. The label is the rating of a crop that the prediction overlaps by IoU >= .9, as
people hardly see so small a difference. A matched prediction that overlaps none so far has the
rating of the crop that it is drawn to: that is where it will be. Ratings of 1 to 5 are mapped to 0
to 1 ("directly map the quality score to 0~1", Appendix B).

Each image's losses are means over that image, and a batch's are means over its images. So a batch
gives what its images give one by one, and so do gradients that are accumulated or averaged over
processes.

Axes beside those of `clipcrop.encoders.base`: T, rated crops of an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss
from torch.nn.utils.rnn import pad_sequence

from ..decoder.network import DecoderOutput
from ..decoder.tensor_boxes import cxcywh_to_xyxy, generalised_iou, iou_of_pairs
from .matcher import GIOU_COST, L1_COST, QUALITY_COST, match, solver

LOWEST_OPINION, HIGHEST_OPINION = 1.0, 5.0
"""Mean opinion scores of quality 0 and 1."""

FORMER_READINGS = {
    "label_matched": True,
    "lowest_opinion": LOWEST_OPINION,
    "highest_opinion": HIGHEST_OPINION,
    "costs": {"l1": L1_COST, "giou": GIOU_COST, "quality": QUALITY_COST},
}
"""Settings that runs of earlier versions recorded, with the one value that is left."""


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
    """Of the boxes' L1 loss. The paper follows Jia et al. in its losses and gives no weights of its
    own: the three are those of Jia's published code."""

    giou_weight: float = 2.0
    """Of the boxes' GIoU loss."""

    quality_weight: float = 2.0
    """Of the quality loss, in whose place Jia's code has a focal loss."""

    min_matched_opinion: float = 4.0
    """Crops rated at least so high are matched (section 3.3). Of an image without any, the crop
    with the highest rating is, or all that have it, as in Jia's code."""

    label_iou: float = 0.9
    """A prediction that overlaps a rated crop by so much has its rating as label (section 3.3); of
    several the one that it overlaps most."""

    unlabelled_weight: float = 0.1
    """All other predictions are labelled 0 with this weight, that of DETR's "no object": without it
    nothing would lower the quality of a crop that is like none that people saw. 0 leaves them
    out."""

    smooth_l1_beta: float = 1.0
    """Where smooth L1 turns from a square to a line; PyTorch's default. Differences of quality are
    below 1, so it is half the square."""

    def __post_init__(self) -> None:
        """Refuse what would teach nothing, or the opposite."""
        for name in ("l1_weight", "giou_weight", "quality_weight", "unlabelled_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if not 0 < self.label_iou <= 1:
            raise ValueError(f"label_iou must be above 0 and at most 1, got {self.label_iou}")
        if self.smooth_l1_beta <= 0:
            raise ValueError(f"smooth_l1_beta must be above 0, got {self.smooth_l1_beta}")


class Criterion(nn.Module):
    """The decoder's output and the rated crops -> losses by name.

    Raises:
        InputError: scipy, which matches, is not installed.
    """

    def __init__(self, config: CriterionConfig | None = None) -> None:
        super().__init__()
        solver()  # that it is missing is told now, not after an encoder has looked at a batch
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
        # Every layer's predictions at once, as if they were further images; the last layer's last.
        layers = [*output.layers, output]
        boxes = torch.cat([layer.boxes_cxcywh for layer in layers]).float()
        scores = torch.cat([layer.scores for layer in layers]).float()
        rated = _pad(targets).repeat(len(layers))
        losses = {
            name: loss.unflatten(0, (len(layers), -1)).mean(dim=1)  # [layers]
            for name, loss in self._losses(boxes, scores, rated).items()
        }
        total = (
            self.config.l1_weight * losses["l1"]
            + self.config.giou_weight * losses["giou"]
            + self.config.quality_weight * losses["quality"]
        ).sum()
        return {"total": total, **{name: loss[-1] for name, loss in losses.items()}}

    def _losses(self, boxes_cxcywh: Tensor, scores: Tensor, rated: _Rated) -> dict[str, Tensor]:
        """[B, M, 4], [B, M] -> [B] each image's losses by name."""
        quality = scores.sigmoid()
        is_high = rated.is_high(self.config.min_matched_opinion)
        matched = match(boxes_cxcywh, quality, rated.boxes_cxcywh, is_high)  # [B, M]
        labels, weights = self._quality_labels(boxes_cxcywh, rated, matched)
        differences = smooth_l1_loss(
            quality, labels, reduction="none", beta=self.config.smooth_l1_beta
        )
        is_matched = (matched >= 0).float()
        theirs = rated.boxes_cxcywh.gather(1, matched.clamp(min=0)[..., None].expand(-1, -1, 4))
        overlaps = generalised_iou(cxcywh_to_xyxy(boxes_cxcywh), cxcywh_to_xyxy(theirs))
        return {
            "l1": _mean((boxes_cxcywh - theirs).abs().sum(dim=2), is_matched),
            "giou": _mean(1 - overlaps, is_matched),
            "quality": _mean(differences, weights),
        }

    @torch.no_grad()
    def _quality_labels(
        self, boxes_cxcywh: Tensor, rated: _Rated, matched: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B, M] what quality predictions should have, 0 to 1, and [B, M] their weights."""
        span = HIGHEST_OPINION - LOWEST_OPINION
        wanted = ((rated.opinions - LOWEST_OPINION) / span).clamp(0, 1)  # [B, T]
        overlaps = iou_of_pairs(
            cxcywh_to_xyxy(boxes_cxcywh)[:, :, None], cxcywh_to_xyxy(rated.boxes_cxcywh)[:, None]
        ).masked_fill(~rated.is_rated[:, None], -1.0)  # [B, M, T]
        nearest = overlaps.max(dim=2)
        is_same = nearest.values >= self.config.label_iou
        crop = torch.where(is_same, nearest.indices, matched.clamp(min=0))
        is_labelled = is_same | (matched >= 0)
        labels = wanted.gather(1, crop) * is_labelled
        return labels, torch.where(is_labelled, 1.0, self.config.unlabelled_weight)


class _Rated(NamedTuple):
    """The targets of a batch, filled up to the largest number of rated crops."""

    boxes_cxcywh: Tensor  # [B, T, 4]
    opinions: Tensor  # [B, T]
    is_rated: Tensor  # [B, T] bool, False for what fills up

    def is_high(self, min_opinion: float) -> Tensor:
        """[B, T] bool: rated so high, or the highest of an image where none is."""
        opinions = self.opinions.masked_fill(~self.is_rated, -torch.inf)
        return self.is_rated & (
            opinions >= opinions.amax(dim=1, keepdim=True).clamp(max=min_opinion)
        )

    def repeat(self, times: int) -> _Rated:
        return _Rated(
            self.boxes_cxcywh.repeat(times, 1, 1),
            self.opinions.repeat(times, 1),
            self.is_rated.repeat(times, 1),
        )


def _pad(targets: Sequence[CropTargets]) -> _Rated:
    nothing = targets[0].opinions.new_zeros(1)  # so that there is a crop even where there is none
    opinions = [torch.cat([one.opinions, nothing]) for one in targets]
    boxes = [torch.cat([one.boxes_cxcywh, nothing.expand(1, 4)]) for one in targets]
    counts = torch.tensor([len(one.opinions) for one in targets], device=nothing.device)
    padded = pad_sequence(opinions, batch_first=True).float()
    places = torch.arange(padded.shape[1], device=nothing.device)
    return _Rated(pad_sequence(boxes, batch_first=True).float(), padded, places < counts[:, None])


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """[B, M] -> [B] weighted means, 0 where no weight is."""
    return (values * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-6)
