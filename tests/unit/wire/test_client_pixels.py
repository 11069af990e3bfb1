from __future__ import annotations

import pytest

from clipcrop_wire.errors import InvalidRequest
from clipcrop_wire.messages import Image, SuggestReply, SuggestRequest


def test_pixels_arrive_as_they_were(client, daemon, tiny_image):
    image, pixels = tiny_image

    reply = client.suggest(image, pixels, "the dog", count=3)

    (request,) = [one for one in daemon.requests if one.kind == "suggest"]
    assert reply == SuggestReply("lite", "cpu", "general", False, True)
    assert request.body == SuggestRequest(image, "the dog", count=3)
    assert [bytes(part) for part in request.pixels] == [pixels]


def test_large_pixels_arrive_whole(client, daemon):
    pixels = bytes(2048 * 1024 * 3)
    image = Image.of(pixels, 2048, 1024, "rgb8")

    client.suggest(image, pixels)

    assert daemon.requests[-1].pixels[0].nbytes == len(pixels)


def test_an_image_query_travels_behind_the_image(client, daemon, tiny_image):
    image, pixels = tiny_image
    query_pixels = b"\7" * 9
    query = Image.of(query_pixels, 3, 3, "gray8")

    client.suggest(image, pixels, image_query=query, image_query_pixels=query_pixels)

    assert [bytes(part) for part in daemon.requests[-1].pixels] == [pixels, query_pixels]


def test_pixels_that_the_daemon_holds_are_not_sent_again(client, daemon, tiny_image):
    client.suggest(*tiny_image, "the dog")

    client.suggest(*tiny_image, "the cat")

    assert daemon.requests[-1].body.prompt == "the cat"
    assert daemon.requests[-1].pixels == ()


def test_pixels_that_the_daemon_let_go_of_are_sent_again(client, daemon, tiny_image):
    client.suggest(*tiny_image, "the dog")
    daemon.holds.clear()

    client.suggest(*tiny_image, "the cat")

    sent = [len(one.pixels) for one in daemon.requests if one.kind == "suggest"]
    assert sent == [1, 0, 1]


def test_only_so_many_images_are_remembered(client, daemon):
    for number in range(20):
        pixels = bytes([number] * 3)
        client.suggest(Image.of(pixels, 1, 1, "rgb8"), pixels)

    assert len(client._held) <= 16


def test_pixels_of_another_size_than_the_image_are_not_sent(client, daemon, tiny_image):
    image, pixels = tiny_image

    with pytest.raises(InvalidRequest):
        client.suggest(image, pixels + b"x")

    assert daemon.received_bytes == 0
