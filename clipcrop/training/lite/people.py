"""Kinds of people: labels from three sources, features of found people, a linear fit.

Labels, the surest first: people labelled by eye; captions of a photo, where they agree and one
person stands out, or, counted less, several; a teacher's guess at clear faces.
"""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from ...boxes import area, as_boxes, coverage, cxcywh_to_xyxy, iou
from ...encoders.lite import LiteEncoder
from ...encoders.lite_people import GRIDS, corners_of, person_parts
from ...encoders.lite_people import place_points as points_of
from ...encoders.lite_pixels import STRIDES, letterbox
from ...encoders.lite_words import FACE, PERSON
from ...errors import InputError
from .export import load_average, write_graph
from .network import LiteNetwork, fold_norms
from .people_head import PeopleMaps
from .scene_head import SceneHead
from .scene_shards import FrozenFeatures

PHOTOS_PER_SHARD = 64
TEST_EVERY = 4
"""Every fourth photo, by a number from its name, is kept out of training."""

MIN_SCORE = 0.3
MIN_SIDE_PX = 40.0
"""People that count: at least so sure, and so long in the network's input."""

SAME_IOU, COVERED = 0.6, 0.85
"""As at run time: boxes that are the same person."""

TRAITS_OF = {"man": (0, 0), "woman": (1, 0), "boy": (0, 1), "girl": (1, 1), "child": (None, 1)}
"""Kind -> female, child; None where it is not known."""

BY_EYE, CAPTION, CAPTION_OF_SEVERAL, TEACHER = 1.0, 0.9, 0.4, 0.5
"""How much a label counts."""

STANDS_OUT = 4.0
"""A person alone in a photo, or so many times larger than the next, is whom captions are about."""

CLEAR_FACE, SURE_GENDER = 0.82, 0.2
CHILD_BELOW, ADULT_ABOVE = 20.0, 30.0
"""When the teacher's gender (probability) and age (years) of a face are taken for labels."""

WEIGHT_DECAY = 0.002

Truth = tuple[int | None, int | None]


@dataclass(frozen=True)
class FoundPeople:
    """People that the network finds in a view of a photo."""

    boxes_xyxy: NDArray[np.float32]
    """[K, 4] normalised to the photo; where the view is mirrored, mirrored back."""

    heads_xyxy: NDArray[np.float32]
    """[K, 4] likewise."""

    features: tuple[NDArray[np.float16], ...]
    """[K, P, C] at the places of each stride."""


class Sample(NamedTuple):
    """A person with a label."""

    image: str
    row: int
    """In the photo's `FoundPeople`."""

    truth: Truth
    weight: float


def is_kept(image: str) -> bool:
    """Whether a photo is kept out of training, to measure on."""
    return zlib.crc32(image.encode()) % TEST_EVERY == 0


class PeopleFinder:
    """The network without kinds of people, and its maps."""

    def __init__(self, checkpoint: Path, scene_checkpoint: Path) -> None:
        network, scene = LiteNetwork(), SceneHead()
        load_average(checkpoint, network)
        load_average(scene_checkpoint, scene)
        fold_norms(network)
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / "lite.onnx"
            write_graph(network, fold_norms(scene), PeopleMaps(), graph, {})
            self._encoder = LiteEncoder.load(graph, threads=1)
        self._classifier = network.classifier
        self._features = FrozenFeatures(network)

    def __call__(self, image: Image.Image, is_mirrored: bool) -> FoundPeople:
        """Find people in an RGB image, or in its mirror image."""
        seen = ImageOps.mirror(image) if is_mirrored else image
        tokens = self._encoder.encode_images([seen])
        view = letterbox(seen)
        limit_px = view.width_px, view.height_px
        scale = np.array(limit_px * 2, np.float32)
        boxes_px = cxcywh_to_xyxy(tokens.initial_boxes_cxcywh[0]).clip(0, 1) * scale
        scores = tokens.class_embeddings[0, :, PERSON] * tokens.mask[0]
        faces_px = boxes_px[tokens.class_embeddings[0, :, FACE] > 0.1]
        sides = (boxes_px[:, 2:] - boxes_px[:, :2]).max(axis=1)
        people_px = boxes_px[_distinct(boxes_px, scores * (sides >= MIN_SIDE_PX))]
        parts = person_parts(people_px, faces_px)

        maps = self._features.of_input(view.pixels)
        with torch.no_grad():
            logits = self._classifier(torch.from_numpy(maps[2][..., :320]).permute(2, 0, 1)[None])
        maps[2] = np.concatenate([maps[2], logits[0].permute(1, 2, 0).numpy()], axis=2)
        features: list[NDArray[np.float16]] = []
        for stride, grids, each in zip(STRIDES, GRIDS, maps, strict=True):
            at = corners_of(points_of(parts, grids), stride, limit_px, each.shape[:2])
            read = (each[at.rows, at.columns] * at.weights[..., None]).sum(axis=0)
            features.append(read.astype(np.float16))
        found = (parts / scale).astype(np.float32)
        if is_mirrored:
            found[..., [0, 2]] = 1 - found[..., [2, 0]]
        return FoundPeople(found[2], found[0], tuple(features))


