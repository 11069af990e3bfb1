"""How often is a match of the lite encoder right? Asked on photos that it was not trained on.

Present and absent names are asked half and half. Where truth comes from, by kind of concept:

objects   COCO's names: boxes (kept photos of boxes_train.jsonl); on other photos a better
          detector's boxes, where it is sure that a thing is there, or that it is not
imagenet  ImageNet's names: the class of photos/imagenet_dev; absent ones on photos with captions
          too, if no caption has a word of the name. The photos have no boxes: a match counts as
          right wherever it is
scenery   ADE20K's names: connected parts of masks; on other photos of a teacher's masks
faces     boxes of faces

A match counts as right if its centre lies in a true box.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...boxes import as_boxes
from ...encoders.lite import EMBEDDED_WORDS, LiteEncoder
from ...encoders.lite_calibration import EMBEDDED_CALIBRATION, KINDS, Calibration, Curve, kinds
from ...encoders.lite_graph import LiteGraph
from ...encoders.lite_words import WordTable
from ...grounding import GroundingOptions, ground
from ...imaging.images import load_image
from ...onnx_runtime import import_onnxruntime
from ...prompt.parser import parse_prompt
from ...weights.registry import EMBEDDED_LITE
from .photos import dev_photos
from .scene_measure import MIN_FACE_SIDE, read_class_names, true_regions
from .scene_photos import MaskTeacher, ScenePhoto, list_photos, read_mask, read_photo
from .scene_train import KNOWN_TO_TEACHER

TEACHER_FOLDERS = ("osie", "crowd", "scene", "bsds")
"""Photos that boxes were never learned from."""

MIN_TEACHER_SHARE = 0.03
"""Of the photo: smaller parts of the teacher's masks are often wrong."""

_SEEN, _COUNTED, _UNSEEN = 0.5, 0.3, 0.1  # scores of the teacher of boxes
_TEACHER_SIDE_PX = 416
_ABSENT_CLASSES = 4  # of ImageNet, for each photo

_BIN, _MOST_BINS = 25, 20  # matches in a bin at least; bins
_PRIOR = 0.5  # matches, half of them right, that each bin is taken to have besides
_SLOPE = 0.005  # within a level, so that a higher score is always surer
_LEAST = 0.0001  # difference of two points


class Question(NamedTuple):
    """A name and where it is in a photo."""

    source: str
    image: str
    name: str
    boxes_xyxy: list[list[float]]
    """[K, 4] normalised; K = 0 for what is not in the photo."""


class Match(NamedTuple):
    """The best box for a question."""

    source: str
    """Of the question."""

    kind: str
    """What of the encoder found it, of `KINDS`."""

    score: float
    """Not calibrated."""

    is_right: bool
    is_present: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("data", type=Path, help="folder with photos, boxes, masks, teachers")
    parser.add_argument(
        "--output", type=Path, default=EMBEDDED_CALIBRATION, help="default: the package's own"
    )


def run(options: argparse.Namespace) -> None:
    """Ask, fit and write the table."""
    from tqdm import tqdm

    graph = LiteGraph.load(EMBEDDED_LITE, threads=1)
    encoder = LiteEncoder(graph, WordTable.read(EMBEDDED_WORDS), Calibration.none())
    by_image: dict[str, list[Question]] = defaultdict(list)
    for question in questions(options.data):
        by_image[question.image].append(question)
    matches = [
        match
        for image, of_image in tqdm(by_image.items(), unit="photo")
        for match in answer(encoder, options.data / "photos" / image, of_image)
    ]
    weights = half_and_half(matches)
    curves = {}
    for kind in KINDS:
        rows = [index for index, match in enumerate(matches) if match.kind == kind]
        curves[kind] = fit(
            np.array([matches[row].score for row in rows]),
            np.array([matches[row].is_right for row in rows]),
            weights[rows],
        )
    Calibration(curves).write(options.output)


def half_and_half(matches: Sequence[Match]) -> NDArray[np.float64]:
    """[M] weights, as if as many absent as present names had been asked for in each source."""
    counts = Counter((match.source, match.is_present) for match in matches)
    return np.array(
        [
            1.0 if match.is_present else counts[match.source, True] / counts[match.source, False]
            for match in matches
        ]
    )


