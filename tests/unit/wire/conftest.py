"""The wire's tests run alone too, on every Python with pytest and msgpack: nothing else in here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clipcrop_wire.client import Client
from clipcrop_wire.messages import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))
from fake_daemon import daemon, short_path  # noqa: F401 - fixtures


@pytest.fixture
def client(daemon):  # noqa: F811 - the fixture
    """Speaks to the fake daemon."""
    with Client(daemon.path, "test") as ready:
        yield ready


@pytest.fixture
def tiny_image():
    """An image of 4 x 2 pixels and its 24 bytes."""
    pixels = bytes(range(24))
    return Image.of(pixels, 4, 2, "rgb8"), pixels
