from __future__ import annotations

import hashlib

import pytest

from clipcrop_plugin.geometry import Placement, Size
from clipcrop_plugin.picture import MAX_SIDE_PX, Picture, Raster, reduced_size
from clipcrop_wire.errors import MalformedMessage


def test_a_large_image_is_read_with_its_longer_side_reduced():
    assert reduced_size(8000, 6000) == (MAX_SIDE_PX, 768)
    assert reduced_size(6000, 8000) == (768, MAX_SIDE_PX)
    assert reduced_size(1, 1) == (1, 1)


def test_a_picture_knows_what_its_pixels_are():
    pixels = bytes(range(24))

    picture = Picture.of(pixels, 4, 2, "rgb8", Placement.of_canvas(Size(400, 200)))

    assert picture.raster.size == (4, 2)
    assert picture.raster.image.sha256 == hashlib.sha256(pixels).digest()
    assert picture.raster.pixels is pixels


def test_bytes_that_are_no_image_are_refused():
    with pytest.raises(MalformedMessage, match="stride"):
        Raster(bytes(10), 4, 2, "rgb8")
