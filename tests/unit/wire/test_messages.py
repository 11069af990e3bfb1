from __future__ import annotations

import hashlib
import math

import pytest

from clipcrop_wire.errors import ERROR_CODES, MalformedMessage, RequestError
from clipcrop_wire.messages import (
    BYTES_PER_PIXEL,
    MAX_SIDE_PX,
    Detection,
    Image,
    Progress,
    StatusReply,
    SuggestReply,
    SuggestRequest,
    WarmRequest,
)
from clipcrop_wire.rules import rows, shown

HASH = bytes(32)
IMAGE = Image(4, 2, "rgb8", 12, HASH, True)


def test_an_image_describes_its_pixels():
    pixels = bytes(range(32))

    image = Image.of(pixels, 5, 2, "rgb8")

    assert image == Image(5, 2, "rgb8", 16, hashlib.sha256(pixels).digest(), True)
    assert image.num_bytes == 32


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_pixels_may_be_in_any_buffer(kind):
    assert Image.of(kind(bytes(24)), 4, 2, "rgb8").stride == 12


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((0, 2, "rgb8", 12, HASH, True), id="no columns"),
        pytest.param((MAX_SIDE_PX + 1, 1, "gray8", MAX_SIDE_PX + 1, HASH, True), id="too wide"),
        pytest.param((4, 2, "rgb8", 11, HASH, True), id="rows cut short"),
        pytest.param((4, 2, "rgb8", 12 + 257, HASH, True), id="rows padded too much"),
        pytest.param((4, 2, "rgb16", 24, HASH, True), id="format"),
        pytest.param((4, 2, "rgb8", 12, HASH[1:], True), id="hash"),
        pytest.param((4, 2, "rgb8", 12, HASH, 1), id="1 for true"),
        pytest.param((True, 2, "rgb8", 12, HASH, True), id="true for 1"),
        pytest.param((4.0, 2, "rgb8", 12, HASH, True), id="fraction"),
        pytest.param(
            (MAX_SIDE_PX, MAX_SIDE_PX, "rgba8", MAX_SIDE_PX * 4 + 1, HASH, True), id="big"
        ),
    ],
)
def test_an_image_that_cannot_be_is_refused(values):
    with pytest.raises(MalformedMessage):
        Image(*values)


@pytest.mark.parametrize("height", [0, -1, 5, 1.5, None])
def test_pixels_that_are_no_whole_rows_are_refused(height):
    with pytest.raises(MalformedMessage):
        Image.of(bytes(24), 4, height, "rgb8")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"prompt": "x" * 513}, id="prompt too long"),
        pytest.param({"prompt": "\udfff"}, id="prompt that UTF-8 cannot carry"),
        pytest.param({"prompt": b"dog"}, id="prompt in bytes"),
        pytest.param({"exclude": ["car"]}, id="a list, which can change"),
        pytest.param({"exclude": ("car",) * 9}, id="too many exclusions"),
        pytest.param({"aspect": 0.0}, id="aspect of nothing"),
        pytest.param({"aspect": math.nan}, id="aspect that is no number"),
        pytest.param({"aspect": math.inf}, id="aspect without end"),
        pytest.param({"aspect": "3:2"}, id="aspect as text"),
        pytest.param({"aspect": True}, id="aspect true"),
        pytest.param({"original_width_px": 10}, id="half an original size"),
        pytest.param({"min_width_px": 0}, id="no width"),
        pytest.param({"count": 33}, id="count"),
        pytest.param({"model": "a/b"}, id="model with a slash"),
        pytest.param({"model": ".."}, id="model that is a folder"),
        pytest.param({"model": ""}, id="no model"),
        pytest.param({"model": "lite\n"}, id="model with a line feed"),
        pytest.param({"timeout_s": 3601}, id="timeout"),
        pytest.param({"image_query": "dog.jpg"}, id="a path for an image"),
    ],
)
def test_a_suggest_request_out_of_its_limits_is_refused(options):
    with pytest.raises(MalformedMessage):
        SuggestRequest(IMAGE, **options)


@pytest.mark.parametrize("aspect", [None, "original", 1, 1.5, 0.01, 100])
def test_an_aspect_is_a_ratio_or_original_or_free(aspect):
    assert SuggestRequest(IMAGE, aspect=aspect).aspect == aspect


def test_two_images_share_the_limit_of_pixels():
    side = MAX_SIDE_PX
    large = Image(side, side, "rgba8", 4 * side, HASH, True)

    with pytest.raises(MalformedMessage, match="reduce the image"):
        SuggestRequest(large, image_query=IMAGE)


def test_a_message_survives_the_way_there_and_back():
    reply = SuggestReply(
        "lite",
        "cpu",
        "match",
        True,
        False,
        matched=(Detection("dog", 0.5, (0.0, 0.25, 1, 1.0)),),
        seconds={"search": 0.01},
        notes=("slow",),
    )

    assert SuggestReply.from_map(reply.to_map()) == reply


def test_fields_of_a_newer_minor_version_are_ignored():
    assert Progress.from_map({"stage": "loading", "mood": "good"}) == Progress("loading")


def test_a_missing_field_is_named():
    with pytest.raises(MalformedMessage, match="lacks the field 'stage'"):
        Progress.from_map({"fraction": 0.5})


@pytest.mark.parametrize("raw", [None, [], "map", 3, {1: 2}, {"stage": ["loading"]}])
def test_what_is_no_such_map_is_refused(raw):
    with pytest.raises(MalformedMessage):
        Progress.from_map(raw)


@pytest.mark.parametrize(
    "seconds", [{"": 1.0}, {1: 1.0}, {"a": -1.0}, {str(i): 1 for i in range(17)}, []]
)
def test_a_table_keeps_to_its_limits(seconds):
    with pytest.raises(MalformedMessage):
        SuggestReply("lite", "cpu", "match", True, False, seconds=seconds)


@pytest.mark.parametrize("box", [(0, 0, 1), (0, 0, 1, 1.1), (0, 0, 1, math.nan), [0, 0, 1, 1]])
def test_a_box_is_four_numbers_within_the_image(box):
    with pytest.raises(MalformedMessage):
        Detection("dog", 0.5, box)


def test_an_array_that_is_too_long_is_refused_before_its_items_are_looked_at():
    raw = SuggestReply("lite", "cpu", "match", True, False).to_map()
    raw["matched"] = [None] * 100

    with pytest.raises(MalformedMessage, match="not an array of at most 64"):
        SuggestReply.from_map(raw)


def test_an_error_message_does_not_tell_the_prompt():
    with pytest.raises(MalformedMessage) as caught:
        SuggestRequest(IMAGE, "secret " * 100)

    assert "secret" not in str(caught.value)
    assert "string, 0 to 512 characters" in str(caught.value)


@pytest.mark.parametrize("value", ["secret", b"secret", ["secret"], {"secret": 1}])
def test_values_are_shown_by_their_size_only(value):
    assert "secret" not in shown(value)


def test_every_format_says_how_long_a_row_is():
    for name, size in BYTES_PER_PIXEL.items():
        assert Image.of(bytes(6 * size), 3, 2, name).stride == 3 * size


def test_defaults_have_words():
    assert {name: default for name, _, default in rows(WarmRequest)} == {
        "model": '"auto"',
        "timeout_s": "300.0",
    }
    assert ("pid", "integer, 0 to 4294967296", "required") in rows(StatusReply)


def test_every_code_on_the_wire_has_one_error():
    kinds = RequestError.__subclasses__()

    assert {kind.code: kind for kind in kinds} == ERROR_CODES
    assert RequestError.code not in ERROR_CODES