def _distinct(boxes_px: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Indices of boxes that are each another person, the surest first."""
    kept: list[int] = []
    for index in np.argsort(-scores).tolist():
        if scores[index] < MIN_SCORE:
            break
        box, better = boxes_px[index : index + 1], boxes_px[kept]
        is_same = (iou(box, better) > SAME_IOU) | (coverage(box, better) > COVERED)
        if not is_same.any():
            kept.append(index)
    return kept


def cache(data: Path, finder: PeopleFinder, images: Sequence[str], folder: Path) -> None:
    """Find the people of photos, seen as they are and mirrored; goes on where it was."""
    folder.mkdir(parents=True, exist_ok=True)
    for is_mirrored in (False, True):
        for start in tqdm(range(0, len(images), PHOTOS_PER_SHARD), unit="shard"):
            path = folder / f"people-{int(is_mirrored)}-{start:05d}.npz"
            if path.exists():
                continue
            names = images[start : start + PHOTOS_PER_SHARD]
            found = []
            for name in names:
                with Image.open(data / "photos" / name) as image:
                    found.append(finder(image.convert("RGB"), is_mirrored))
            write_shard(path, names, found)


def write_shard(path: Path, images: Sequence[str], found: Sequence[FoundPeople]) -> None:
    """Write what was found in some photos."""
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(
            file,
            images=np.array(images),
            counts=np.array([len(one.boxes_xyxy) for one in found]),
            boxes=np.concatenate([one.boxes_xyxy for one in found]),
            heads=np.concatenate([one.heads_xyxy for one in found]),
            stride8=np.concatenate([one.features[0] for one in found]),
            stride16=np.concatenate([one.features[1] for one in found]),
            stride32=np.concatenate([one.features[2] for one in found]),
        )
    temporary.rename(path)


def read_shards(folder: Path) -> Iterator[tuple[str, FoundPeople]]:
    """Photo by photo what `cache` wrote; a photo comes once as it is and once mirrored.

    Raises:
        InputError: There is nothing.
    """
    paths = sorted(folder.glob("people-*.npz"))
    if not paths:
        raise InputError(f"no people-*.npz in {folder}; run `people-cache` first")
    for path in paths:
        with np.load(path) as shard:
            ends = np.cumsum(shard["counts"])
            arrays = [shard[name] for name in ("boxes", "heads", *(f"stride{s}" for s in STRIDES))]
            for image, start, end in zip(
                shard["images"].tolist(), [0, *ends[:-1].tolist()], ends.tolist(), strict=True
            ):
                boxes, heads, *features = (each[start:end] for each in arrays)
                yield image, FoundPeople(boxes, heads, tuple(features))


class Labels:
    """What is known of the people in photos."""

    def __init__(self, data: Path, by_eye: Path) -> None:
        self.by_eye = {
            line["image"]: [(one["box"], one["kind"]) for one in line["people"]]
            for line in _lines(by_eye)
        }
        self._captions = {line["image"]: line for line in _lines(data / "captions_people.jsonl")}
        self._faces = {line["image"]: line["faces"] for line in _lines(data / "faces.jsonl")}

    def images(self) -> list[str]:
        """All photos with people who may have a label."""
        said = {name for name, line in self._captions.items() if line["anyone"]}
        seen = {
            name
            for name, faces in self._faces.items()
            if any(gender is not None for *_, gender, _ in faces)
        }
        return sorted(said | seen | self.by_eye.keys())

    def of(self, image: str, people: FoundPeople) -> dict[int, tuple[Truth, float]]:
        """Row of ``people`` -> what is known of that person, and how much it counts."""
        if not len(people.boxes_xyxy):
            return {}
        if image in self.by_eye:
            return self._seen(image, people)
        return self._from_teacher(image, people) | self._from_captions(image, people)

    def _seen(self, image: str, people: FoundPeople) -> dict[int, tuple[Truth, float]]:
        boxes = as_boxes([box for box, _ in self.by_eye[image]])
        overlap = iou(people.boxes_xyxy, boxes)
        return {
            row: (TRAITS_OF[self.by_eye[image][best][1]], BY_EYE)
            for row, best in enumerate(overlap.argmax(axis=1).tolist())
            if overlap[row, best] > SAME_IOU
        }

    def _from_captions(self, image: str, people: FoundPeople) -> dict[int, tuple[Truth, float]]:
        line = self._captions.get(image)
        if line is None:
            return {}
        sizes = area(people.boxes_xyxy)
        order = np.argsort(-sizes).tolist()
        stands_out = len(order) == 1 or sizes[order[0]] > STANDS_OUT * sizes[order[1]]
        needed = 2 if stands_out else 3
        female = _agreed(line["female"], line["male"], needed)
        child = _agreed(line["child"], line["adult"], needed)
        if female is None and child is None:
            return {}
        rows = order[:1] if stands_out else order[:3]
        weight = CAPTION if stands_out else CAPTION_OF_SEVERAL
        return {
            row: ((female, child), weight)
            for row in rows
            if sizes[row] * STANDS_OUT > sizes[order[0]]
        }

    def _from_teacher(self, image: str, people: FoundPeople) -> dict[int, tuple[Truth, float]]:
        found: dict[int, tuple[Truth, float]] = {}
        for *box, score, gender, age in self._faces.get(image, []):
            if gender is None or score < CLEAR_FACE:
                continue
            overlap = iou(people.heads_xyxy, as_boxes([box]))[:, 0]
            female = None if SURE_GENDER <= gender <= 1 - SURE_GENDER else int(gender > 0.5)
            child = None if CHILD_BELOW <= age <= ADULT_ABOVE else int(age < CHILD_BELOW)
            if overlap.max() > 0.3 and (female, child) != (None, None):
                found[int(overlap.argmax())] = ((female, child), TEACHER)
        return found


def _agreed(one: int, other: int, needed: int) -> int | None:
    """1 or 0 if enough captions say one thing and none the other."""
    if one >= needed and not other:
        return 1
    return 0 if other >= needed and not one else None


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as exc:
        raise InputError(f"cannot read {path} ({exc})") from exc


def fit(
    features: Tensor, truth: Tensor, weights: Tensor, weight_decay: float
) -> tuple[Tensor, float]:
    """Logistic regression.

    Args:
        features: [S, C].
        truth: [S] 0 or 1.
        weights: [S] of the samples; both answers count alike in all.
        weight_decay: On the coefficients.

    Returns:
        [C] coefficients, and the constant.
    """
    counts = torch.stack([(weights * (truth == value)).sum() for value in (0, 1)])
    balanced = weights / counts[truth.long()]
    coefficients = torch.zeros(features.shape[1], requires_grad=True)
    constant = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [coefficients, constant], max_iter=60, history_size=8, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        errors = torch.nn.functional.binary_cross_entropy_with_logits(
            features @ coefficients + constant, truth, reduction="none"
        )
        total = (balanced * errors).sum() / 2 + weight_decay * coefficients.square().sum()
        torch.autograd.backward(total)
        return total

    optimizer.step(loss)
    return coefficients.detach(), float(constant.detach())


def train(
    labels: Labels, shards: Path, weight_decay: float = WEIGHT_DECAY, folds: int = 5
) -> tuple[PeopleMaps, dict[str, float]]:
    """Fit the maps to the people of photos that are not kept; measure on held-out folds of these.

    Args:
        labels: What is known.
        shards: Folder that `cache` wrote.
        weight_decay: On coefficients of features with a variance of one over all of a stride.
        folds: Parts of the photos, each of which is predicted from the others.

    Returns:
        The maps, and how often the more likely one of two people of a photo is the right one.
    """
    samples = _samples(labels, shards)
    means = [each.mean(dim=0) for each in samples.features]
    scales = [
        (each.std(dim=0) + 1e-3) * float(np.sqrt(each[0].numel())) for each in samples.features
    ]
    flat = torch.cat(
        [
            ((each - mean) / scale).flatten(1)
            for each, mean, scale in zip(samples.features, means, scales, strict=True)
        ],
        dim=1,
    )
    people = PeopleMaps()
    report: dict[str, float] = {}
    for trait, name in enumerate(("female", "child")):
        truth = samples.truths[:, trait]
        known = ~truth.isnan()
        predicted = torch.zeros(len(truth))
        for fold in range(folds):
            of_fold = samples.folds % folds == fold
            use = known & ~of_fold
            coefficients, constant = fit(flat[use], truth[use], samples.weights[use], weight_decay)
            predicted[of_fold] = flat[of_fold] @ coefficients + constant
        sharpness = _sharpness(predicted, truth, samples)
        report |= {
            f"{name}, pairs": _right_pairs(predicted, truth, samples),
            f"{name}, sharpness": sharpness,
        }
        coefficients, constant = fit(
            flat[known], truth[known], samples.weights[known], weight_decay
        )
        _write(people, trait, coefficients * sharpness, constant * sharpness, means, scales)
    return people, report


class Samples(NamedTuple):
    """Labelled people. S samples."""

    features: list[Tensor]
    """[S, P, C] a stride."""

    truths: Tensor
    """[S, 2] female, child: 0, 1 or not a number."""

    weights: Tensor
    """[S]"""

    folds: Tensor
    """[S] a number from the photo's name."""

    photos: list[str]
    """[S] where it is from: name and whether it is mirrored."""


def _samples(labels: Labels, shards: Path) -> Samples:
    features: list[list[NDArray[np.float16]]] = [[] for _ in STRIDES]
    truths, weights, folds, photos = [], [], [], []
    for index, (image, people) in enumerate(read_shards(shards)):
        if is_kept(image):
            continue
        for row, (truth, weight) in labels.of(image, people).items():
            for level, each in zip(features, people.features, strict=True):
                level.append(each[row])
            truths.append([np.nan if one is None else float(one) for one in truth])
            weights.append(weight)
            folds.append(zlib.crc32(image.encode()) // TEST_EVERY)
            photos.append(f"{image} {index}")
    return Samples(
        [torch.from_numpy(np.stack(each)).float() for each in features],
        torch.tensor(truths),
        torch.tensor(weights),
        torch.tensor(folds),
        photos,
    )


def _right_pairs(predicted: Tensor, truth: Tensor, samples: Samples) -> float:
    """Of pairs labelled by eye in one photo, how often the right one has more evidence."""
    rows: dict[str, list[int]] = {}
    for row, photo in enumerate(samples.photos):
        if samples.weights[row] == BY_EYE and not truth[row].isnan():
            rows.setdefault(photo, []).append(row)
    right = [
        bool(predicted[one] > predicted[other])
        for group in rows.values()
        for one in group
        for other in group
        if truth[one] == 1 and truth[other] == 0
    ]
    return float(np.mean(right)) if right else float("nan")


def _sharpness(predicted: Tensor, truth: Tensor, samples: Samples) -> float:
    """What held-out evidence has to be multiplied by to give probabilities."""
    use = ~truth.isnan() & (samples.weights == BY_EYE)
    if not use.any():
        return 1.0
    factors = torch.linspace(0.2, 3.0, 57)
    errors = [
        torch.nn.functional.binary_cross_entropy_with_logits(factor * predicted[use], truth[use])
        for factor in factors
    ]
    return float(factors[int(torch.stack(errors).argmin())])


def _write(
    people: PeopleMaps,
    trait: int,
    coefficients: Tensor,
    constant: float,
    means: list[Tensor],
    scales: list[Tensor],
) -> None:
    """Put a trait's coefficients, for features as the network gives them, into the maps."""
    at = 0
    with torch.no_grad():
        for level, (mean, scale) in enumerate(zip(means, scales, strict=True)):
            of_level = coefficients[at : at + mean.numel()].view_as(mean) / scale  # [P, C]
            at += mean.numel()
            rows = slice(trait * len(mean), (trait + 1) * len(mean))
            layer = people.maps[level]
            assert isinstance(layer, torch.nn.Conv2d)
            assert layer.bias is not None
            layer.weight[rows] = of_level[:, :, None, None]
            layer.bias[rows] = -(of_level * mean).sum(dim=1)
            if level == 0:
                layer.bias[rows] += constant / len(mean)


def queries(labels: Labels) -> Iterator[dict[str, Any]]:
    """What can be asked for on the kept photos that show several kinds of people."""
    words = {"the man": "man", "the woman": "woman", "the boy": "boy", "the girl": "girl"}
    for image, people in sorted(labels.by_eye.items()):
        kinds = {kind for _, kind in people}
        if not is_kept(image):
            continue
        for query, kind in words.items():
            if kind in kinds and len(kinds) > 1:
                yield _query(image, query, [box for box, one in people if one == kind])
        young = [box for box, one in people if one in ("boy", "girl", "child")]
        if young and len(young) < len(people):
            yield _query(image, "the child", young)


def _query(image: str, query: str, boxes: list[list[float]]) -> dict[str, Any]:
    return {"image": image, "query": query, "boxes": boxes}
