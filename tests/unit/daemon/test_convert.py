from __future__ import annotations

import PIL.Image
import pytest

from clipcrop.errors import InputError
from clipcrop.imaging.images import prepare_image
from clipcrop.suggestions import UNKNOWN, Detection, Dropped, Suggestion, Suggestions, Understood
from clipcrop_daemon.convert import constraints_of, decode_pixels, suggest_reply
from clipcrop_daemon.model_pool import Resident
from clipcrop_wire import protocol
from clipcrop_wire.messages import Image, SuggestRequest


@pytest.fixture(scope="module")
def photo() -> PIL.Image.Image:
    """Every pixel of another colour; no two sides and no two channels alike."""
    image = PIL.Image.new("RGB", (7, 5))
    image.putdata([(x * 30, y * 50, 255 - x * y) for y in range(5) for x in range(7)])
    return image


def with_padding(data: bytes, rows: int, padding: int) -> bytes:
    size = len(data) // rows
    return b"".join(data[row * size :][:size] + b"\xee" * padding for row in range(rows))


def decode(data: bytes, image_format: str) -> PIL.Image.Image:
    return decode_pixels(Image.of(data, 7, 5, image_format), memoryview(data).toreadonly())


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 256])
@pytest.mark.parametrize("image_format", ["gray8", "rgb8", "rgba8", "bgra8"])
def test_pixels_of_every_format_come_out_as_they_went_in(
    photo: PIL.Image.Image, image_format: str, padding: int
):
    red, green, blue = photo.split()
    opaque = PIL.Image.new("L", photo.size, 255)
    channels = {
        "gray8": (red,),
        "rgb8": (red, green, blue),
        "rgba8": (red, green, blue, opaque),
        "bgra8": (blue, green, red, opaque),
    }[image_format]
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[len(channels)]
    data = PIL.Image.merge(mode, channels).tobytes()

    decoded = decode(with_padding(data, 5, padding), image_format)

    expected = red.convert("RGB") if image_format == "gray8" else photo
    assert (decoded.mode, decoded.size) == ("RGB", (7, 5))
    assert decoded.tobytes() == expected.tobytes()


def test_transparency_shows_the_librarys_backdrop(photo: PIL.Image.Image):
    transparent = photo.copy()
    transparent.putalpha(PIL.Image.new("L", photo.size, 100))

    decoded = decode(transparent.tobytes(), "rgba8")

    assert decoded.tobytes() == prepare_image(transparent).rgb.tobytes()
    assert decoded.tobytes() != photo.tobytes()


@pytest.mark.parametrize("image_format", ["gray8", "rgb8", "rgba8"])
def test_pixels_are_copied(image_format: str):
    data = bytearray(b"\xff" * 64 * Image.of(b"\0" * 4, 1, 1, "rgba8").num_bytes)
    image = Image.of(
        data[: 64 * {"gray8": 1, "rgb8": 3, "rgba8": 4}[image_format]], 8, 8, image_format
    )

    decoded = decode_pixels(image, memoryview(data)[: image.num_bytes])
    data[:] = bytes(len(data))

    assert decoded.getpixel((3, 3)) == (255, 255, 255)


def test_a_large_image_is_reduced():
    data = bytes(4096 * 8)

    decoded = decode_pixels(Image.of(data, 4096, 8, "gray8"), memoryview(data))

    assert decoded.size == (1024, 2)


def request(**options: object) -> SuggestRequest:
    return SuggestRequest(Image.of(bytes(12), 2, 2, "rgb8"), **options)


@pytest.mark.parametrize("aspect", [None, "original", 1.5])
def test_constraints_are_those_of_the_request(aspect: str | float | None):
    asked = request(
        aspect=aspect, min_width_px=3, min_height_px=4, original_width_px=60, original_height_px=40
    )

    constraints = constraints_of(asked)

    assert constraints.aspect == aspect
    assert (constraints.min_width_px, constraints.min_height_px) == (3, 4)


