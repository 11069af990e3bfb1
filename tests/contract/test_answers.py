"""An answer is the same from the library and through the daemon."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from clipcrop.remote import _answer
from clipcrop.suggestions import Detection, Dropped, Suggestion, Suggestions, Understood
from clipcrop_daemon.convert import suggest_reply
from clipcrop_daemon.model_pool import Resident

NOT_ON_THE_WIRE = {"source"}
"""What proposed a crop."""

FOUND = Suggestions(
    model="lite",
    kind="match",
    is_well_framed=True,
    matched=(Detection("dog", 0.5, (0.125, 0.25, 0.5, 1.0), is_sure=False),),
    dropped=(Dropped("cat", 0.25, "nothing in the image is like it"),),
    excluded=(Detection("car", 0.75, (0.5, 0.5, 0.75, 0.75), is_sure=False),),
    crops=(Suggestion((0.0, 0.0, 0.5, 1.0), (0, 0, 5, 9), 0.75, width="wide"),),
    seconds=0.5,
    notes=("not used: rule of thirds",),
    understood=Understood(
        kept=("dog (left)",),
        whole=("the ears",),
        left_out=("car",),
        aspect="4:5",
        width="wide",
        space=("above",),
        corrected=(("umbrela", "umbrella"),),
    ),
)
"""No field has its default, so that one which is lost on the way is seen."""

PARTS = [FOUND, *FOUND.matched, *FOUND.dropped, *FOUND.crops, FOUND.understood]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_the_example_sets_every_field(part: Any):
    as_by_default = {one.name for one in fields(part) if getattr(part, one.name) == one.default}

    assert as_by_default <= NOT_ON_THE_WIRE


def test_what_the_library_finds_comes_through_the_wire_whole():
    resident = Resident(None, "lite", "cpu")
    reply = suggest_reply(FOUND, resident, is_image_cached=False, seconds={"search": FOUND.seconds})

    through = _answer(type(reply).from_map(reply.to_map())).suggestions

    assert through == FOUND
