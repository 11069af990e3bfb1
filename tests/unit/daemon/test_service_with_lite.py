from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
from service_with_fakes import suggest

from clipcrop import Constraints, Predictor, Suggestions
from clipcrop.imaging.images import load_image
from clipcrop_daemon.pipes import WorkerOptions
from clipcrop_daemon.service import Service, make_service
from clipcrop_wire import protocol
from clipcrop_wire.messages import (
    Image,
    SuggestReply,
)


@pytest.fixture(scope="module")
def real() -> Service:
    """The lite model on the CPU, as the model process has it."""
    return make_service(WorkerOptions(model="lite", device="cpu", threads=1))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    """The same without the daemon."""
    return Predictor.load("lite", "cpu")


@pytest.fixture(scope="module")
def astronaut(samples: Path) -> PIL.Image.Image:
    """512 x 512 pixels: a woman, a flag, a model of a shuttle."""
    return load_image(samples / "astronaut.jpg").rgb


def wire_image(image: PIL.Image.Image, image_format: str = "rgb8") -> tuple[Image, bytes]:
    data = image.tobytes()
    return Image.of(data, *image.size, image_format), data


def crops_of(reply: SuggestReply | Suggestions) -> list[tuple[object, ...]]:
    crops = reply.suggestions if isinstance(reply, SuggestReply) else reply.crops
    return [(crop.crop_xyxy, crop.crop_px, crop.quality) for crop in crops]


OPTIONS = [
    pytest.param({"prompt": "the woman"}, {"prompt": "the woman"}, id="prompt"),
    pytest.param(
        {"prompt": "the woman", "exclude": ("the flag",), "count": 3},
        {"prompt": "the woman", "exclude": ("the flag",), "count": 3},
        id="exclude and count",
    ),
    pytest.param(
        {"prompt": "the woman", "aspect": 1.0, "min_width_px": 200},
        {"prompt": "the woman", "constraints": Constraints(aspect=1.0, min_width_px=200)},
        id="constraints",
    ),
]


@pytest.mark.parametrize(("asked", "directly"), OPTIONS)
def test_the_answer_is_the_predictors(
    real: Service,
    predictor: Predictor,
    astronaut: PIL.Image.Image,
    asked: dict[str, object],
    directly: dict[str, object],
):
    image, data = wire_image(astronaut)

    reply = suggest(real, image, pixels=(data,), **asked)
    found = predictor.suggest(predictor.encode(astronaut), **directly)

    assert crops_of(reply) == crops_of(found)
    assert reply.suggestions
    assert [one.text for one in reply.matched] == [one.text for one in found.matched]
    assert (reply.model, reply.device, reply.kind) == ("lite", "cpu", found.kind)
    assert set(reply.seconds) >= {"decode", "load", "encode", "search"}
    assert protocol.encode_reply("r1", "suggest", reply)


def test_the_answer_for_a_hash_is_that_for_its_pixels(real: Service, astronaut: PIL.Image.Image):
    image, data = wire_image(astronaut)
    inline = suggest(real, image, "the flag", pixels=(data,))

    by_hash = suggest(real, replace(image, is_inline=False), "the flag")

    assert inline.is_image_cached
    assert replace(by_hash, seconds={}) == replace(inline, seconds={})


@pytest.mark.parametrize("image_format", ["rgba8", "bgra8", "rgb8 with padded rows"])
def test_the_answer_does_not_depend_on_how_pixels_are_written(
    real: Service, astronaut: PIL.Image.Image, image_format: str
):
    image, data = wire_image(astronaut)
    expected = suggest(real, image, "the woman", pixels=(data,))
    if image_format == "rgba8":
        other, other_data = wire_image(astronaut.convert("RGBA"), "rgba8")
    elif image_format == "bgra8":
        red, green, blue, alpha = astronaut.convert("RGBA").split()
        swapped = PIL.Image.merge("RGBA", (blue, green, red, alpha))
        other, other_data = wire_image(swapped, "bgra8")
    else:
        rows = (data[start:][: 512 * 3] for start in range(0, len(data), 512 * 3))
        other_data = b"".join(row + b"\xee" * 5 for row in rows)
        other = Image.of(other_data, 512, 512, "rgb8")

    reply = suggest(real, other, "the woman", pixels=(other_data,))

    assert other.sha256 != image.sha256
    assert crops_of(reply) == crops_of(expected)


def test_pixels_of_crops_are_those_of_the_original(real: Service, astronaut: PIL.Image.Image):
    image, data = wire_image(astronaut)

    reply = suggest(
        real, image, "the woman", pixels=(data,), original_width_px=4000, original_height_px=4000
    )

    assert max(side for crop in reply.suggestions for side in crop.crop_px) > 512
    for crop in reply.suggestions:
        assert crop.crop_xyxy == pytest.approx([side / 4000 for side in crop.crop_px], abs=1e-6)


def test_an_example_image_stands_for_words(
    real: Service, predictor: Predictor, astronaut: PIL.Image.Image
):
    example = astronaut.crop((100, 0, 350, 250))
    (image, data), (query, query_data) = wire_image(astronaut), wire_image(example)

    reply = suggest(real, image, "", pixels=(data, query_data), image_query=query)
    found = predictor.suggest(predictor.encode(astronaut), image_query=example)

    assert crops_of(reply) == crops_of(found)
    assert [one.text for one in reply.matched] == ["image query"]


def test_grey_pixels_are_taken(real: Service, predictor: Predictor, astronaut: PIL.Image.Image):
    grey = astronaut.convert("L")
    image, data = wire_image(grey, "gray8")

    reply = suggest(real, image, "the woman", pixels=(data,))

    assert crops_of(reply) == crops_of(predictor.suggest(predictor.encode(grey), "the woman"))