def test_a_minimum_size_is_measured_on_the_original():
    assert constraints_of(request(min_width_px=600, original_width_px=600, original_height_px=9))
    with pytest.raises(InputError, match="does not fit"):
        constraints_of(request(min_width_px=600))


def suggestions(**changes: object) -> Suggestions:
    values = {
        "model": "lite",
        "kind": "match",
        "is_well_framed": False,
        "matched": (),
        "dropped": (),
        "excluded": (),
        "crops": (),
        "seconds": 0.1,
    }
    return Suggestions(**values | changes)


def reply_to(found: Suggestions, notes: tuple[str, ...] = ()):
    resident = Resident(None, "lite", "cuda:0", notes)
    return suggest_reply(found, resident, is_image_cached=True, seconds={"search": 0.5})


def test_a_reply_says_what_the_predictor_found():
    found = suggestions(
        is_well_framed=True,
        matched=(Detection("dog", 0.5, (0.1, 0.2, 0.3, 0.4), is_sure=False),),
        dropped=(Dropped("cat", 0.01, "too unlike"), Dropped("zorb", 0.0, UNKNOWN)),
        excluded=(Detection("car", 0.4, (0.5, 0.6, 0.7, 0.8)),),
        crops=(Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, 5, 9), 0.75, width="wide"),),
        notes=("not used: 4:5",),
        understood=Understood(
            kept=("dog (left)",),
            left_out=("car",),
            aspect="4:5",
            space=("above",),
            corrected=(("umbrela", "umbrella"),),
        ),
    )

    reply = reply_to(found, ("a note",))

    assert reply.to_map() == {
        "model": "lite",
        "device": "cuda:0",
        "kind": "match",
        "is_well_framed": True,
        "is_image_cached": True,
        "matched": [
            {"text": "dog", "score": 0.5, "box_xyxy": [0.1, 0.2, 0.3, 0.4], "is_sure": False}
        ],
        "dropped": [
            {"text": "cat", "score": 0.01, "reason": "too unlike", "is_unknown": False},
            {"text": "zorb", "score": 0.0, "reason": UNKNOWN, "is_unknown": True},
        ],
        "excluded": [
            {"text": "car", "score": 0.4, "box_xyxy": [0.5, 0.6, 0.7, 0.8], "is_sure": True}
        ],
        "suggestions": [
            {
                "crop_xyxy": [0.0, 0.0, 0.5, 1.0],
                "crop_px": [0, 0, 5, 9],
                "quality": 0.75,
                "width": "wide",
            }
        ],
        "seconds": {"search": 0.5},
        "notes": ["a note", "not used: 4:5"],
        "understood": {
            "kept": ["dog (left)"],
            "whole": [],
            "left_out": ["car"],
            "aspect": "4:5",
            "width": "",
            "space": ["above"],
            "corrected": [["umbrela", "umbrella"]],
        },
    }


def test_what_is_over_the_wires_limits_is_cut():
    box = (-1e-7, 0.0, 1.0000001, 1.0)
    found = suggestions(
        matched=(Detection("x" * 600, 1.0000001, box),) * 100,
        dropped=(Dropped("x" * 600, -1e-9, "y" * 300),) * 100,
        excluded=(Detection("x" * 600, 0.5, box),) * 100,
        crops=(Suggestion(box, (0, 0, 5, 9), 1.0000001),) * 50,
    )

    reply = reply_to(found, ("z" * 300,) * 10)

    sizes = [len(reply.matched), len(reply.dropped), len(reply.excluded), len(reply.suggestions)]
    assert sizes == [64, 64, 64, 32]
    assert reply.matched[0].box_xyxy == reply.suggestions[0].crop_xyxy == (0.0, 0.0, 1.0, 1.0)
    assert (reply.matched[0].score, reply.dropped[0].score) == (1.0, 0.0)
    assert reply.suggestions[0].quality == 1.0
    assert protocol.encode_reply("a", "suggest", reply)
