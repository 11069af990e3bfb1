from __future__ import annotations

from pathlib import Path

import pytest

from clipcrop.errors import InputError
from clipcrop.evaluation.journal import Journal

RUN = {"methods": ["a", "b"], "tower": "f" * 8}
KEY = ("photo.jpg", "the dog", "a")
BOX = [0.125, 0.25, 0.5, 1.0]


def test_answers_are_there_when_the_file_is_opened_again(tmp_path: Path):
    path = tmp_path / "new" / "answers.jsonl"
    Journal(path, RUN).keep(KEY, [BOX], 0.5)

    again = Journal(path, dict(reversed(RUN.items())))

    assert again.recall(KEY) == ([BOX], 0.5)
    assert again.recall(("photo.jpg", "the dog", "b")) is None
    assert len(again) == 1


def test_a_line_that_was_cut_short_is_asked_again(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    journal = Journal(path, RUN)
    journal.keep(KEY, [BOX], 0.5)
    journal.keep(("photo.jpg", "the cat", "a"), [BOX], 0.25)
    path.write_bytes(path.read_bytes()[:-20])

    again = Journal(path, RUN)
    again.keep(("photo.jpg", "the cat", "a"), [BOX], 0.75)

    assert len(Journal(path, RUN)) == 2
    assert Journal(path, RUN).recall(("photo.jpg", "the cat", "a")) == ([BOX], 0.75)


def test_answers_of_another_run_are_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    Journal(path, RUN).keep(KEY, [BOX], 0.5)
    before = path.read_bytes()

    with pytest.raises(InputError, match=r"holds answers of another run.*choose another folder"):
        Journal(path, {**RUN, "methods": ["a"]})

    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"notes of mine\n"])
def test_what_is_no_journal_is_left_alone(tmp_path: Path, content: bytes):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"answers\.jsonl.*choose another folder"):
        Journal(path, RUN)

    assert path.read_bytes() == content


def test_a_file_in_the_way_is_told_in_a_sentence(tmp_path: Path):
    (tmp_path / "out").write_text("a file")

    with pytest.raises(InputError, match=r"cannot keep answers in .*choose another folder"):
        Journal(tmp_path / "out" / "answers.jsonl", RUN)


def test_what_has_served_is_thrown_away(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    journal = Journal(path, RUN)

    journal.throw_away()

    assert not path.exists()


def test_without_a_file_answers_are_kept_in_memory():
    journal = Journal(None, RUN)

    journal.keep(KEY, [BOX], 0.5)

    assert journal.recall(KEY) == ([BOX], 0.5)
    journal.throw_away()
