"""Train the composition score on rated crops.

    python -m clipcrop.training.composition RATINGS.jsonl --output FILE [--folds 5]

With ``--folds`` it is also cross-validated by image, which gives the honest figures: every photo is
judged by a network that has not seen it. One training takes a few minutes on one core, so a run
that was cut off is simply started again: same data and seed, same weights.
"""

from __future__ import annotations

import argparse
import copy
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..arrays import FloatArray
from ..composing.composition import CompositionConfig
from ..composing.composition_network import CompositionNetwork
from ..datasets.ratings import RatedImage, mos_to_quality, read_ratings
from ..errors import ClipCropError, InputError
from ..evaluation.framing import FramingCases, framing_cases, framing_table
from ..evaluation.ratings import RatingsReport, compare, predict

logger = logging.getLogger(__name__)

MIN_CROPS = 8
"""With fewer crops of a photo in a step, their order says little."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the composition score is trained."""

    epochs: int = 40
    """Passes over the photos."""

    batch_size: int = 16
    """Photos a step."""

    num_crops: int = 40
    """Crops of each photo a step, drawn at random: neighbours have much the same rating."""

    lr: float = 3e-3
    """Highest learning rate; rises over the first tenth, then falls to zero along a cosine."""

    weight_decay: float = 0.02
    """Decay of the weights (AdamW)."""

    averaging: float = 0.995
    """Decay a step of the running average of the weights; the average is what is kept."""

    order_weight: float = 1.0
    """Weight of one minus the correlation within a photo, beside the smooth L1 to the rating."""

    view_share: float = 0.3
    """Share of photos that are shown cropped, so that frames as large as the image occur too."""

    jitter: float = 0.02
    """Spread of the noise on objects' edges, in units of the object."""

    drop_share: float = 0.5
    """Share of photos that lose objects at random, from one of them to all."""

    shuffle_share: float = 0.3
    """Share of photos whose objects, the subject aside, come in another order."""

    subject_share: float = 0.3
    """Share of photos with a subject: the person where there is one, else the best object."""

    seed: int = 0
    """Seed of everything that is random."""


@dataclass
class Batch:
    """Photos as tensors, filled up to the largest number of crops and objects."""

    frames_xyxy: Tensor
    """[B, F, 4] rated crops."""

    quality: Tensor
    """[B, F] their ratings as qualities, 0 to 1."""

    is_frame: Tensor
    """[B, F] bool, False for what only fills up."""

    objects_xyxy: Tensor
    """[B, K, 4] objects, the subject first."""

    is_object: Tensor
    """[B, K] bool, False for what only fills up."""

    is_subject: Tensor
    """[B, K] bool, True for what was asked for."""

    has_person: Tensor
    """[B] bool, True where the first object is the person, and so the subject."""

    aspect: Tensor
    """[B] width over height of each photo."""

    def take(self, indices: Tensor) -> Batch:
        """Some of the photos, copied."""
        return Batch(**{name: value[indices] for name, value in vars(self).items()})


def collate(images: Sequence[RatedImage], max_objects: int) -> Batch:
    """Photos -> tensors; the person, the likeliest subject, takes the first place."""
    num_frames = max(len(image.mos) for image in images)
    frames = torch.zeros(len(images), num_frames, 4)
    quality = torch.zeros(len(images), num_frames)
    is_frame = torch.zeros(len(images), num_frames, dtype=torch.bool)
    objects = torch.zeros(len(images), max_objects + 1, 4)
    is_object = torch.zeros(len(images), max_objects + 1, dtype=torch.bool)
    for row, image in enumerate(images):
        frames[row, : len(image.mos)] = torch.from_numpy(image.crops_xyxy)
        quality[row, : len(image.mos)] = torch.from_numpy(mos_to_quality(image.mos))
        is_frame[row, : len(image.mos)] = True
        kept = torch.from_numpy(image.objects_xyxy[:max_objects])
        objects[row, 1 : 1 + len(kept)] = kept
        is_object[row, 1 : 1 + len(kept)] = True
        if image.person_xyxy is not None:
            objects[row, 0] = torch.from_numpy(image.person_xyxy)
            is_object[row, 0] = True
    return Batch(
        frames_xyxy=frames,
        quality=quality,
        is_frame=is_frame,
        objects_xyxy=objects,
        is_object=is_object,
        is_subject=torch.zeros_like(is_object),
        has_person=is_object[:, 0].clone(),
        aspect=torch.tensor([image.aspect for image in images]),
    )


