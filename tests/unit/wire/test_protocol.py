from __future__ import annotations

import msgpack
import pytest

from clipcrop_wire import messages, protocol
from clipcrop_wire.errors import (
    ERROR_CODES,
    InternalError,
    MalformedMessage,
    RequestError,
    Unavailable,
)
from clipcrop_wire.messages import (
    Detection,
    Dropped,
    Image,
    PingReply,
    PingRequest,
    Progress,
    SuggestReply,
    SuggestRequest,
    WarmRequest,
)


def test_a_request_survives_the_way(tiny_image):
    image, pixels = tiny_image
    sent = SuggestRequest(image, "the dog", exclude=("the car",), aspect=1.5)

    got = protocol.decode_request(protocol.encode_request("id-1", sent), pixels)

    assert (got.kind, got.id, got.body) == ("suggest", "id-1", sent)
    assert [bytes(part) for part in got.pixels] == [pixels]


def test_pixels_are_not_copied(tiny_image):
    image, pixels = tiny_image
    header = protocol.encode_request("a", SuggestRequest(image))

    (part,) = protocol.decode_request(header, pixels).pixels

    assert part.obj is pixels


@pytest.mark.parametrize("error", sorted(ERROR_CODES))
def test_an_error_arrives_as_its_class(error):
    header = protocol.encode_error("a", "suggest", ERROR_CODES[error]("too dark"))

    got = protocol.decode_reply(header).body

    assert type(got) is ERROR_CODES[error]
    assert str(got) == "too dark"


def test_an_error_of_a_newer_minor_version_is_an_error_all_the_same():
    body = {"code": "too_beautiful", "message": "no crop could do it justice"}
    header = msgpack.packb({"kind": "suggest", "id": "a", "status": "error", "body": body})

    got = protocol.decode_reply(header).body

    assert type(got) is RequestError


@pytest.mark.parametrize("text", ["x" * 5000, "half a character \ud800"])
def test_an_error_with_a_message_that_does_not_fit_is_told_as_far_as_it_does(text):
    got = protocol.decode_reply(protocol.encode_error("a", "ping", InternalError(text))).body

    assert isinstance(got, InternalError)
    assert str(got)[:5] == text[:5]


def test_progress_survives_the_way():
    got = protocol.decode_reply(protocol.encode_progress("a", Progress("loading", 0.5)))

    assert got == protocol.Reply("progress", "a", Progress("loading", 0.5))


def test_only_the_reply_of_its_kind_can_be_sent():
    with pytest.raises(TypeError):
        protocol.encode_reply("a", "suggest", PingReply())


def test_only_requests_can_be_sent_as_such():
    with pytest.raises(TypeError):
        protocol.encode_request("a", PingReply())


def test_an_unknown_request_can_be_answered():
    header = msgpack.packb({"kind": "dance", "id": "a", "body": {}})

    with pytest.raises(MalformedMessage) as caught:
        protocol.decode_request(header)

    assert (caught.value.request_id, caught.value.kind) == ("a", "dance")


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="reserved byte"),
        pytest.param(msgpack.packb([1, 2]), id="no map"),
        pytest.param(msgpack.packb({"kind": "ping", "id": "a"}) + b"\0", id="something behind"),
        pytest.param(msgpack.packb({"kind": "ping", "id": "a", "body": {}})[:-1], id="cut short"),
        pytest.param(msgpack.packb({"kind": "ping", "id": "a"}), id="no body"),
        pytest.param(msgpack.packb({"kind": "ping", "id": "", "body": {}}), id="empty id"),
        pytest.param(msgpack.packb({"kind": "ping", "id": 5, "body": {}}), id="number for an id"),
        pytest.param(
            msgpack.packb({"kind": "ping", "id": "a b", "body": {}}), id="id with a space"
        ),
        pytest.param(
            msgpack.packb({"kind": ["ping"], "id": "a", "body": {}}), id="list for a kind"
        ),
        pytest.param(
            msgpack.packb({"kind": "progress", "id": "a", "body": {}}), id="not a request"
        ),
        pytest.param(msgpack.packb({1: 2}), id="number for a key"),
        pytest.param(b"\x81\x91\xc0\xc0", id="list for a key"),
        pytest.param(msgpack.packb({"a": msgpack.ExtType(4, b"x")}), id="extension"),
        pytest.param(b"\xd6\xff\0\0\0\0", id="timestamp"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="array bomb"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="map bomb"),
        pytest.param(b"\xdb\xff\xff\xff\xff", id="string bomb"),
        pytest.param(b"\x91" * 100_000, id="deep arrays"),
        pytest.param(b"\x81\xa1a" * 100_000, id="deep maps"),
        pytest.param(b"\xa2\xff\xfe", id="not UTF-8"),
        pytest.param(msgpack.packb({"a": "x" * 9000}), id="long string"),
        pytest.param(bytes(protocol.MAX_HEADER_BYTES + 1), id="long header"),
    ],
)
def test_a_header_that_is_not_one_is_malformed(header):
    with pytest.raises(MalformedMessage):
        protocol.decode_request(header)
    with pytest.raises(MalformedMessage):
        protocol.decode_reply(header)


def test_an_unknown_reply_is_malformed():
    header = msgpack.packb({"kind": "dance", "id": "a", "status": "ok", "body": {}})

    with pytest.raises(MalformedMessage, match="no such reply: 'dance'"):
        protocol.decode_reply(header)


@pytest.mark.parametrize("status", [None, "fine", 1, ["ok"]])
def test_a_reply_says_how_it_went(status):
    header = msgpack.packb({"kind": "ping", "id": "a", "status": status, "body": {}})

    with pytest.raises(MalformedMessage):
        protocol.decode_reply(header)


def test_pixels_that_are_missing_too_many_or_others_are_refused(tiny_image):
    image, pixels = tiny_image
    header = protocol.encode_request("a", SuggestRequest(image))

    for wrong in (b"", pixels[:-1], pixels + b"\0", bytes(24)):
        with pytest.raises(MalformedMessage) as caught:
            protocol.decode_request(header, wrong)
        assert caught.value.request_id == "a"


@pytest.mark.parametrize("request_", [PingRequest(), WarmRequest()])
def test_other_requests_have_no_pixels(request_):
    with pytest.raises(MalformedMessage):
        protocol.decode_request(protocol.encode_request("a", request_), b"x")


def test_the_largest_reply_fits_into_a_header():
    text = "\U0001f415" * messages.MAX_PROMPT_CHARS
    found = (Detection(text, 0.1, (0.1, 0.2, 0.3, 0.4)),) * messages.MAX_DETECTIONS
    crop = messages.Suggestion((0.1, 0.2, 0.3, 0.4), (999_999,) * 4, 0.1)
    reply = SuggestReply(
        "m" * 64,
        text[:64],
        "match",
        True,
        True,
        matched=found,
        excluded=found,
        dropped=(Dropped(text, 0.1, text[:200]),) * messages.MAX_DETECTIONS,
        suggestions=(crop,) * messages.MAX_COUNT,
        notes=(text[:200],) * 8,
    )

    assert protocol.decode_reply(protocol.encode_reply("a", "suggest", reply)).body == reply


def test_a_header_that_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(protocol, "MAX_HEADER_BYTES", 10)

    with pytest.raises(MalformedMessage, match="at most 10"):
        protocol.encode_error("a", "ping", Unavailable("busy"))


def test_an_image_by_its_hash_needs_no_pixels():
    image = Image(4, 2, "rgb8", 12, bytes(32), False)

    got = protocol.decode_request(protocol.encode_request("a", SuggestRequest(image)))

    assert got.pixels == ()
