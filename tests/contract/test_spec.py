"""daemon/PROTOCOL.md is normative; the code must not say otherwise."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from clipcrop_wire import endpoint, messages, protocol, rules, sealing, zmtp
from clipcrop_wire.connection import CANCEL_GRACE_S, HELLO_TIMEOUT_S
from clipcrop_wire.errors import ERROR_CODES

MESSAGE_CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(messages, inspect.isclass)
    if issubclass(kind, rules.Message) and kind is not rules.Message
}


@pytest.fixture(scope="module")
def spec() -> str:
    """The document."""
    path = Path(__file__).parents[2] / "daemon" / "PROTOCOL.md"
    return path.read_text(encoding="utf-8")


def tables(text: str) -> list[list[list[str]]]:
    """Every table of a text, as rows of cells without the heading."""
    found = re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n)*)", text, re.MULTILINE)
    return [[row.strip("| ").split(" | ") for row in table.splitlines()] for table in found]


def section(spec: str, heading: str) -> str:
    (found,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", spec, re.DOTALL | re.MULTILINE
    )
    return str(found)


def test_the_document_states_the_version_we_speak(spec: str):
    assert re.findall(r"^Version: \*\*(\d+)\*\*$", spec, re.MULTILINE) == [
        str(protocol.PROTOCOL_VERSION)
    ]
    assert re.findall(r"^Minor: \*\*(\d+)\*\*$", spec, re.MULTILINE) == [
        str(protocol.PROTOCOL_MINOR)
    ]


def test_the_document_has_one_section_a_message(spec: str):
    assert re.findall(r"^## `(\w+)`$", spec, re.MULTILINE) == sorted(protocol.MESSAGES)


def test_the_document_describes_every_class_once(spec: str):
    assert sorted(re.findall(r"^(?:###|@) ?(\w+)$", spec, re.MULTILINE)) == sorted(MESSAGE_CLASSES)


@pytest.mark.parametrize("name", sorted(MESSAGE_CLASSES))
def test_the_document_lists_every_field_with_its_limits_and_default(spec: str, name: str):
    text = section(spec, name)
    expected = [
        [f"`{field}`", words, default if default == "required" else f"`{default}`"]
        for field, words, default in rules.rows(MESSAGE_CLASSES[name])
    ]

    listed = [row[:3] for table in tables(text) for row in table]

    assert listed == expected
    assert expected or text.strip() == "No fields."


def test_the_document_says_which_socket_understands_what(spec: str):
    table = tables(section(spec, "1 Transport"))[0]

    told = {row[0]: sorted(re.findall(r"`(\w+)`", row[1])) for row in table}

    assert told == {
        socket: sorted(
            name
            for name, kind in protocol.MESSAGES.items()
            if socket in kind.sockets and kind.request is not None
        )
        for socket in ("work", "control")
    }


def test_the_document_has_every_code(spec: str):
    (table,) = tables(section(spec, "8 Errors"))

    assert [row[0].strip("`") for row in table] == list(ERROR_CODES)


def test_the_document_has_every_format(spec: str):
    (table,) = tables(section(spec, "7 Pixels"))

    sizes = {row[0].strip("`"): len(re.sub(", not.*", "", row[1]).split(", ")) for row in table}

    assert sizes == messages.BYTES_PER_PIXEL


def test_the_document_has_every_field_of_the_connection_file(spec: str):
    fields = tables(section(spec, "2 Connection file"))[1]

    assert {row[0].strip("`") for row in fields} == set(endpoint._FIELDS)


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("2 Connection file", f"{endpoint.MAX_FILE_BYTES:,} bytes"),
        ("2 Connection file", f"at most {endpoint.MAX_IPC_PATH_BYTES} bytes"),
        ("2 Connection file", endpoint.PATH_VARIABLE),
        ("3 Messages", f"at most {protocol.MAX_HEADER_BYTES:,} bytes"),
        ("3 Messages", f"at most {messages.MAX_PIXEL_BYTES:,} bytes"),
        ("4 Seals", f"`clipcrop-{sealing.PROTOCOL_VERSION} hello\\n`"),
        ("5 The first exchange", f"{HELLO_TIMEOUT_S:g} seconds"),
        ("9 Order, cancelling, time", f"{CANCEL_GRACE_S:g} seconds"),
        ("10 Limits", f"| msgpack: string or bytes | {protocol.MAX_STRING_BYTES:,} bytes |"),
        ("10 Limits", f"| msgpack: items of an array | {protocol.MAX_ARRAY_ITEMS} |"),
        ("10 Limits", f"| msgpack: fields of a map | {protocol.MAX_MAP_FIELDS} |"),
        ("10 Limits", f"| header | {protocol.MAX_HEADER_BYTES:,} bytes |"),
        ("10 Limits", f"| {messages.MAX_PIXEL_BYTES:,} bytes |"),
        ("10 Limits", f"| {zmtp.Limits().max_message_bytes:,} bytes |"),
    ],
)
def test_the_document_has_our_numbers(spec: str, heading: str, words: str):
    assert words in section(spec, heading)