def augment(batch: Batch, config: TrainingConfig, generator: torch.Generator) -> Batch:
    """Another look at the same photos: what a rating should not depend on is changed at random."""

    def chance(share: float) -> Tensor:
        return torch.rand(len(batch.aspect), generator=generator) < share

    _mirror(batch, chance(0.5))
    _show_cropped(batch, chance(config.view_share), generator)
    _draw_crops(batch, config.num_crops, generator)
    sides = (batch.objects_xyxy[..., 2:] - batch.objects_xyxy[..., :2]).repeat(1, 1, 2)
    noise = torch.randn(sides.shape, generator=generator) * config.jitter
    batch.objects_xyxy = (batch.objects_xyxy + noise * sides).clamp(0, 1)

    count = batch.is_object.shape[1]
    keep_share = torch.rand(len(batch.aspect), 1, generator=generator)
    is_kept = torch.rand(len(batch.aspect), count, generator=generator) < keep_share
    is_kept |= ~chance(config.drop_share)[:, None]
    has_subject = chance(config.subject_share)
    is_kept[:, 0] &= has_subject  # without a subject the person is not set apart either
    first = torch.where(batch.has_person, 0, 1)
    is_kept.scatter_(1, first[:, None], is_kept.gather(1, first[:, None]) | has_subject[:, None])
    batch.is_object &= is_kept
    batch.is_subject = torch.zeros_like(batch.is_object).scatter_(
        1, first[:, None], has_subject[:, None]
    )
    batch.is_subject &= batch.is_object

    order = torch.arange(count).float().repeat(len(batch.aspect), 1)
    order += (
        chance(config.shuffle_share)[:, None] * count * torch.rand(order.shape, generator=generator)
    )
    order -= 100.0 * batch.is_subject
    order += 100.0 * ~batch.is_object
    order = order.argsort(dim=1)
    batch.objects_xyxy = batch.objects_xyxy.gather(1, order[..., None].expand(-1, -1, 4))
    batch.is_object = batch.is_object.gather(1, order)
    batch.is_subject = batch.is_subject.gather(1, order)
    return batch


def _mirror(batch: Batch, where: Tensor) -> None:
    """Left becomes right in the chosen photos, in place."""
    for boxes in (batch.frames_xyxy, batch.objects_xyxy):
        mirrored = boxes[where]
        mirrored[..., [0, 2]] = 1 - mirrored[..., [2, 0]]
        boxes[where] = mirrored


def _show_cropped(batch: Batch, where: Tensor, generator: torch.Generator) -> None:
    """Pretend that the chosen photos were one of their own large crops, in place.

    People rated no crop that is as large as its photo. Inside one of the larger crops there are
    some, and the frames that lie in it keep their ratings.
    """
    is_larger = (batch.frames_xyxy[..., 2:] - batch.frames_xyxy[..., :2]).prod(dim=-1) > 0.6
    pick = torch.multinomial(is_larger * batch.is_frame + 1e-6, num_samples=1, generator=generator)[
        :, 0
    ]
    view = batch.frames_xyxy[torch.arange(len(pick)), pick]  # [B, 4]
    view = torch.where(where[:, None], view, torch.tensor([0.0, 0.0, 1.0, 1.0]))
    inside = (batch.frames_xyxy[..., :2] >= view[:, None, :2] - 1e-3) & (
        batch.frames_xyxy[..., 2:] <= view[:, None, 2:] + 1e-3
    )
    batch.is_frame &= inside.all(dim=-1)
    size = view[:, 2:] - view[:, :2]
    origin, scale = view[:, None, :2].repeat(1, 1, 2), size[:, None].repeat(1, 1, 2)
    batch.frames_xyxy = (batch.frames_xyxy - origin) / scale
    before = batch.objects_xyxy
    batch.objects_xyxy = ((before - origin) / scale).clamp(0, 1)
    shown = (batch.objects_xyxy[..., 2:] - batch.objects_xyxy[..., :2]).clamp(min=0).prod(dim=-1)
    whole = ((before[..., 2:] - before[..., :2]) / scale[..., :2]).prod(dim=-1)
    batch.is_object &= shown > 0.2 * whole  # a detector would miss what is left of the others
    batch.aspect = batch.aspect * size[:, 0] / size[:, 1]


def _draw_crops(batch: Batch, count: int, generator: torch.Generator) -> None:
    """Leave so many of each photo's crops, drawn at random, in place."""
    lot = torch.rand(batch.is_frame.shape, generator=generator) + batch.is_frame
    drawn = lot.topk(min(count, lot.shape[1]), dim=1).indices  # [B, count]
    batch.frames_xyxy = batch.frames_xyxy.gather(1, drawn[..., None].expand(-1, -1, 4))
    batch.quality = batch.quality.gather(1, drawn)
    batch.is_frame = batch.is_frame.gather(1, drawn)


