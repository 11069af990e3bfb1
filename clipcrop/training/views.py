"""Views: what the network is shown of an example, another one each time.

Everything random in a view comes from the seed, the example and the view's number, so any process
makes the same one at any time: a training that was cut, or spread over processes, sees what one in
one piece would have seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from ..datasets import Example
from ..datasets.ratings import mos_to_quality
from ..errors import InputError
from ..imaging.images import LoadedImage, load_image
from .augmentation import jitter_colours, may_mirror, mirror, mirror_boxes
from .config import TrainConfig
from .mosaic import compose, into_tile


class View(NamedTuple):
    """One look at an example."""

    example: Example
    """What it shows, maybe among other photos."""

    image: Image.Image
    """RGB, as an encoder takes it."""

    crops_xyxy: Tensor
    """[C, 4] the example's crops, normalised to the image."""

    quality: Tensor
    """[C] how good they are, 0 to 1."""

    is_mosaic: bool
    """Other photos are in it, too."""


class ViewMaker:
    """Makes the views of a set of examples."""

    def __init__(self, examples: Sequence[Example], config: TrainConfig) -> None:
        self._examples = examples
        self._config = config
        self._has_others = len({one.photo for one in examples}) > 1

    def __len__(self) -> int:
        return len(self._examples)

    def number_of(self, epoch: int) -> int:
        """Which view of each example an epoch shows."""
        return epoch % self._config.views if self._config.views else epoch

    def make(self, index: int, number: int) -> View:
        """A view of an example, the same for the same numbers.

        Raises:
            InputError: A photo cannot be read; the message names the example's file and line.
        """
        config, example = self._config, self._examples[index]
        draw = random.Random(f"{config.seed} {index} {number}")
        side = draw.choice(config.mosaic_sides) if self._has_others else 1
        side_px = max(1, config.side_px // side)
        target, crops_xyxy = self._look(example, side_px, draw)
        others = [
            self._look(self._other(example, draw), side_px, draw)[0] for _ in range(side**2 - 1)
        ]
        place = draw.randrange(side**2)
        return View(
            example=example,
            image=compose(target, others, place),
            crops_xyxy=into_tile(crops_xyxy, place, side),
            quality=torch.from_numpy(mos_to_quality(example.ratings())),
            is_mosaic=side > 1,
        )

    def _look(
        self, example: Example, side_px: int, draw: random.Random
    ) -> tuple[Image.Image, Tensor]:
        """An augmented photo, and [C, 4] its crops in it."""
        photo = photo_of(example, side_px)
        image = jitter_colours(photo.rgb, self._config.jitter, draw)
        crops_xyxy = torch.from_numpy(example.crops_xyxy((photo.width_px, photo.height_px)))
        if draw.random() < self._config.flip and may_mirror(example.text):
            return mirror(image), mirror_boxes(crops_xyxy)
        return image, crops_xyxy

    def _other(self, example: Example, draw: random.Random) -> Example:
        """An example with another photo."""
        while True:
            other = draw.choice(self._examples)
            if other.photo != example.photo:
                return other


def plain_view(example: Example, side_px: int) -> View:
    """The example as it is, for validation."""
    photo = photo_of(example, side_px)
    return View(
        example=example,
        image=photo.rgb,
        crops_xyxy=torch.from_numpy(example.crops_xyxy((photo.width_px, photo.height_px))),
        quality=torch.from_numpy(mos_to_quality(example.ratings())),
        is_mosaic=False,
    )


def photo_of(example: Example, side_px: int) -> LoadedImage:
    """An example's photo, with its longer side at most so long.

    Raises:
        InputError: It cannot be read; the message names the example's file and line.
    """
    try:
        return load_image(example.photo, side_px)
    except InputError as exc:
        raise InputError(f"{example.source}: {exc}" if example.source else str(exc)) from exc
