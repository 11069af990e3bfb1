"""The embedded encoder: small, offline, on any CPU; needs no PyTorch.

A class embedding is a token's activation for each of 1,236 concepts (COCO's 80 classes, ImageNet's
1,000, ADE20K's 150, faces, five kinds of people), a text embedding a weight for each of them, so a
score is a dot product between 0 and 1. The texts need no network: `lite_words` looks them up in a
table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..arrays import FloatArray, IntArray, largest, sigmoid
from ..boxes import clip_to_image, cxcywh_to_xyxy, weighted_box_merge, xyxy_to_cxcywh
from ..device import memory_errors_named
from ..prompt.parser import Text
from ..weights.registry import EMBEDDED_LITE
from .base import Encoder, ImageTokens
from .lite_calibration import EMBEDDED_CALIBRATION, Calibration
from .lite_colours import COLOURS, colour_match, colour_of, colour_shares
from .lite_graph import LiteGraph, LiteOutput
from .lite_imagenet import imagenet_activations
from .lite_people import find_traits, kinds_of
from .lite_pixels import STRIDES, cell_grid, letterbox
from .lite_regions import find_faces, find_regions
from .lite_words import (
    FACE,
    FIRST_KIND,
    FIRST_SCENE,
    KINDS,
    NUM_COCO,
    NUM_CONCEPTS,
    PERSON,
    WordTable,
)

EMBEDDED_WORDS = Path(__file__).with_name("lite_words.safetensors")

_COLOUR_STEP = 2  # colours are looked at in every second row and column
_COLOURED_TOKENS = 100  # and only of the likeliest objects
_FINE_TOKENS = 200  # the cells of stride 8 that are kept, by objectness

_MERGED_TOKENS = 150
_PEOPLE = 100  # of the tokens that are told their kind
_MIN_PERSON = 0.02
_FOUND_FACE = 0.1
_CLEAR_KIND = 0.5  # from this on a person looks like what was asked for
_SAME_IOU = 0.6
_NAMED_FINE_TOKENS = 100

_PART_SIDE = 0.6  # share of a side, for a closer look
_EDGE = 0.015  # of a part: what comes closer to its edge goes on beyond it
_MAX_LOG_SIZE = 8.0  # of a box, in units of its cell's stride


class LiteEncoder(Encoder):
    """The lite network behind the interface of `base.Encoder`."""

    name = "lite"
    min_score = 0.3
    sure_score = 0.7
    min_query_score = 0.3

    def __init__(self, graph: LiteGraph, words: WordTable, calibration: Calibration) -> None:
        self._graph = graph
        self._words = words
        self._calibration = calibration

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        words_path: Path | None = None,
        threads: int | None = None,
    ) -> LiteEncoder:
        """Load the embedded weights, or other ones made by the same recipe.

        Args:
            path: The network; the embedded one by default.
            words_path: The table of words; the embedded one by default.
            threads: For one image; see `clipcrop.device.num_threads` for the default.

        Raises:
            CheckpointError: A file is missing, damaged or not a lite encoder's.
            OutOfMemory: There is no room for them.
        """
        graph = LiteGraph.load(path or EMBEDDED_LITE, threads)
        words = WordTable.read(words_path or EMBEDDED_WORDS)
        return cls(graph, words, Calibration.read(EMBEDDED_CALIBRATION))

    def encode_images(self, images: Sequence[Image.Image]) -> ImageTokens:
        """Encode RGB images.

        Tokens are the cells of strides 8 (the best ones), 16 and 32, then regions of scenery and
        faces, which are no objects of their own: their objectness is 0.

        Raises:
            CheckpointError: What the weights give are no numbers.
            OutOfMemory: There is no room for the images.
        """
        with memory_errors_named("cpu"):
            per_image = [self._encode(image).parts() for image in images]
            if len(per_image) == 1:
                return ImageTokens(**per_image[0])
            most = max(parts["mask"].shape[1] for parts in per_image)
            padded = [_pad_tokens(parts, most) for parts in per_image]
            names = padded[0]
            return ImageTokens(
                **{name: np.concatenate([one[name] for one in padded]) for name in names}
            )

    def encode_parts(self, image: Image.Image) -> ImageTokens:
        """See `CloserEncoder`: objects and faces of four parts; scenery is seen best as a whole."""
        with memory_errors_named("cpu"):
            parts = [
                _of_part(self._encode(image.crop(box_px)), share) for share, box_px in _parts(image)
            ]
            first, *others = parts
            for other in others:
                first = first.with_more(other)
            return first

    def encode_texts(self, texts: Sequence[Text]) -> FloatArray:
        """[W, E + A] weights over the concepts, then over the colours that are asked for.

        A row of zeros for a text far from every concept.
        """
        with memory_errors_named("cpu"):
            embeddings = np.stack(
                [np.concatenate([self._words.embed(text), _asked_colours(text)]) for text in texts]
            )
            return embeddings * embeddings[:, :NUM_CONCEPTS].any(axis=1, keepdims=True)

    def confidence(
        self, tokens: ImageTokens, text_embeddings: FloatArray, scores: FloatArray
    ) -> FloatArray:
        """See `Encoder`: the share of such matches that are right."""
        kinds = text_embeddings[:, :NUM_CONCEPTS]
        return self._calibration.confidence(tokens.class_embeddings, kinds, scores)

    def taken_for(self, text: Text, found: FloatArray | None = None) -> str | None:
        """See `Encoder`: roles and professions mean any person, or any of one kind.

        So does a kind of people where the person found does not clearly look like it.
        """
        kinds = self._words.embed(text)[FIRST_KIND:]
        if kinds.any() and found is not None:
            looks = found[FIRST_KIND:] @ kinds / kinds.sum()
            if looks < _CLEAR_KIND * found[PERSON]:
                return "any person"
        if not self._words.is_role(text):
            return None
        return f"any {KINDS[int(kinds.argmax())]}" if kinds.any() else "any person"

    def encode_image_query(self, image: Image.Image) -> FloatArray:
        """[1, E + A] what the example's main object is, scaled so that it would score itself 1."""
        with memory_errors_named("cpu"):
            tokens = self._encode(image)
        boxes = tokens.initial_boxes_cxcywh[0]
        middle = np.abs(boxes[:, :2] - 0.5).max(axis=1)
        size = np.sqrt(np.clip(boxes[:, 2:], 0, 1).prod(axis=1))
        # The example is the thing: large, in the middle, surely an object.
        prominence = tokens.objectness[0] * size * np.maximum(1 - middle, 0) * tokens.mask[0]
        embedding = tokens.class_embeddings[0, prominence.argmax()]
        weights = embedding / max(float(np.square(embedding).sum()), 1e-6)
        return np.pad(weights, (0, len(COLOURS)))[None]

    def fingerprint(self) -> str:
        """Of the network; the table of words has no part in what image tokens mean."""
        return self._graph.fingerprint()

    def _encode(self, image: Image.Image) -> ImageTokens:
        view = letterbox(image)
        output = self._graph.run(view.pixels)

        height_px, width_px = view.pixels.shape[2:]
        corners, strides = cell_grid(height_px, width_px)
        objectness = sigmoid(output.objectness[0])
        kept = _kept_cells(objectness, strides)
        corners, strides, objectness = corners[kept], strides[kept], objectness[kept]

        boxes_px = _decode_boxes(output.boxes[0, kept], corners, strides)
        limit = np.array([view.width_px, view.height_px] * 2, np.float32)
        boxes_xyxy = clip_to_image(cxcywh_to_xyxy(boxes_px) / limit)
        # Neighbouring cells see the same object and err differently.
        likely = largest(objectness, _MERGED_TOKENS)
        boxes_xyxy[likely] = weighted_box_merge(boxes_xyxy[likely], objectness[likely], _SAME_IOU)
        centres_px = (corners + 0.5) * strides[:, None]
        # The first cell counts even of an image that is thinner than half of it.
        inside = ((centres_px < limit[:2]) | (corners == 0)).all(axis=1)

        embeddings = np.zeros((len(kept), NUM_CONCEPTS), np.float32)
        embeddings[:, :NUM_COCO] = objectness[:, None] * sigmoid(output.classes[0, kept])
        named = _named_by_imagenet(objectness, strides)
        embeddings[named, NUM_COCO:FIRST_SCENE] = imagenet_activations(
            output.imagenet[0], (boxes_xyxy * limit)[named], centres_px[named], objectness[named]
        )
        added_xyxy, added = _scene(output, view.width_px, view.height_px)
        people = largest(embeddings[:, PERSON], _PEOPLE)
        people = people[embeddings[people, PERSON] >= _MIN_PERSON]
        if len(people):
            traits = find_traits(
                [output.people8[0], output.people16[0], output.people32[0]],
                boxes_xyxy[people] * limit,
                added_xyxy[added[:, FACE] >= _FOUND_FACE] * limit,
                (view.width_px, view.height_px),
            )
            kinds = kinds_of(traits) * embeddings[people, PERSON][:, None]
            embeddings[people, FIRST_KIND:] = kinds
        at = _coarse_cell(added_xyxy * limit, (height_px, width_px))
        boxes_xyxy = np.concatenate([boxes_xyxy, added_xyxy])
        prominence = np.concatenate([objectness, added.max(axis=1, initial=0)])
        return ImageTokens(
            tokens=np.concatenate([output.tokens[:, kept], output.tokens[:, at]], axis=1),
            class_embeddings=np.concatenate([embeddings, added])[None],
            initial_boxes_cxcywh=xyxy_to_cxcywh(boxes_xyxy)[None],
            objectness=np.pad(objectness, (0, len(added)))[None],
            mask=np.pad(inside, (0, len(added)), constant_values=True)[None],
            attributes=_colours(view.rgb, boxes_xyxy, prominence)[None],
        )


