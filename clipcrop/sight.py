"""An encoder that keeps its last output, for several questions about one photo."""

from __future__ import annotations

from .imaging.images import LoadedImage
from .predictor import EncodedImage, Predictor


class Sight:
    """An encoder that runs once for consecutive requests about one photo.

    Args:
        predictor: The encoder, and what finds objects in what it sees.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._last: tuple[LoadedImage, EncodedImage] | None = None

    def __call__(self, photo: LoadedImage) -> EncodedImage:
        """The photo as the encoder sees it."""
        if self._last is None or self._last[0] is not photo:
            self._last = (photo, self.predictor.encode(photo))
        return self._last[1]
