from __future__ import annotations

import pytest

from clipcrop_installer.settings_line import Line, put, take_back, value_of

LINE = Line("python", "enable_clipcrop_krita", "true")
OURS = b"enable_clipcrop_krita=true\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, b"[python]\n" + OURS, id="no file"),
        pytest.param(b"", b"[python]\n" + OURS, id="an empty file"),
        pytest.param(b"a=b", b"a=b\n\n[python]\n" + OURS, id="no end of the last line"),
        pytest.param(b"[x]\na=b\n", b"[x]\na=b\n\n[python]\n" + OURS, id="no such group"),
        pytest.param(
            b"[python]\nenable_x=true\n\n[y]\n",
            b"[python]\n" + OURS + b"enable_x=true\n\n[y]\n",
            id="the group",
        ),
        pytest.param(b"[python]", b"[python]\n" + OURS, id="an empty group without an end"),
        pytest.param(
            b"[python]\nenable_clipcrop_krita=false\n", b"[python]\n" + OURS, id="another value"
        ),
        pytest.param(b"[python]\n" + OURS, b"[python]\n" + OURS, id="as it shall be"),
        pytest.param(
            b"[python]\r\n enable_clipcrop_krita = false\r\n[y]\r\n",
            b"[python]\r\n" + OURS + b"[y]\r\n",
            id="another value, written otherwise",
        ),
        pytest.param(
            b"[x]\nenable_clipcrop_krita=no\n",
            b"[x]\nenable_clipcrop_krita=no\n\n[python]\n" + OURS,
            id="the key in another group",
        ),
        pytest.param(b"\xff\xfe=1\n", b"\xff\xfe=1\n\n[python]\n" + OURS, id="what is no text"),
        pytest.param(b"a=b\r\n", b"a=b\r\n\n[python]\n" + OURS, id="lines of Windows"),
    ],
)
def test_a_line_is_put_in_and_taken_back_to_the_byte(before: bytes | None, after: bytes):
    content, details = put(before, LINE)

    assert content == after
    assert value_of(content, LINE) == "true"
    assert take_back(content, details) == before


def test_what_the_program_has_written_since_stays():
    _, details = put(b"[x]\na=b\n", LINE)
    rewritten = b"new=1\n\n[python]\n" + OURS + b"enable_other=true\n\n[x]\na=c\n"

    assert take_back(rewritten, details) == (b"new=1\n\n[python]\nenable_other=true\n\n[x]\na=c\n")


def test_a_file_that_was_not_there_stays_if_the_program_has_written_to_it():
    content, details = put(None, LINE)

    assert take_back(content + b"\n[x]\na=b\n", details) == b"\n[x]\na=b\n"


def test_a_line_that_is_gone_leaves_all_as_it_is():
    _, details = put(b"", LINE)

    assert take_back(b"[x]\n", details) == b"[x]\n"
    assert value_of(b"[x]\n", LINE) is None
