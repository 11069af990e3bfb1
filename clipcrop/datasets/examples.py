"""Examples: a photo, what is asked for, and the crops that people made or rated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # NumPy is loaded when arrays are asked for: the command line reads this module
    from ..arrays import FloatArray

MIN_MOS, MAX_MOS = 1.0, 5.0
"""The scale of mean opinion scores."""


@dataclass(frozen=True, kw_only=True)
class RatedCrop:
    """One crop of a photo, as people judged it or drew it."""

    box_xyxy_px: tuple[float, float, float, float]
    """Left, top, right, bottom, in pixels of the photo as it was annotated."""

    rating: float | None = None
    """Mean opinion score, 1 to 5; None for a crop that an annotator drew as the best one."""

    def __post_init__(self) -> None:
        """Refuse boxes without area and ratings off the scale."""
        x0, y0, x1, y1 = self.box_xyxy_px
        if not all(math.isfinite(side) for side in self.box_xyxy_px) or x0 >= x1 or y0 >= y1:
            raise ValueError(
                f"a crop must go left to right and top to bottom, got {list(self.box_xyxy_px)}"
            )
        if self.rating is not None and not MIN_MOS <= self.rating <= MAX_MOS:
            raise ValueError(f"a rating must be {MIN_MOS:g} to {MAX_MOS:g}, got {self.rating}")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One photo with one text, as all readers give it."""

    photo: Path
    """The image file."""

    crops: tuple[RatedCrop, ...]
    """Of this photo and text: all rated (GAICD), or one for each annotator (the other sets)."""

    text: str = ""
    """What is asked for; empty where the set has no texts."""

    query_image: Path | None = None
    """An image that shows what is asked for, instead of a text or beside it."""

    split: str = "test"
    """Name of the part of its set: "train", "val", "test"."""

    size_px: tuple[int, int] | None = None
    """Width and height of the photo as it was annotated, which boxes count in; None for the size
    that the file has now."""

    source: str = ""
    """The file and line that it was read from, for messages."""

    def crops_xyxy(self, photo_size_px: tuple[int, int]) -> FloatArray:
        """[C, 4] the crops, normalised and cut at the photo's edges.

        Args:
            photo_size_px: Width and height of the photo, used where the annotation has none.
        """
        import numpy as np

        from ..boxes import as_boxes, clip_to_image

        width_px, height_px = self.size_px or photo_size_px
        boxes_px = as_boxes([crop.box_xyxy_px for crop in self.crops])
        size_px = np.array([width_px, height_px, width_px, height_px], np.float32)
        return clip_to_image(boxes_px / size_px)

    def ratings(self) -> FloatArray:
        """[C] the ratings, 1 to 5; a drawn crop counts as 5."""
        import numpy as np

        return np.array(
            [MAX_MOS if crop.rating is None else crop.rating for crop in self.crops], np.float32
        )