def _parts(image: Image.Image) -> list[tuple[FloatArray, tuple[int, int, int, int]]]:
    """Four overlapping parts: [4] xyxy as shares of the image, and in pixels."""
    spans = ((0.0, _PART_SIDE), (1 - _PART_SIDE, 1.0))
    parts = []
    for top, bottom in spans:
        for left, right in spans:
            x0, y0 = int(left * image.width), int(top * image.height)
            x1 = max(math.ceil(right * image.width), x0 + 1)
            y1 = max(math.ceil(bottom * image.height), y0 + 1)
            share = np.array([x0, y0, x1, y1], np.float32) / ([image.width, image.height] * 2)
            parts.append((share.astype(np.float32), (x0, y0, x1, y1)))
    return parts


def _of_part(tokens: ImageTokens, part_xyxy: FloatArray) -> ImageTokens:
    """Tokens of a part as tokens of the whole image, without those that its inner edges cut."""
    boxes_xyxy = cxcywh_to_xyxy(tokens.initial_boxes_cxcywh)  # [1, N, 4]
    start, end = part_xyxy[:2], part_xyxy[2:]
    is_cut = ((boxes_xyxy[..., :2] < _EDGE) & (start > 0)) | (
        (boxes_xyxy[..., 2:] > 1 - _EDGE) & (end < 1)
    )
    embeddings = tokens.class_embeddings.copy()
    embeddings[:, :, FIRST_SCENE:FACE] = 0
    size = np.tile(end - start, 2)
    return tokens._replace(
        class_embeddings=embeddings,
        initial_boxes_cxcywh=xyxy_to_cxcywh(boxes_xyxy * size + np.tile(start, 2)),
        mask=tokens.mask & ~is_cut.any(axis=-1),
    )