def fit(
    scores: NDArray[np.float64], is_right: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Curve:
    """The rising curve that fits best: shares of bins of scores, made monotone (isotonic).

    Args:
        scores: [M] not calibrated.
        is_right: [M].
        weights: [M].
    """
    bins = np.array_split(np.argsort(scores), np.clip(len(scores) // _BIN, 2, _MOST_BINS))
    blocks: list[tuple[float, float, float, float]] = []  # first score, last, right, weight
    for rows in bins:
        weight = float(weights[rows].sum())
        middle = float(scores[rows] @ weights[rows]) / weight
        block = (middle, middle, float(weights[rows] @ is_right[rows]), weight)
        while blocks and blocks[-1][2] / blocks[-1][3] >= block[2] / block[3]:
            first, _, right, before = blocks.pop()
            block = (first, block[1], right + block[2], before + block[3])
        blocks.append(block)
    points = [(0.0, 0.0)]
    for first, last, right, weight in blocks:
        share = (right + _PRIOR / 2) / (weight + _PRIOR)
        for score, level in ((first, share - _SLOPE), (last, share + _SLOPE)):
            if score > points[-1][0] + _LEAST:
                points.append((score, min(max(level, points[-1][1] + _LEAST), 1 - _LEAST)))
    if points[-1][0] < 1:
        points.append((1.0, min(points[-1][1] + _SLOPE, 1.0)))
    x, y = zip(*points, strict=True)
    return Curve(tuple(round(value, 4) for value in x), tuple(round(value, 4) for value in y))


def questions(data: Path) -> Iterator[Question]:
    """All of them; the same ones each time."""
    rng = np.random.default_rng(0)
    _, development = list_photos(data)
    concepts = json.loads((data / "concept_names.json").read_text(encoding="utf-8"))
    yield from _about_scenery(data, development, rng)
    yield from _about_faces(development)
    yield from _about_boxes(data, list(concepts["coco"]), rng)
    others = [photo for photo in development if photo.name.startswith(TEACHER_FOLDERS)]
    yield from _about_teacher_boxes(data, others, list(concepts["coco"]), rng)
    others = [photo for photo in development if not photo.has_mask]
    yield from _about_teacher_masks(data, others, rng)
    yield from _about_classes(data, development, concepts, rng)


def _about_scenery(
    data: Path, photos: Iterable[ScenePhoto], rng: np.random.Generator
) -> Iterator[Question]:
    names = read_class_names(data)
    for photo in photos:
        if photo.has_mask:
            mask = read_mask(data, photo)
            present = true_regions(mask)
            for number, boxes in present.items():
                yield Question("scenery", photo.name, names[number], boxes.tolist())
            others = sorted(names.keys() - set(np.unique(mask).tolist()))
            for number in rng.choice(others, len(present), replace=False).tolist():
                yield Question("scenery", photo.name, names[number], [])


def _about_faces(photos: Iterable[ScenePhoto]) -> Iterator[Question]:
    for photo in photos:
        sides = [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in photo.faces_xyxy]
        if not sides or max(sides) >= MIN_FACE_SIDE:
            yield Question("faces", photo.name, "face", [list(box) for box in photo.faces_xyxy])


def _about_boxes(data: Path, names: Sequence[str], rng: np.random.Generator) -> Iterator[Question]:
    file = data / "boxes_train.jsonl"
    kept = set(dev_photos(file))
    for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
        if line["image"] not in kept:
            continue
        present: dict[str, list[list[float]]] = defaultdict(list)
        for name, *box in line["boxes"]:
            present[name].append(box)
        for name, boxes in present.items():
            yield Question("boxes", line["image"], name, boxes)
        others = sorted(set(names) - present.keys())
        for name in rng.choice(others, len(present), replace=False).tolist():
            yield Question("boxes", line["image"], name, [])


def _about_teacher_boxes(
    data: Path, photos: Iterable[ScenePhoto], names: Sequence[str], rng: np.random.Generator
) -> Iterator[Question]:
    session = import_onnxruntime().InferenceSession(str(data / "teachers" / "deimv2_femto.onnx"))
    size = np.array([[1, 1]], np.int64)
    for photo in photos:
        with Image.open(data / "photos" / photo.name) as opened:
            image = opened.convert("RGB").resize((_TEACHER_SIDE_PX,) * 2)
        pixels = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
        (classes,), (boxes,), (scores,) = session.run(
            None, {"images": pixels, "orig_target_sizes": size}
        )
        boxes = boxes.clip(0, 1)
        present = sorted(set(classes[scores >= _SEEN].tolist()))
        for number in present:
            of_class = (classes == number) & (scores >= _COUNTED)
            yield Question("teacher", photo.name, names[number], boxes[of_class].tolist())
        others = sorted(set(range(len(names))) - set(classes[scores >= _UNSEEN].tolist()))
        for number in rng.choice(others, max(len(present), 1), replace=False).tolist():
            yield Question("teacher", photo.name, names[number], [])


def _about_teacher_masks(
    data: Path, photos: Iterable[ScenePhoto], rng: np.random.Generator
) -> Iterator[Question]:
    teacher = MaskTeacher(data / "teachers" / "mosaic_r4_uint8.tflite")
    names = read_class_names(data)
    for photo in photos:
        mask = teacher(read_photo(data, photo))
        present = true_regions(mask, MIN_TEACHER_SHARE)
        for number, boxes in present.items():
            yield Question("teacher masks", photo.name, names[number], boxes.tolist())
        others = sorted(set(range(1, KNOWN_TO_TEACHER + 1)) - set(np.unique(mask).tolist()))
        for number in rng.choice(others, min(len(present), len(others)), replace=False).tolist():
            yield Question("teacher masks", photo.name, names[number], [])


def _about_classes(
    data: Path,
    photos: Iterable[ScenePhoto],
    concepts: dict[str, list[str]],
    rng: np.random.Generator,
) -> Iterator[Question]:
    lemmas = [line.split(", ") for line in concepts["imagenet_names"]]
    class_of = {synset: number for number, synset in enumerate(concepts["imagenet_synsets"])}
    for file in sorted((data / "photos" / "imagenet_dev").iterdir()):
        shown = class_of[file.name.split("_")[0]]
        image = f"imagenet_dev/{file.name}"
        for name in lemmas[shown][:2]:
            yield Question("classes", image, name, [[0.0, 0.0, 1.0, 1.0]])
        others = sorted(set(class_of.values()) - {shown})
        for number in rng.choice(others, _ABSENT_CLASSES, replace=False).tolist():
            yield Question("classes", image, lemmas[number][0], [])
    lines = (data / "captions_flickr8k.jsonl").read_text(encoding="utf-8").splitlines()
    said = {line["image"]: " ".join(line["captions"]).lower() for line in map(json.loads, lines)}
    for photo in photos:
        if photo.name in said:
            for number in rng.choice(len(lemmas), _ABSENT_CLASSES, replace=False).tolist():
                words = " ".join(lemmas[number]).lower().split()
                if not any(word in said[photo.name] for word in words):
                    yield Question("classes", photo.name, lemmas[number][0], [])


def answer(encoder: LiteEncoder, photo: Path, asked: Sequence[Question]) -> Iterator[Match]:
    """The best boxes; none for a question whose words are unknown."""
    tokens = encoder.encode_images([load_image(photo).rgb])
    for question in asked:
        prompt = parse_prompt(question.name)
        if not prompt.all_texts:
            continue
        embeddings = encoder.encode_texts(prompt.all_texts)
        found = ground(tokens, embeddings, prompt, GroundingOptions(min_score=0))
        if found.best is None:
            continue
        x0, y0, x1, y1 = found.best.box_xyxy
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        true = as_boxes(question.boxes_xyxy)
        inside = (true[:, :2] <= centre) & (centre <= true[:, 2:])
        row = [text.text for text in prompt.all_texts].index(found.best.text)
        token = tokens.class_embeddings[:, found.best.token : found.best.token + 1]
        yield Match(
            source=question.source,
            kind=KINDS[int(kinds(token, embeddings[row : row + 1, : token.shape[2]])[0, 0, 0])],
            score=found.best.score,
            is_right=bool(inside.all(axis=1).any()),
            is_present=len(true) > 0,
        )
