from __future__ import annotations

from collections.abc import Iterator

import pytest

from clipcrop import errors as clipcrop_errors
from clipcrop_daemon.service import ERRORS, error_for
from clipcrop_wire.errors import (
    Cancelled,
    InternalError,
    Unavailable,
    UnknownImage,
)


def library_errors() -> Iterator[type[Exception]]:
    left = [clipcrop_errors.ClipCropError]
    while left:
        kinds = left.pop().__subclasses__()
        yield from kinds
        left += kinds


@pytest.mark.parametrize("kind", list(library_errors()), ids=lambda kind: kind.__name__)
def test_every_error_of_the_library_has_a_code(kind: type[Exception]):
    error = error_for(kind("what is wrong; what to do"), "r1")

    assert not isinstance(error, InternalError)
    assert str(error) == "what is wrong; what to do"


def test_in_the_table_no_error_hides_a_more_special_one():
    kinds = list(ERRORS)

    assert not [
        (general, special)
        for place, general in enumerate(kinds)
        for special in kinds[place + 1 :]
        if issubclass(special, general)
    ]


@pytest.mark.parametrize("error", [UnknownImage("send them"), Cancelled("cancelled")], ids=repr)
def test_errors_of_the_wire_stay_what_they_are(error: Exception):
    assert error_for(error, "r1") is error


@pytest.mark.parametrize("said", ["", "Cannot allocate memory (os error 12)"])
def test_pythons_own_memory_error_gets_words(said: str):
    error = error_for(MemoryError(said), "r1")

    assert type(error) is Unavailable
    assert str(error).startswith("out of memory; close other programs")


def test_a_bug_is_told_by_the_requests_id_alone():
    error = error_for(KeyError("the dog's secret"), "r1")

    assert type(error) is InternalError
    assert "'r1'" in str(error)
