"""How sure a score of the lite encoder is: the share of such matches that are right.

The same score means different things for a box of COCO's classes, a class of ImageNet, a region of
scenery and a face. `python -m clipcrop.training.lite calibrate` measures each on photos that the
network was not trained on, and writes the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import CheckpointError
from .lite_words import FACE, FIRST_KIND, FIRST_SCENE, NUM_COCO, NUM_CONCEPTS, PERSON

EMBEDDED_CALIBRATION = Path(__file__).with_name("lite_calibration.json")

KINDS = (
    "objects",
    "outshone objects",
    "likened objects",
    "classes",
    "likened classes",
    "scenery",
    "faces",
)
"""What may give most of a score: COCO's classes, ImageNet's, ADE20K's, a face.

Outshone: the token is rather another COCO class (a dog that is rather a cat). Likened: the text
names something else too, of which the class is only a kind or a neighbour ("desk": a dining table).
"""

_PARTS = {
    "objects": slice(0, NUM_COCO),
    "classes": slice(NUM_COCO, FIRST_SCENE),
    "scenery": slice(FIRST_SCENE, FACE),
    "faces": slice(FACE, FIRST_KIND),
}

_OF_A_KIND = 0.7, 0.25
"""A match of a kind of people ("woman") is as sure as that of a person, up to the first number and
the second one times its score: looks choose among the people found, and drop none of them."""

_OWN_NAME = 0.8  # of a text's largest weight: a COCO class with as much is what the text names


class Curve(NamedTuple):
    """Score -> share that is right, linear between points."""

    scores: tuple[float, ...]
    """Rising, from 0 to 1."""

    right: tuple[float, ...]
    """Rising, one for each score."""


class Calibration:
    """A curve for each kind of concept."""

    def __init__(self, curves: Mapping[str, Curve]) -> None:
        self._curves = dict(curves)

    @classmethod
    def none(cls) -> Calibration:
        """Leaves scores as they are: what the curves are measured with."""
        return cls(dict.fromkeys(KINDS, Curve((0.0, 1.0), (0.0, 1.0))))

    @classmethod
    def read(cls, file: Path) -> Calibration:
        """Read the table.

        Raises:
            CheckpointError: It is missing or damaged.
        """
        try:
            table = json.loads(file.read_text(encoding="utf-8"))
            return cls(
                {
                    kind: Curve(*zip(*((float(x), float(y)) for x, y in table[kind]), strict=True))
                    for kind in KINDS
                }
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise CheckpointError(
                f"the calibration at {file} is damaged ({exc}); install it anew"
            ) from exc

    def write(self, file: Path) -> None:
        """Write the table: points of each curve."""
        points = {
            kind: [list(point) for point in zip(*curve, strict=True)]
            for kind, curve in self._curves.items()
        }
        lines = (f"  {json.dumps(kind)}: {json.dumps(of_kind)}" for kind, of_kind in points.items())
        file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    def confidence(
        self, class_embeddings: FloatArray, text_embeddings: FloatArray, scores: FloatArray
    ) -> FloatArray:
        """The share of such matches that are right.

        Args:
            class_embeddings: [B, N, E] of tokens.
            text_embeddings: [W, E] or more, of texts.
            scores: [B, W, N] of the same.

        Returns:
            [B, W, N] by the curve of the kind that gives most of the score.
        """
        kind = kinds(class_embeddings, text_embeddings)
        confidence: FloatArray = np.empty_like(scores)
        for index, name in enumerate(KINDS):
            is_kind = kind == index
            confidence[is_kind] = np.interp(scores[is_kind], *self._curves[name])
        rows = np.flatnonzero(text_embeddings[:, :NUM_CONCEPTS].argmax(axis=1) >= FIRST_KIND)
        if len(rows):
            least, slope = _OF_A_KIND
            person = np.interp(class_embeddings[:, None, :, PERSON], *self._curves["objects"])
            confidence[:, rows] = np.minimum(person, least + slope * scores[:, rows])
        return confidence


def kinds(class_embeddings: FloatArray, text_embeddings: FloatArray) -> IntArray:
    """[B, W, N] index in `KINDS` of what gives most of each score."""
    parts = {name: text_embeddings[:, part] for name, part in _PARTS.items()}
    shares = [
        weights @ class_embeddings[:, :, _PARTS[name]].swapaxes(1, 2)
        if weights.any()
        else np.zeros((len(class_embeddings), len(weights), class_embeddings.shape[1]), np.float32)
        for name, weights in parts.items()  # most texts have weights in one part only
    ]
    direct = np.array([KINDS.index(part) for part in _PARTS])[np.argmax(shares, axis=0)]
    highest = {name: weights.max(axis=1) for name, weights in parts.items()}
    has_scenery = (highest["scenery"] > 0)[:, None]
    is_neighbour = has_scenery | (highest["objects"] < _OWN_NAME * highest["classes"])[:, None]
    likeliest = class_embeddings[:, :, _PARTS["objects"]].argmax(axis=2)  # [B, N]
    is_other = text_embeddings[:, likeliest].swapaxes(0, 1) < (
        _OWN_NAME * highest["objects"][:, None]
    )
    is_object = direct == KINDS.index("objects")
    found = np.where(is_object & is_other, KINDS.index("outshone objects"), direct)
    found = np.where(is_object & is_neighbour, KINDS.index("likened objects"), found)
    is_class = direct == KINDS.index("classes")
    result: IntArray = np.where(is_class & has_scenery, KINDS.index("likened classes"), found)
    return result
