from __future__ import annotations

import pytest

from clipcrop_wire import protocol
from clipcrop_wire.errors import InvalidRequest, UnknownImage
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


def test_an_image_that_the_daemon_never_keeps_is_not_sent_for_ever(client, daemon, tiny_image):
    daemon.reply_of["suggest"] = lambda request: [
        protocol.encode_error(request.id, "suggest", UnknownImage("send the pixels"))
    ]

    with pytest.raises(UnknownImage):
        client.suggest(*tiny_image)

    assert len(daemon.requests) == 1


def test_beyond_the_limit_of_remembered_images_pixels_are_sent_again(client, daemon, monkeypatch):
    monkeypatch.setattr("clipcrop_wire.connection.MAX_HELD_IMAGES", 2)
    images = [bytes([number] * 3) for number in range(3)]

    for pixels in [*images, images[2], images[0]]:
        client.suggest(Image.of(pixels, 1, 1, "rgb8"), pixels)

    assert [len(one.pixels) for one in daemon.requests] == [1, 1, 1, 0, 1]


def test_pixels_of_another_size_than_the_image_are_not_sent(client, daemon, tiny_image):
    image, pixels = tiny_image

    with pytest.raises(InvalidRequest):
        client.suggest(image, pixels + b"x")

    assert daemon.received_bytes == 0
