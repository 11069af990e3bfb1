from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from clipcrop import EncodedImage
from clipcrop.encoders.base import ImageTokens
from clipcrop_daemon.image_cache import ENTRY_BYTES, ImageCache
from clipcrop_wire.messages import Image

PIXELS = PIL.Image.new("RGB", (10, 10))
PIXEL_BYTES = ENTRY_BYTES + 10 * 10 * 4
TENSOR_BYTES = 4 * (100 * 8 + 100 * 4 + 100 * 4 + 100 + 3 * 4) + 100


def image_number(number: int) -> Image:
    return Image(10, 10, "rgb8", 30, hashlib.sha256(bytes([number])).digest(), is_inline=True)


def encode() -> EncodedImage:
    tokens = ImageTokens(
        tokens=np.zeros((1, 100, 8), np.float32),
        class_embeddings=np.zeros((1, 100, 4), np.float32),
        initial_boxes_cxcywh=np.zeros((1, 100, 4), np.float32),
        objectness=np.zeros((1, 100), np.float32),
        mask=np.ones((1, 100), bool),
    )
    return EncodedImage(tokens, np.zeros((3, 4), np.float32), 10, 10, seconds=0.1)


def test_what_was_kept_is_found_however_the_pixels_came():
    cache, encoded = ImageCache(10**6), encode()

    cache.keep(image_number(1), PIXELS)
    cache.keep_encoded(image_number(1), "lite", "cpu", encoded)

    by_hash = replace(image_number(1), is_inline=False)
    assert by_hash in cache
    assert cache.find(by_hash) is PIXELS
    assert cache.find_encoded(by_hash, "lite", "cpu") is encoded
    assert cache.num_images == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(image_number(2), id="other pixels"),
        pytest.param(replace(image_number(1), format="rgba8", stride=40), id="other format"),
        pytest.param(replace(image_number(1), stride=31), id="other rows"),
        pytest.param(replace(image_number(1), width_px=9), id="other width"),
        pytest.param(replace(image_number(1), height_px=9), id="other height"),
    ],
)
def test_an_image_that_differs_in_anything_is_another_image(other: Image):
    cache = ImageCache(10**6)

    cache.keep(image_number(1), PIXELS)

    assert other not in cache
    assert cache.find(other) is None


@pytest.mark.parametrize(("model", "device"), [("owlvit", "cpu"), ("lite", "cuda:0")])
def test_what_one_model_saw_is_not_taken_for_anothers(model: str, device: str):
    cache = ImageCache(10**6)
    cache.keep(image_number(1), PIXELS)

    cache.keep_encoded(image_number(1), "lite", "cpu", encode())

    assert cache.find_encoded(image_number(1), model, device) is None


def test_pixels_and_all_tensors_are_counted():
    cache = ImageCache(10**6)

    cache.keep(image_number(1), PIXELS)
    cache.keep_encoded(image_number(1), "lite", "cpu", encode())

    assert cache.num_bytes == PIXEL_BYTES + TENSOR_BYTES


def test_a_view_counts_the_memory_that_it_keeps_alive_once():
    large = np.zeros((1, 1000, 8), np.float32)
    encoded = encode()
    tokens = encoded.tokens._replace(tokens=large[:, :100], class_embeddings=large[:, 100:200, :4])
    cache = ImageCache(10**6)

    cache.keep(image_number(1), PIXELS)
    cache.keep_encoded(image_number(1), "lite", "cpu", replace(encoded, tokens=tokens))

    replaced = 4 * (100 * 8 + 100 * 4)
    assert cache.num_bytes == PIXEL_BYTES + TENSOR_BYTES - replaced + 4 * 1000 * 8


def test_what_was_not_used_longest_goes_first():
    cache = ImageCache(3 * PIXEL_BYTES)
    for number in (1, 2, 3):
        cache.keep(image_number(number), PIXELS)

    cache.find(image_number(1))
    cache.keep(image_number(4), PIXELS)

    assert [number for number in (1, 2, 3, 4) if image_number(number) in cache] == [1, 3, 4]


def test_the_bound_holds_after_every_insert():
    bound = 2 * PIXEL_BYTES + TENSOR_BYTES + 1
    cache = ImageCache(bound)

    for number in range(20):
        cache.keep(image_number(number % 7), PIXELS)
        assert cache.num_bytes <= bound
        cache.keep_encoded(image_number(number % 7), "lite", "cpu", encode())
        assert cache.num_bytes <= bound
        assert cache.find_encoded(image_number(number % 7), "lite", "cpu") is not None


def test_an_image_larger_than_the_bound_is_not_kept_and_pushes_nothing_out():
    cache = ImageCache(PIXEL_BYTES)
    cache.keep(image_number(1), PIXELS)

    cache.keep(image_number(2), PIL.Image.new("RGB", (11, 10)))

    assert image_number(2) not in cache
    assert image_number(1) in cache


def test_pixels_stay_where_only_what_the_model_saw_is_too_large():
    cache = ImageCache(PIXEL_BYTES + TENSOR_BYTES - 1)
    cache.keep(image_number(1), PIXELS)

    cache.keep_encoded(image_number(1), "lite", "cpu", encode())

    assert cache.find(image_number(1)) is PIXELS
    assert cache.find_encoded(image_number(1), "lite", "cpu") is None
    assert cache.num_bytes == PIXEL_BYTES


def test_what_a_model_saw_is_not_kept_of_an_image_that_is_not_held():
    cache = ImageCache(10**6)

    cache.keep_encoded(image_number(1), "lite", "cpu", encode())

    assert (cache.num_images, cache.num_bytes) == (0, 0)


def test_dropping_a_model_leaves_the_pixels_and_what_others_saw():
    cache, other = ImageCache(10**6), encode()
    cache.keep(image_number(1), PIXELS)
    cache.keep_encoded(image_number(1), "lite", "cuda:0", encode())
    cache.keep_encoded(image_number(1), "lite", "cpu", encode())
    cache.keep_encoded(image_number(1), "owlvit", "cpu", other)

    cache.drop_model("lite")

    assert cache.find(image_number(1)) is PIXELS
    assert cache.find_encoded(image_number(1), "lite", "cuda:0") is None
    assert cache.find_encoded(image_number(1), "lite", "cpu") is None
    assert cache.find_encoded(image_number(1), "owlvit", "cpu") is other
    assert cache.num_bytes == PIXEL_BYTES + TENSOR_BYTES
