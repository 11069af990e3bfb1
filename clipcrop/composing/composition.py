"""The composition score: how good a frame is, judged from the layout of objects in it.

It sees no pixels. A frame is described by where it lies in the image, each object by where it lies
in the frame (cut by an edge or not, headroom, thirds, size), and a small network, which learned
from people's ratings of crops, turns the set of objects into one quality. It works with the boxes
of every encoder and costs a few milliseconds for hundreds of frames.

Axes beside those of `clipcrop.encoders.base`:

F  frames of an image
K  objects of an image, best first
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import BoolArray, FloatArray
from ..errors import CheckpointError

EMBEDDED_WEIGHTS = Path(__file__).with_name("composition.safetensors")
FORMAT = "clipcrop-composition-2"

NUM_FRAME_FEATURES = 18
NUM_OBJECT_FEATURES = 15
NUM_RELATION_FEATURES = 31

NEAR = 0.03
"""An edge this close, in units of the frame or image, counts as almost touching."""

FAR = 1.5
"""Distances in units of the frame are cut off here: what lies farther out looks the same."""

FRAMES_AT_ONCE = 300
"""Frames are judged in parts of this many, whose intermediate values fit into a cache."""

MAX_KEY = 30.0
"""Keys of the attention are cut off here, so that their exponentials stay finite."""

MIN_SIZE = 1e-4
"""Smaller boxes are treated as if they had this side, so that nothing is divided by zero."""


@dataclass(frozen=True, kw_only=True)
class CompositionConfig:
    """Sizes of the network, kept in the metadata of its weights."""

    max_objects: int = 10
    """Objects beyond this many are ignored."""

    dim: int = 64
    """Width of every layer."""

    num_heads: int = 4
    """Ways of attending to the objects; must divide ``dim``."""

    def __post_init__(self) -> None:
        """Refuse what the layers would only refuse later, and less clearly."""
        if min(self.max_objects, self.dim, self.num_heads) < 1 or self.dim % self.num_heads:
            raise ValueError(
                f"max_objects, dim and num_heads must be positive and num_heads must divide dim, "
                f"got {self.max_objects}, {self.dim} and {self.num_heads}"
            )


def read_weights(path: Path) -> tuple[CompositionConfig, dict[str, FloatArray]]:
    """Read a file of weights.

    Returns:
        The sizes of the network, and its weights as float32 by name.

    Raises:
        CheckpointError: The file is missing, damaged, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            weights = {
                name: file.get_tensor(name).astype(np.float32)
                for name in file.keys()  # noqa: SIM118
            }
    except (OSError, SafetensorError) as exc:
        raise CheckpointError(
            f"cannot read the composition weights {path}: {exc}; install the package again"
        ) from exc
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} holds no composition weights: its format is "
            f"{metadata.get('format')!r}, expected {FORMAT!r}"
        )
    try:
        config = CompositionConfig(**json.loads(metadata["config"]))
        shapes = _shapes(config)
        if {name: part.shape for name, part in weights.items()} != shapes:
            raise ValueError("names or shapes of its tensors are not those of the network")
    except (KeyError, TypeError, ValueError) as exc:
        raise CheckpointError(
            f"the composition weights {path} are damaged: {exc}; install the package again"
        ) from exc
    if bad := [name for name, part in weights.items() if not np.isfinite(part).all()]:
        raise CheckpointError(
            f"the composition weights {path} are damaged: {bad[0]} holds values that are no "
            "numbers; install the package again"
        )
    return config, weights


