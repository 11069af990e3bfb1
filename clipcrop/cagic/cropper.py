"""CAGIC from a photo and words to crops."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..arrays import FloatArray
from ..composing.candidates import to_pixels
from ..constraints import Constraints
from ..device import memory_errors_named
from ..imaging.images import LoadedImage
from ..suggestions import Suggestion, Suggestions
from .base import Aesthetics, Captioner, Judge, Reading
from .optimise import Optimum, SearchProgress, minimise
from .options import CagicOptions
from .sampler import Crops, Pyramid
from .space import CropSpace
from .weights import load_networks


@dataclass(frozen=True)
class SearchResult:
    """What a search found, and how it went."""

    optimum: Optimum
    """Crops, losses, the path."""

    reading: Reading
    """Whether the captioner knew what to look for."""

    seconds: float
    """What the search took."""


class Cagic:
    """A captioner and an aesthetic network, ready to be asked.

    Args:
        captioner: Says what is in a crop.
        aesthetics: Says how good it looks; on the captioner's device.
        options: How to search.
    """

    def __init__(
        self, captioner: Captioner, aesthetics: Aesthetics, options: CagicOptions | None = None
    ) -> None:
        self.options = options or CagicOptions()
        self.name = f"CAGIC ({captioner.name}; {aesthetics.name})"
        self._captioner = captioner
        self._aesthetics = aesthetics

    @classmethod
    def load(
        cls,
        captioner: str = "auto",
        aesthetics: str = "auto",
        *,
        model: str | Path = "auto",
        device: str = "auto",
        options: CagicOptions | None = None,
    ) -> Cagic:
        """Load the networks, or their stand-ins; see `load_networks` for arguments and errors."""
        return cls(*load_networks(captioner, aesthetics, model=model, device=device), options)

    def search(
        self,
        image: LoadedImage,
        prompt: str,
        constraints: Constraints | None = None,
        on_step: Callable[[SearchProgress], None] | None = None,
    ) -> SearchResult:
        """Search for crops of the least L_caption + lambda L_aesthetic.

        Ctrl-C ends the search with the best until then; the result says so.

        Args:
            image: Any photo.
            prompt: What the crop should show.
            constraints: Aspect ratio and minimum size; free by default.
            on_step: Called after every step.

        Raises:
            InputError: The constraints don't fit the photo, or the prompt is of no use.
            OutOfMemory: The device has no room; a smaller batch size needs less.
        """
        started = time.perf_counter()
        device = self._captioner.device
        with memory_errors_named(device):
            space = CropSpace.of_photo(
                image.width_px, image.height_px, constraints or Constraints()
            )
            reading = self._captioner.read(image, prompt)
            weight = self.options.aesthetic_weight
            looks = self._aesthetics.read(image) if weight else None
            loss = total_loss(Pyramid.of_image(image.rgb, device), reading.loss, looks, weight)
            optimum = minimise(loss, space, self.options, device=device, on_step=on_step)
        return SearchResult(optimum, reading, time.perf_counter() - started)

    def suggestions(
        self,
        found: SearchResult,
        image: LoadedImage,
        constraints: Constraints | None = None,
        count: int = 8,
    ) -> Suggestions:
        """What was found, as the other methods' suggestions; in whole pixels of the original.

        The quality of a crop is exp(least loss - its loss): 1 for the best.
        """
        constraints = constraints or Constraints()
        width_px, height_px = image.width_px, image.height_px
        frames_px = to_pixels(
            found.optimum.boxes_xyxy[:count].numpy(),
            width_px,
            height_px,
            constraints.ratio(width_px, height_px),
            (constraints.min_width_px, constraints.min_height_px),
        )
        frames_xyxy = frames_px / np.array([width_px, height_px, width_px, height_px])
        losses = found.optimum.losses[:count]
        quality = (losses.min() - losses).exp()
        rows = zip(frames_xyxy.tolist(), frames_px.tolist(), quality.tolist(), strict=True)
        return Suggestions(
            model=self.name,
            kind="match" if found.reading.is_found else "general",
            is_well_framed=False,
            matched=found.reading.matched,
            dropped=found.reading.dropped,
            excluded=(),
            crops=tuple(Suggestion(tuple(xyxy), tuple(px), good) for xyxy, px, good in rows),
            seconds=found.seconds,
        )

    def crops(self, image: LoadedImage, prompt: str) -> FloatArray:
        """[C, 4] crops xyxy, normalised, best first, C at least 1: as the evaluation asks."""
        crops: FloatArray = self.search(image, prompt).optimum.boxes_xyxy.numpy()
        return crops


def total_loss(
    pyramid: Pyramid, caption_loss: Judge, looks: Judge | None, weight: float
) -> Callable[[Tensor], Tensor]:
    """The function [R, 4] crops xyxy -> [R] L_total that is minimised."""

    def loss(boxes_xyxy: Tensor) -> Tensor:
        crops = Crops(boxes_xyxy, pyramid)
        total = caption_loss(crops)
        return total if looks is None else total - weight * looks(crops)

    return loss