def _scene(output: LiteOutput, width_px: int, height_px: int) -> tuple[FloatArray, FloatArray]:
    """[K, 4] xyxy of regions and faces, normalised; [K, E] their embeddings."""
    regions = find_regions(output.scene[0], width_px, height_px)
    faces_xyxy, face_scores = find_faces(output.faces[0], width_px, height_px)
    embeddings = np.zeros((len(regions.scores) + len(faces_xyxy), NUM_CONCEPTS), np.float32)
    rows = np.arange(len(regions.scores))
    embeddings[rows, FIRST_SCENE + regions.classes] = regions.scores
    embeddings[len(rows) :, FACE] = face_scores
    return np.concatenate([regions.boxes_xyxy, faces_xyxy]), embeddings


def _coarse_cell(boxes_xyxy_px: FloatArray, size_px: tuple[int, int]) -> IntArray:
    """[K] index, among all cells, of the one of stride 32 that each box's centre lies in."""
    stride = STRIDES[-1]
    rows, columns = (side // stride for side in size_px)
    first = sum((size_px[0] // each) * (size_px[1] // each) for each in STRIDES[:-1])
    centres = (boxes_xyxy_px[:, :2] + boxes_xyxy_px[:, 2:]) / 2
    at = (centres / stride).astype(np.int64)
    column, row = at[:, 0].clip(0, columns - 1), at[:, 1].clip(0, rows - 1)
    cells: IntArray = first + row * columns + column
    return cells


def _decode_boxes(boxes: FloatArray, corners: FloatArray, strides: FloatArray) -> FloatArray:
    """[K, 4] relative to [K, 2] cells of [K] strides -> [K, 4] cxcywh in input pixels."""
    centres = (boxes[:, :2] + corners) * strides[:, None]
    sizes = np.exp(np.minimum(boxes[:, 2:], _MAX_LOG_SIZE)) * strides[:, None]
    return np.concatenate([centres, sizes], axis=1)


def _kept_cells(objectness: FloatArray, strides: FloatArray) -> IntArray:
    """Indices of the cells that become tokens: the best of stride 8, all of 16 and 32."""
    num_fine = int((strides == STRIDES[0]).sum())
    best = np.sort(largest(objectness[:num_fine], _FINE_TOKENS))
    return np.concatenate([best, np.arange(num_fine, len(strides))])


def _named_by_imagenet(objectness: FloatArray, strides: FloatArray) -> IntArray:
    """Indices of the tokens that are told ImageNet's classes: all coarse ones, the best others.

    A thousand classes for every token would take as long as the pyramid.
    """
    is_coarse = strides == STRIDES[-1]
    finer = np.flatnonzero(~is_coarse)
    best = finer[largest(objectness[finer], _NAMED_FINE_TOKENS)]
    return np.concatenate([np.flatnonzero(is_coarse), best])


def _colours(rgb: NDArray[np.uint8], boxes_xyxy: FloatArray, objectness: FloatArray) -> FloatArray:
    """[K, 11] colours of the likeliest objects, zeros for the other tokens."""
    likely = largest(objectness, _COLOURED_TOKENS)
    shares = np.zeros((len(objectness), len(COLOURS)), np.float32)
    shares[likely] = colour_shares(rgb[::_COLOUR_STEP, ::_COLOUR_STEP], boxes_xyxy[likely])
    return shares


def _asked_colours(text: Text) -> FloatArray:
    """[11] what a text asks for: 1 for its colour, less for those that are taken for it."""
    colour = colour_of(text)
    if colour is None:
        return np.zeros(len(COLOURS), np.float32)
    return colour_match(np.eye(len(COLOURS), dtype=np.float32), colour)


def _pad_tokens(parts: dict[str, Any], most: int) -> dict[str, Any]:
    """Fill [1, N] and [1, N, ...] up to ``most`` tokens, with ones that the mask leaves out."""
    missing = most - parts["mask"].shape[1]
    return {
        name: np.pad(value, ((0, 0), (0, missing), *((0, 0),) * (value.ndim - 2)))
        for name, value in parts.items()
    }
