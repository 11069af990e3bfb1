from __future__ import annotations

import json

import pytest

from clipcrop_plugin import storage

DAMAGED = [
    pytest.param("", id="nothing"),
    pytest.param("{", id="cut short"),
    pytest.param("[1, 2]", id="a list"),
    pytest.param("null", id="null"),
    pytest.param("\0\0\0", id="zeros"),
    pytest.param("[" * 50_000, id="deep"),
    pytest.param('{"a": ' * 10_000, id="deep objects"),
    pytest.param('{"prompt": "' + "x" * storage.MAX_CHARS + '"}', id="huge"),
    pytest.param('{"a": ' + "9" * 10_000 + "e}", id="a long number"),
]


@pytest.mark.parametrize("text", DAMAGED)
def test_what_is_no_note_of_ours_counts_as_absent(text):
    assert storage.parse(text) == {}


def test_a_note_is_ascii_so_that_every_editor_can_keep_it():
    text = storage.compose(1, {"prompt": "Möwe 🐦"}, {})

    assert text.isascii()
    assert json.loads(text) == {"version": 1, "prompt": "Möwe 🐦"}


@pytest.mark.parametrize(
    ("there", "expected"), [(None, 2), (1, 2), (7, 7), ("x", 2), (True, 2), (-1, 2)]
)
def test_a_newer_version_is_not_taken_back(there, expected):
    text = storage.compose(2, {"a": 1}, {"version": there, "b": [2]})

    assert json.loads(text) == {"version": expected, "a": 1, "b": [2]}


@pytest.mark.parametrize(
    ("value", "is_good"),
    [("ä", True), ("x" * 5, True), ("x" * 6, False), ("\ud800", False), (5, 0)],
)
def test_text_is_short_and_can_be_shown(value, is_good):
    assert storage.is_text(value, 5) == bool(is_good)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"x" * (storage.MAX_CHARS + 1), id="too large"),
    ],
)
def test_a_file_of_no_use_reads_as_empty(tmp_path, content):
    path = tmp_path / "notes.json"
    path.write_bytes(content)

    assert storage.read(path) == ""
    assert storage.read(tmp_path) == ""
    assert storage.read(tmp_path / "missing") == ""


def test_a_small_file_is_read(tmp_path):
    path = tmp_path / "notes.json"
    path.write_bytes("prompts: Möwe".encode())

    assert storage.read(path) == "prompts: Möwe"
