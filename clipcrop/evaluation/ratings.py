"""Measure the composition score against people's ratings of crops.

The shipped weights were trained on GAICD's ratings, so on that file they know the answers, and the
report says so. The honest figure is the cross-validation of `clipcrop.training.composition`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..arrays import FloatArray
from ..composing.ranking import Scorer
from ..datasets.ratings import RatedImage, read_ratings
from .crop_metrics import K_RETURNED, N_GOOD, score_judged
from .metrics import without_nan

CAUTION = (
    "The embedded weights were trained on GAICD's ratings: on those photos these figures flatter "
    "them. Cross-validation by photo is the honest figure (composition.md beside the weights)."
)


@dataclass(frozen=True, kw_only=True)
class RatingsReport:
    """Agreement with people; every figure but the counts is a mean over images."""

    num_images: int
    """Images that were measured."""

    num_crops: int
    """Rated crops of all of them."""

    num_flat: int
    """Images whose ratings or qualities are all equal: they have no correlation and are left out
    of both."""

    spearman: float
    """Rank correlation of quality and rating, ties sharing their mean rank."""

    pearson: float
    """Linear correlation of quality and rating."""

    accuracy: dict[str, float]
    """Acc K/N, see `clipcrop.evaluation.metrics.top_accuracy`: ``{"1/5": 0.4, ...}``."""

    def to_json(self) -> dict[str, object]:
        """The report as JSON types, with the caution; no correlation is null."""
        return {**without_nan(asdict(self)), "caution": CAUTION}

    def to_text(self) -> str:
        """The report as people read it, with the caution."""
        return f"{self.to_table()}\n\n{CAUTION}"

    def to_table(self) -> str:
        """The figures as a Markdown table."""
        rows = [("Spearman", self.spearman), ("Pearson", self.pearson)]
        rows += [(f"Acc {name}", value) for name, value in self.accuracy.items()]
        rows += [(f"Acc {n}", self.mean_accuracy(n)) for n in N_GOOD]
        lines = [f"| {name} | {value:.3f} |" for name, value in rows]
        flat = f", {self.num_flat} without a correlation" if self.num_flat else ""
        head = f"{self.num_images} images, {self.num_crops} crops{flat}; means over images"
        return "\n".join([head, "", "| figure | value |", "|---|---|", *lines])

    def mean_accuracy(self, n: int) -> float:
        """The GAICD paper's Acc N: the mean of Acc K/N over K."""
        return _mean([self.accuracy[f"{k}/{n}"] for k in K_RETURNED])


def evaluate_ratings(path: Path, scorer: Scorer) -> RatingsReport:
    """Judge the rated crops of a file and compare with the ratings.

    Nothing is asked for, so there is no subject: the objects of the file are all the scorer gets.

    Raises:
        InputError: The file cannot be read, or a line of it is wrong; file and line are named.
    """
    images = read_ratings(path)
    return compare(images, [predict(image, scorer) for image in images])


def predict(image: RatedImage, scorer: Scorer) -> FloatArray:
    """[C] quality of the rated crops of an image."""
    return scorer.score(image.crops_xyxy, image.objects_xyxy, 0, image.aspect)


def compare(images: Sequence[RatedImage], quality: Sequence[FloatArray]) -> RatingsReport:
    """Compare qualities, [C] for each image, with its ratings."""
    scores = [score_judged(found, image.mos) for found, image in zip(quality, images, strict=True)]

    def mean(name: str) -> float:
        return _mean([score[name] for score in scores if not math.isnan(score[name])])

    return RatingsReport(
        num_images=len(images),
        num_crops=sum(len(image.mos) for image in images),
        num_flat=sum(math.isnan(score["PCC"]) for score in scores),
        spearman=mean("SRCC"),
        pearson=mean("PCC"),
        accuracy={f"{k}/{n}": mean(f"Acc {k}/{n} chosen") for n in N_GOOD for k in K_RETURNED},
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
