"""Random views: of the right shape, made of the photos, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from clipcrop.training.lite.photos import PhotoPool
from clipcrop.training.lite.views import random_view


@pytest.fixture
def pool() -> PhotoPool:
    """Three made photos of plain colours and awkward shapes."""
    shapes = ((40, 60), (200, 30), (17, 17))
    pixels = tuple(
        np.full((*shape, 3), 60 * (number + 1), np.uint8) for number, shape in enumerate(shapes)
    )
    return PhotoPool(("a", "b", "c"), pixels, np.array([0.5, 0.3, 0.2]))


def test_the_same_seed_gives_the_same_view(pool: PhotoPool):
    views = [random_view(pool, np.random.default_rng(7), 96) for _ in range(2)]

    assert np.array_equal(*views)


def test_views_are_square_rgb_whatever_the_photos_are(pool: PhotoPool):
    rng = np.random.default_rng(0)

    views = [random_view(pool, rng, 96) for _ in range(60)]

    assert {(view.shape, view.dtype) for view in views} == {((96, 96, 3), np.dtype(np.uint8))}
    assert len({view.tobytes() for view in views}) > 50