def _shapes(config: CompositionConfig) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor of the network."""
    dim, heads = config.dim, config.num_heads
    linear = {
        "embed_frame": (dim, NUM_FRAME_FEATURES),
        "mix": (dim, dim),
        "attend": (heads, dim),
        "score_head.0": (dim, (heads + 2) * dim),
        "score_head.2": (dim, dim),
        "score_head.4": (1, dim),
    }
    return {
        "embed_object.weight": (dim, NUM_OBJECT_FEATURES),
        "embed_relation.weight": (dim, NUM_RELATION_FEATURES),
        "null_logit": (heads,),
        **{f"{name}.weight": shape for name, shape in linear.items()},
        **{f"{name}.bias": shape[:1] for name, shape in linear.items()},
    }


class CompositionScorer:
    """An attention-pooled set of objects and the frame's own geometry, to one quality.

    `composition_network.CompositionNetwork` is the same in PyTorch, where gradients are needed.

    Args:
        config: Sizes of the network.
        weights: By name, as `read_weights` gives them.
    """

    def __init__(self, config: CompositionConfig, weights: Mapping[str, FloatArray]) -> None:
        self.config = config
        # Transposed once, so that every product below is a plain one.
        self._weights = {
            name: np.ascontiguousarray(part.T, dtype=np.float32) for name, part in weights.items()
        }

    @classmethod
    def load(cls, path: Path | None = None) -> CompositionScorer:
        """Load weights, the embedded ones by default.

        Raises:
            CheckpointError: The file is missing, damaged, or holds something else.
        """
        return cls(*read_weights(path or EMBEDDED_WEIGHTS))

    def score(
        self,
        frames_xyxy: FloatArray,
        objects_xyxy: FloatArray,
        num_subjects: int,
        image_aspect: float,
    ) -> FloatArray:
        """How good each frame is.

        Args:
            frames_xyxy: [F, 4] frames to judge.
            objects_xyxy: [K, 4] objects in the image, the subjects that were asked for first, then
                best first; none is allowed.
            num_subjects: the first so many objects are what was asked for.
            image_aspect: width over height of the image in pixels.

        Returns:
            [F] quality, 0 to 1: a mean opinion score of 1 to 5, mapped linearly.
        """
        objects = _with_size(objects_xyxy[: self.config.max_objects].astype(np.float32))
        frames = _with_size(frames_xyxy.astype(np.float32))
        is_subject = np.arange(len(objects)) < num_subjects
        item = self._linear("embed_object", object_features(objects, is_subject, image_aspect))
        starts = range(0, len(frames), FRAMES_AT_ONCE)
        parts = [
            self._score(frames[at : at + FRAMES_AT_ONCE], objects, item, image_aspect)
            for at in starts
        ]
        quality = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return np.clip(quality, 0, 1)

    def _score(
        self, frames: FloatArray, objects: FloatArray, item: FloatArray, image_aspect: float
    ) -> FloatArray:
        """[F, 4] frames, [K, 4] objects, [K, dim] their embeddings -> [F] quality."""
        frame = self._linear("embed_frame", frame_features(frames, image_aspect))  # [F, dim]
        relation = self._linear("embed_relation", relation_features(frames, objects))
        relation += item  # [F, K, dim]
        relation += frame[:, None]
        mixed = _relu(self._linear("mix", _relu(relation)))

        # Attention with one more key, whose value is zero: nothing worth attending to. And one
        # more head, which takes every object as it is.
        keys = np.exp(np.minimum(self._linear("attend", mixed), MAX_KEY))  # [F, K, heads]
        weights = keys / (keys.sum(axis=1, keepdims=True) + np.exp(self._weights["null_logit"]))
        same = np.full_like(weights[..., :1], 1 / self.config.max_objects)
        weights = np.concatenate([weights, same], axis=-1).transpose(0, 2, 1)  # [F, heads + 1, K]
        pooled = (weights @ mixed).reshape(len(frames), -1)  # [F, (heads + 1) * dim]
        hidden = _relu(
            self._linear("score_head.0", np.concatenate([np.maximum(frame, 0), pooled], axis=-1))
        )
        hidden = _relu(self._linear("score_head.2", hidden))
        return self._linear("score_head.4", hidden)[:, 0]

    def _linear(self, name: str, values: FloatArray) -> FloatArray:
        weight = self._weights[f"{name}.weight"]
        result = values.reshape(-1, len(weight)) @ weight  # one product, not one for each frame
        if (bias := self._weights.get(f"{name}.bias")) is not None:
            result += bias
        return result.reshape(*values.shape[:-1], weight.shape[1])


def _relu(values: FloatArray) -> FloatArray:
    """In place."""
    return np.maximum(values, 0, out=values)


def _with_size(boxes_xyxy: FloatArray) -> FloatArray:
    """[N, 4] -> [N, 4] the same boxes, none of them without a size."""
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    return np.concatenate([low, np.maximum(high, low + np.float32(MIN_SIZE))], axis=1)


def frame_features(frames_xyxy: FloatArray, image_aspect: float) -> FloatArray:
    """Where each frame lies in its image: [F, 4] -> [F, features]."""
    low, high = frames_xyxy[:, :2], frames_xyxy[:, 2:]
    size = high - low
    centre = (high + low) / 2 - 0.5
    cut_off = np.concatenate([low, 1 - high], axis=1)
    image_shape = np.full((len(frames_xyxy), 1), np.log(image_aspect), np.float32)
    shape = np.log(size[:, :1] / size[:, 1:]) + image_shape
    return np.concatenate(
        [
            cut_off,
            np.exp(-np.abs(cut_off) / NEAR),
            size,
            centre,
            np.abs(centre),
            size[:, :1] * size[:, 1:],
            shape,
            np.abs(shape),
            image_shape,
        ],
        axis=1,
    )


def object_features(
    objects_xyxy: FloatArray, is_subject: BoolArray, image_aspect: float
) -> FloatArray:
    """What each object is, whatever the frame: [K, 4], [K] bool -> [K, features]."""
    low, high = objects_xyxy[:, :2], objects_xyxy[:, 2:]
    size = high - low
    edges = np.concatenate([low, 1 - high], axis=1)
    shape = np.log(size[:, :1] / size[:, 1:]) + np.float32(np.log(image_aspect))
    first = 1 / (1 + np.arange(len(size), dtype=np.float32)[:, None])
    return np.concatenate(
        [
            edges,
            np.exp(-np.abs(edges) / NEAR),
            size,
            np.sqrt(size[:, :1] * size[:, 1:]),
            np.clip(shape, -3, 3) / 2,
            np.abs(np.tanh(shape / 2)),
            first,
            is_subject[:, None].astype(np.float32),
        ],
        axis=1,
    )


def relation_features(frames_xyxy: FloatArray, objects_xyxy: FloatArray) -> FloatArray:
    """How each object lies in each frame: [F, 4], [K, 4] -> [F, K, features]."""
    frame, item = frames_xyxy[:, None], objects_xyxy[None]  # [F, 1, 4], [1, K, 4]
    frame_size = np.tile(frame[..., 2:] - frame[..., :2], 2)
    item_size = np.tile(item[..., 2:] - item[..., :2], 2)
    # Positive where the object keeps a distance to the frame's edge, negative where it is cut.
    gap = np.concatenate([item[..., :2] - frame[..., :2], frame[..., 2:] - item[..., 2:]], axis=-1)
    air = np.clip(gap / frame_size, -FAR, FAR)  # [F, K, 4]
    cut = np.clip(-gap / item_size, 0, 1)
    kept = np.maximum(1 - cut[..., :2] - cut[..., 2:], 0)  # share of width, of height
    kept_area = kept[..., :1] * kept[..., 1:]
    low = np.clip(air[..., :2], 0, 1)
    high = np.clip(1 - air[..., 2:], 0, 1)
    centre = (low + high) / 2
    seen = high - low
    seen_area = np.maximum(seen[..., :1], 0) * np.maximum(seen[..., 1:], 0)
    to_third = np.minimum(np.abs(centre - 1 / 3), np.abs(centre - 2 / 3))
    return np.concatenate(
        [
            air,
            cut,
            (cut > 0.01).astype(np.float32),
            np.exp(-np.abs(air) / NEAR),
            kept,
            kept_area,
            seen,
            np.sqrt(np.maximum(seen_area, 1e-12)),
            centre,
            np.abs(centre - 0.5),
            np.exp(-to_third / 0.1),
            np.tanh(air[..., :2] - air[..., 2:]),
            (kept_area > 0.98).astype(np.float32),
        ],
        axis=-1,
    )
