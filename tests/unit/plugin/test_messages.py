from __future__ import annotations

import pytest

from clipcrop_plugin import messages, texts
from clipcrop_plugin.errors import BadChoice, NothingToCrop
from clipcrop_plugin.messages import SENTENCES, progress_words, sentence
from clipcrop_wire import errors
from clipcrop_wire.messages import Progress


def tree(kind):
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


WIRE_ERRORS = list(tree(errors.WireError))


def test_every_error_of_the_wire_has_a_sentence_of_its_own():
    assert len(WIRE_ERRORS) > 12
    assert set(SENTENCES) == set(WIRE_ERRORS)


@pytest.mark.parametrize("language", ["en", "de", "he"])
@pytest.mark.parametrize("kind", WIRE_ERRORS, ids=lambda kind: kind.__name__)
def test_a_user_reads_a_sentence_and_no_class_name(kind, language):
    texts.use([language])

    said = sentence(kind("what the daemon said"), "abc123")

    assert said.endswith(".")
    assert "Error" not in said
    assert kind.__name__ == "Cancelled" or kind.__name__ not in said
    assert "{" not in said


@pytest.mark.parametrize("kind", WIRE_ERRORS, ids=lambda kind: kind.__name__)
def test_every_sentence_is_translated(kind):
    english = sentence(kind("x"), "id")

    texts.use(["de"])

    assert sentence(kind("x"), "id") != english


def test_what_the_daemon_says_itself_is_passed_on_as_it_is():
    said = sentence(errors.Unavailable("the weights of owlv2 are missing; run: clipcrop get."))

    assert said.endswith("now: the weights of owlv2 are missing; run: clipcrop get.")


def test_a_daemon_that_does_not_run_comes_with_the_command_that_starts_it():
    assert "clipcrop-daemon run" in sentence(errors.DaemonNotRunning("no daemon listens"))


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        pytest.param(
            "the daemon speaks version 7 of the protocol", "Update the plug-in.", id="newer daemon"
        ),
        pytest.param("speaks version 0 of the protocol", "daemon is older", id="older daemon"),
        pytest.param("they differ", "Update both.", id="version not named"),
    ],
)
def test_of_two_versions_the_older_is_named(reason, advice):
    assert advice in sentence(errors.VersionMismatch(reason))


def test_the_errors_of_the_wire_itself_name_the_version(tmp_path):
    from clipcrop_wire.sealing import check_version

    with pytest.raises(errors.VersionMismatch) as caught:
        check_version([b"CCW\x09"])

    assert sentence(caught.value).endswith("Update the plug-in.")


def test_a_bug_of_the_daemon_is_told_with_the_id_that_its_log_has():
    assert "abc123" in sentence(errors.InternalError("internal error"), "abc123")
    assert "log" not in sentence(errors.InternalError("internal error"))


def test_what_the_plug_in_refuses_says_it_itself():
    assert sentence(BadChoice("aspect", "No such ratio.")) == "No such ratio."


def test_an_error_of_a_later_release_is_told_as_its_kind():
    class Overheated(errors.Unavailable):
        pass

    assert "cannot do this now: too hot" in sentence(Overheated("too hot"))


def test_a_bug_of_our_own_is_told_as_one():
    assert "unexpected" in sentence(ZeroDivisionError("division by zero"))


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress("loading"), "Loading the model…"),
        (Progress("loading", 0.404), "Loading the model… 40 %"),
        (Progress(messages.LAUNCHING), "Starting the ClipCrop daemon…"),
        (Progress("of-a-newer-daemon", None, "dreaming"), "Working…"),
    ],
    ids=lambda value: getattr(value, "stage", None),
)
def test_progress_is_told_in_words(progress, words):
    assert progress_words(progress) == words


def test_what_a_canvas_lacks_is_said_with_the_field_that_it_is_about():
    errors = [
        messages.nothing_selected(),
        messages.selection_outside(),
        messages.unreadable_example("a.jpg", "no such file.\n"),
    ]

    assert [error.field for error in errors] == ["example"] * 3
    assert "a.jpg" in str(errors[2])
    assert "no such file" in str(errors[2])
    assert isinstance(messages.no_layer(), NothingToCrop)
    assert messages.not_one_layer(0) != messages.not_one_layer(2)
