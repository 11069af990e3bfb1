"""Whatever a message may hold survives the way, and whatever else arrives is refused as such.

What it may hold is drawn from the rules themselves: a new field or message is tested as soon as it
is declared.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import hypothesis.strategies as st
import msgpack
import pytest
from hypothesis import HealthCheck, given, settings

from clipcrop_wire import messages, protocol, rules
from clipcrop_wire.errors import ERROR_CODES, MalformedMessage, RequestError
from clipcrop_wire.messages import BYTES_PER_PIXEL, MAX_STRIDE_PADDING, Image, SuggestRequest
from clipcrop_wire.rules import Message, Rule

# The same examples in every run, and no folder of those that failed once.
codec_test = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)

REQUEST_OF = {
    name: kind.request for name, kind in protocol.MESSAGES.items() if kind.request is not None
}
REPLY_OF = {name: kind.reply for name, kind in protocol.MESSAGES.items()}
MOST_ITEMS = 4  # of an array or map; their limits have tests of their own


def texts(least: int, most: int) -> st.SearchStrategy[str]:
    """Strings that UTF-8 can carry."""
    return st.text(st.characters(codec="utf-8"), min_size=least, max_size=most)


def allowed(rule: Rule) -> st.SearchStrategy[Any]:
    """Values that a field with this rule may hold."""
    match rule:
        case rules.Text(_pattern=""):
            return texts(rule._min, rule._max)
        case rules.Text():
            return st.from_regex(rule._pattern, fullmatch=True).filter(rule.check)
        case rules.Choice():
            return st.sampled_from(rule._choices)
        case rules.Whole():
            return st.integers(rule._low, rule._high)
        case rules.Real():
            whole = st.integers(-(-rule._low // 1), rule._high // 1).map(int)
            return st.floats(rule._low, rule._high) | whole
        case rules.Flag():
            return st.booleans()
        case rules.Octets():
            return st.binary(min_size=rule._length, max_size=rule._length)
        case rules.Maybe():
            return st.none() | allowed(rule._rule)
        case rules.Either():
            return st.one_of(*(allowed(one) for one in rule._rules))
        case rules.Several():
            most = max(rule._min, min(rule._max, MOST_ITEMS))
            items = st.lists(allowed(rule._rule), min_size=rule._min, max_size=most)
            return items.map(tuple)
        case rules.Table():
            return st.dictionaries(allowed(rule._name), allowed(rule._rule), max_size=MOST_ITEMS)
        case rules.Nested():
            return of_class(rule._message)
    raise TypeError(f"no values are known for {type(rule).__name__}; add them here")


def just_outside(rule: Rule) -> list[Any]:
    """What a field with this rule may not hold, as msgpack would give it."""
    match rule:
        case rules.Text():
            short = ["x" * (rule._min - 1)] if rule._min else []
            odd = ["\n" * rule._min] if rule._pattern else []
            return [*short, *odd, "x" * (rule._max + 1), b"x" * rule._max, "\ud800", None]
        case rules.Choice():
            values = ["", rule._choices[-1].upper(), rule._choices[-1].encode(), 0, None]
            return [value for value in values if value not in rule._choices]
        case rules.Whole():
            return [rule._low - 1, rule._high + 1, True, float(rule._high), str(rule._low), None]
        case rules.Real():
            numbers = [rule._low - 0.001, rule._high * 1.001, float("nan"), float("inf")]
            return [*numbers, True, "1", None]
        case rules.Flag():
            return [0, 1, "true", None]
        case rules.Octets():
            return [bytes(rule._length - 1), bytes(rule._length + 1), "x" * rule._length, None]
        case rules.Maybe():
            return [value for value in just_outside(rule._rule) if value is not None]
        case rules.Either():
            values = [value for one in rule._rules for value in just_outside(one)]
            return [value for value in values if not rule.check(value)]
        case rules.Several():
            return [[value] * max(1, rule._min) for value in just_outside(rule._rule)] + [{}, None]
        case rules.Table():
            named = [{"name": value} for value in just_outside(rule._rule)]
            return [*named, dict.fromkeys(map(str, range(rule._max + 1)), 1), {"": 1}, [], None]
        case rules.Nested():
            return [[], {}, "x", None]
    raise TypeError(f"no values are known for {type(rule).__name__}; add them here")


@st.composite
def images(draw: st.DrawFn) -> Image:
    """Images that the daemon is to hold already; those with pixels are `images_with_pixels`."""
    width_px, height_px = draw(st.integers(1, 2000)), draw(st.integers(1, 4096))
    name = draw(st.sampled_from(sorted(BYTES_PER_PIXEL)))
    stride = width_px * BYTES_PER_PIXEL[name] + draw(st.integers(0, MAX_STRIDE_PADDING))
    hashes = st.binary(min_size=32, max_size=32)
    return Image(width_px, height_px, name, stride, draw(hashes), is_inline=False)


@st.composite
def images_with_pixels(draw: st.DrawFn) -> tuple[Image, bytes]:
    """Small images and all their bytes."""
    width_px, height_px = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    name = draw(st.sampled_from(sorted(BYTES_PER_PIXEL)))
    size = (width_px * BYTES_PER_PIXEL[name] + draw(st.integers(0, 9))) * height_px
    pixels = draw(st.binary(min_size=size, max_size=size))
    return Image.of(pixels, width_px, height_px, name), pixels


@cache
def of_class(kind: type[Message]) -> st.SearchStrategy[Any]:
    """Messages of a class, sometimes without the fields that may be left out."""
    if kind is Image:
        return images()
    required = {name for name, _, default in rules.rows(kind) if default == "required"}
    values = {field.name: allowed(field.metadata["rule"]) for field in fields(kind)}
    optional = {name: value for name, value in values.items() if name not in required}
    if kind is SuggestRequest:  # both or neither
        optional["original_width_px"] = optional["original_height_px"] = st.just(0)
    given_fields = st.fixed_dictionaries(
        {name: values[name] for name in required}, optional=optional
    )
    return given_fields.map(lambda held: kind(**held))


@cache
def anything() -> st.SearchStrategy[Any]:
    """Whatever msgpack can carry."""
    numbers = st.integers(-(2**63), 2**64 - 1) | st.floats()
    leaves = st.none() | st.booleans() | numbers | texts(0, 8) | st.binary(max_size=40)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(0, 8), inner, max_size=3),
        max_leaves=5,
    )


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each field and item, however deep."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in inner:
        found.append((*here, key))
        if isinstance(item, (dict, list)):
            found += places(item, (*here, key))
    return found


def put(value: Any, place: tuple[Any, ...], item: Any) -> None:
    """Replace what is there."""
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = item


def with_fields(classes: dict[str, type[Message]]) -> list[str]:
    """Names of the messages that hold something."""
    return sorted(name for name, kind in classes.items() if fields(kind))


def read_request(header: bytes) -> protocol.Request | MalformedMessage:
    """As the daemon does."""
    try:
        return protocol.decode_request(header)
    except MalformedMessage as exc:
        return exc


def encode_reply(kind: str, reply: Message) -> bytes:
    """As the daemon does, progress too."""
    if isinstance(reply, messages.Progress):
        return protocol.encode_progress("r1", reply)
    return protocol.encode_reply("r1", kind, reply)


@codec_test
@pytest.mark.parametrize("kind", sorted(REQUEST_OF))
@given(data=st.data())
def test_every_request_survives_the_way(kind: str, data: st.DataObject):
    sent = data.draw(of_class(REQUEST_OF[kind]))

    got = protocol.decode_request(protocol.encode_request("r1", sent))

    assert got == protocol.Request(kind, "r1", sent)


@codec_test
@pytest.mark.parametrize("kind", sorted(REPLY_OF))
@given(data=st.data())
def test_every_reply_survives_the_way(kind: str, data: st.DataObject):
    sent = data.draw(of_class(REPLY_OF[kind]))

    got = protocol.decode_reply(encode_reply(kind, sent))

    assert got == protocol.Reply(kind, "r1", sent)


@settings(codec_test, max_examples=3)
@pytest.mark.parametrize("kind", Message.__subclasses__(), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_no_field_takes_what_is_just_outside_its_limits(kind: type[Message], data: st.DataObject):
    good = data.draw(of_class(kind)).to_map()

    for field in fields(kind):
        for value in just_outside(field.metadata["rule"]):
            with pytest.raises(MalformedMessage):
                kind.from_map({**good, field.name: value})


@codec_test
@given(st.sampled_from(sorted(ERROR_CODES)), texts(0, messages.MAX_ERROR_CHARS))
def test_every_error_survives_the_way(code: str, text: str):
    got = protocol.decode_reply(protocol.encode_error("r1", "suggest", ERROR_CODES[code](text)))

    assert isinstance(got.body, RequestError)
    assert (got.body.code, str(got.body)) == (code, text)


@codec_test
@given(images_with_pixels(), st.none() | images_with_pixels())
def test_pixels_survive_the_way_each_with_its_image(
    first: tuple[Image, bytes], second: tuple[Image, bytes] | None
):
    sent = [first] if second is None else [first, second]
    request = SuggestRequest(first[0], image_query=None if second is None else second[0])
    header = protocol.encode_request("r1", request)

    got = protocol.decode_request(header, b"".join(pixels for _, pixels in sent))

    assert got.body == request
    assert [bytes(part) for part in got.pixels] == [pixels for _, pixels in sent]


@codec_test
@pytest.mark.parametrize("kind", sorted(REQUEST_OF))
@given(data=st.data())
def test_fields_of_a_newer_minor_version_are_ignored_in_every_request(
    kind: str, data: st.DataObject
):
    sent = data.draw(of_class(REQUEST_OF[kind]))
    header = msgpack.unpackb(protocol.encode_request("r1", sent))
    newer = {"mood": data.draw(anything())}
    header["body"] = {**newer, **header["body"]}

    got = protocol.decode_request(msgpack.packb({**newer, **header}))

    assert got.body == sent


@codec_test
@pytest.mark.parametrize("kind", sorted(REPLY_OF))
@given(data=st.data())
def test_fields_of_a_newer_minor_version_are_ignored_in_every_reply(kind: str, data: st.DataObject):
    sent = data.draw(of_class(REPLY_OF[kind]))
    header = msgpack.unpackb(encode_reply(kind, sent))
    newer = {"mood": data.draw(anything())}
    header["body"] = {**newer, **header["body"]}

    got = protocol.decode_reply(msgpack.packb({**newer, **header}))

    assert got.body == sent


@codec_test
@pytest.mark.parametrize("kind", with_fields(REQUEST_OF))
@given(data=st.data())
def test_a_request_with_one_value_replaced_is_another_request_or_can_be_declined(
    kind: str, data: st.DataObject
):
    header = msgpack.unpackb(protocol.encode_request("r1", data.draw(of_class(REQUEST_OF[kind]))))
    put(header["body"], data.draw(st.sampled_from(places(header["body"]))), data.draw(anything()))

    got = read_request(msgpack.packb(header))

    if isinstance(got, MalformedMessage):
        assert (got.request_id, got.kind) == ("r1", kind)
    else:
        assert read_request(protocol.encode_request("r1", got.body)) == got


@codec_test
@pytest.mark.parametrize("kind", with_fields(REPLY_OF))
@given(data=st.data())
def test_a_reply_with_one_value_replaced_is_another_reply_or_malformed(
    kind: str, data: st.DataObject
):
    header = msgpack.unpackb(encode_reply(kind, data.draw(of_class(REPLY_OF[kind]))))
    put(header["body"], data.draw(st.sampled_from(places(header["body"]))), data.draw(anything()))

    try:
        got = protocol.decode_reply(msgpack.packb(header))
    except MalformedMessage:
        return
    assert protocol.decode_reply(encode_reply(kind, got.body)) == got


@codec_test
@given(anything() | st.dictionaries(st.sampled_from(["kind", "id", "status", "body"]), anything()))
def test_other_values_are_malformed(value: Any):
    for decode in (protocol.decode_request, protocol.decode_reply):
        with pytest.raises(MalformedMessage):
            decode(msgpack.packb(value))


@codec_test
@given(st.binary(max_size=200))
def test_other_bytes_are_malformed(data: bytes):
    for decode in (protocol.decode_request, protocol.decode_reply):
        with pytest.raises(MalformedMessage):
            decode(data)