def loss(predicted: Tensor, batch: Batch, order_weight: float) -> Tensor:
    """Smooth L1 to the rating, and one minus the correlation within each photo."""
    distance = nn.functional.smooth_l1_loss(
        predicted[batch.is_frame], batch.quality[batch.is_frame], beta=0.1
    )
    weight = batch.is_frame.float()
    count = weight.sum(dim=1, keepdim=True).clamp(min=1)
    first = (predicted - (predicted * weight).sum(1, keepdim=True) / count) * weight
    second = (batch.quality - (batch.quality * weight).sum(1, keepdim=True) / count) * weight
    correlation = (first * second).sum(1) / (
        (first.norm(dim=1) + 1e-3) * (second.norm(dim=1) + 1e-3)
    )
    is_enough = count[:, 0] >= MIN_CROPS
    disorder: Tensor = ((1 - correlation) * is_enough).sum() / is_enough.sum().clamp(min=1)
    return distance + order_weight * disorder


def train(
    images: Sequence[RatedImage], config: TrainingConfig, network: CompositionConfig, title: str
) -> CompositionNetwork:
    """Train on all of these photos; the same arguments give the same weights."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    scorer = CompositionNetwork(network)
    average = copy.deepcopy(scorer).requires_grad_(False)
    optimizer = torch.optim.AdamW(scorer.parameters(), config.lr, weight_decay=config.weight_decay)
    steps = -(-len(images) // config.batch_size) * config.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.lr, total_steps=steps, pct_start=0.1
    )
    data = collate(images, network.max_objects)
    progress = tqdm(total=steps, desc=title, unit="step", mininterval=2.0)
    done = 0
    for _ in range(config.epochs):
        for indices in torch.split(
            torch.randperm(len(images), generator=generator), config.batch_size
        ):
            batch = augment(data.take(indices), config, generator)
            predicted = scorer(
                batch.frames_xyxy,
                batch.objects_xyxy,
                batch.is_subject,
                batch.is_object,
                batch.aspect,
            )
            value = loss(predicted, batch, config.order_weight)
            optimizer.zero_grad()
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            done += 1
            decay = min(config.averaging, done / (done + 10))
            for kept, new in zip(average.parameters(), scorer.parameters(), strict=True):
                kept.lerp_(new.detach(), 1 - decay)
            progress.update()
            progress.set_postfix(loss=f"{value.item():.3f}", refresh=False)
    progress.close()
    return average.eval()


def cross_validate(
    images: Sequence[RatedImage], folds: int, config: TrainingConfig, network: CompositionConfig
) -> tuple[RatingsReport, FramingCases]:
    """Judge each photo by a network that was trained on the photos of the other folds."""
    generator = torch.Generator().manual_seed(config.seed)
    fold_of = torch.randperm(len(images), generator=generator) % folds
    judged: list[RatedImage] = []
    quality: list[FloatArray] = []
    cases = []
    for fold in range(folds):
        seen = [image for image, of in zip(images, fold_of, strict=True) if of != fold]
        held_out = [image for image, of in zip(images, fold_of, strict=True) if of == fold]
        title = f"fold {fold + 1} of {folds}"
        scorer = train(seen, config, network, title).scorer()
        judged += held_out
        quality += [predict(image, scorer) for image in held_out]
        cases.append(framing_cases(held_out, scorer))
        done = compare(held_out, quality[-len(held_out) :])
        logger.info("fold.done number=%d spearman=%.3f", fold + 1, done.spearman)
    return compare(judged, quality), FramingCases(*map(np.concatenate, zip(*cases, strict=True)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Cross-validate if asked to, train on all photos and write the weights."""
    parser = argparse.ArgumentParser(
        prog="python -m clipcrop.training.composition",
        description="Train the composition score on rated crops.",
    )
    parser.add_argument("ratings", type=Path, help="file of rated crops, one photo a line")
    parser.add_argument("--output", type=Path, help="where the weights are written")
    parser.add_argument(
        "--folds", type=int, default=0, help="cross-validate by photo in so many parts"
    )
    for field in fields(TrainingConfig):
        parser.add_argument(
            "--" + field.name.replace("_", "-"), type=type(field.default), default=field.default
        )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the network is tiny, and one thread gives the same sums everywhere
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.output is None and options.folds < 2:
        parser.error("nothing to do; give --output FILE, --folds 5, or both")
    config = TrainingConfig(**{f.name: getattr(options, f.name) for f in fields(TrainingConfig)})
    try:
        images = read_ratings(options.ratings)
        if options.folds > len(images):
            raise InputError(f"{options.folds} folds need as many photos, got {len(images)}")
    except ClipCropError as exc:
        parser.error(str(exc))
    network = CompositionConfig()
    if options.folds >= 2:
        report, cases = cross_validate(images, options.folds, config, network)
        sys.stdout.write(f"{options.folds}-fold cross-validation by photo\n\n")
        sys.stdout.write(f"{report.to_table()}\n\n{framing_table(cases)}\n")
    if options.output is not None:
        train(images, config, network, title="all photos").save(
            options.output, trained_on=f"{len(images)} photos", seed=str(config.seed)
        )
        sys.stdout.write(f"wrote {options.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
