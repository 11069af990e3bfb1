"""A tower that remembers what it saw last, for those who ask about one photo again and again."""

from __future__ import annotations

from .images import LoadedImage
from .predictor import EncodedImage, Predictor


class Sight:
    """A tower that looks once at each photo, whoever asks, as long as none lies between.

    Args:
        predictor: The tower, and what finds objects in what it sees.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._last: tuple[LoadedImage, EncodedImage] | None = None

    def __call__(self, photo: LoadedImage) -> EncodedImage:
        """The photo as the tower sees it."""
        if self._last is None or self._last[0] is not photo:
            self._last = (photo, self.predictor.encode(photo))
        return self._last[1]
