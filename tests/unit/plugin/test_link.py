from __future__ import annotations

import dataclasses
import secrets
import sys

import pytest

from clipcrop_plugin import dialer, link
from clipcrop_plugin.config import Config
from clipcrop_plugin.errors import DaemonLost, NotStarted
from clipcrop_plugin.messages import LAUNCHING
from clipcrop_wire import protocol, sealing
from clipcrop_wire.endpoint import write_connection_file
from clipcrop_wire.errors import (
    BadConnectionFile,
    Cancelled,
    DaemonNotRunning,
    InternalError,
    MalformedMessage,
    NotAuthentic,
    RequestTimeout,
    Unavailable,
    UnknownImage,
    VersionMismatch,
)
from clipcrop_wire.messages import Progress, SuggestReply, SuggestRequest, WarmReply

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


class Asked:
    """Asks a link, and notes what it is told."""

    def __init__(self, link, picture, prompt="the dog", timeout_s=10.0, **options):
        self.told = []
        self.stages = []
        self.question = link.suggest(
            SuggestRequest(picture.raster.image, prompt, **options),
            (picture.raster.pixels,),
            on_answer=lambda question: self.told.append(question.answer),
            on_progress=lambda progress: self.stages.append(progress.stage),
            timeout_s=timeout_s,
        )

    @property
    def answer(self):
        (answer,) = self.told
        return answer


@pytest.fixture
def ask(link, picture):
    """Asks the fake daemon."""
    return lambda *args, **options: Asked(link, picture, *args, **options)


@pytest.fixture
def wait(loop):
    """Runs the loop until all of these have their answers."""

    def wait_for(*asked, seconds=15.0):
        assert loop.run_until(lambda: all(one.told for one in asked), seconds)
        return asked[0].answer

    return wait_for


@pytest.fixture
def run_until(loop):
    """Runs the loop until something is so that another thread may bring about."""

    def run(is_so, seconds=15.0):
        def look():
            ticks.append(loop.call_after(0.01, look))

        ticks = []
        look()
        assert loop.run_until(is_so, seconds)
        for tick in ticks:
            tick.cancel()

    return run


def suggestions(daemon):
    return [request for request in daemon.requests if request.kind == "suggest"]


def never(request):
    return []


def reply_to(request):
    reply = SuggestReply("lite", "cpu", "general", False, True)
    return [protocol.encode_reply(request.id, request.kind, reply)]


def error_to(error):
    return lambda request: [protocol.encode_error(request.id, request.kind, error)]


def test_an_answer_comes_from_the_loop_and_not_from_within_the_call(ask, wait):
    asked = ask()

    assert asked.told == []
    assert isinstance(wait(asked), SuggestReply)
    assert asked.question.is_done
    assert asked.question.pixels == ()


def test_pixels_are_sent_once(daemon, ask, wait):
    first = ask("the dog")
    wait(first)
    second = ask("the cat")
    wait(second)

    assert [request.body.image.is_inline for request in suggestions(daemon)] == [True, False]
    assert [request.body.prompt for request in suggestions(daemon)] == ["the dog", "the cat"]


def test_pixels_are_sent_again_when_the_daemon_has_forgotten_them(daemon, ask, wait):
    wait(ask())
    daemon.holds.clear()

    assert isinstance(wait(ask()), SuggestReply)
    assert [request.body.image.is_inline for request in suggestions(daemon)] == [True, False, True]


def test_a_daemon_that_does_not_know_what_it_was_just_sent_is_not_asked_for_ever(daemon, ask, wait):
    daemon.reply_of["suggest"] = error_to(UnknownImage("send the pixels"))

    assert isinstance(wait(ask()), UnknownImage)
    assert len(suggestions(daemon)) == 1


def test_only_a_few_images_are_thought_to_be_held(daemon, ask, wait, monkeypatch):
    monkeypatch.setattr(link, "_MAX_HELD", 1)

    wait(ask())
    wait(ask())

    assert [request.body.image.is_inline for request in suggestions(daemon)] == [True, False]


def test_the_daemon_is_told_how_much_time_is_left(daemon, ask, wait):
    wait(ask(timeout_s=7.0))

    assert 5 < suggestions(daemon)[0].body.timeout_s <= 7


def test_at_most_two_are_on_the_way_and_the_next_follows(daemon, ask, wait, run_until, link):
    daemon.reply_of["suggest"] = never
    asked = [ask(f"dog {number}") for number in range(4)]
    run_until(lambda: len(suggestions(daemon)) == 2)
    run_until(lambda: True)
    assert [one.body.prompt for one in suggestions(daemon)] == ["dog 0", "dog 1"]

    link.cancel(asked[0].question)
    run_until(lambda: len(suggestions(daemon)) == 3)
    daemon.reply_of["suggest"] = reply_to
    link.cancel(asked[1].question)
    link.cancel(asked[2].question)
    wait(*asked)

    assert [type(one.answer) for one in asked] == [Cancelled, Cancelled, Cancelled, SuggestReply]


def test_progress_comes_in_its_order_and_before_the_answer(daemon, ask, wait):
    def answer(request):
        stages = [Progress("queued"), Progress("loading", 0.5), Progress("encoding")]
        told = [protocol.encode_reply(request.id, "progress", stage) for stage in stages]
        return told + reply_to(request)

    daemon.reply_of["suggest"] = answer
    asked = ask()

    wait(asked)

    assert asked.stages == ["queued", "loading", "encoding"]


def test_the_model_can_be_loaded_before_it_is_needed(daemon, loop, link):
    told = []
    daemon.reply_of["warm"] = lambda request: [
        protocol.encode_reply(request.id, "warm", WarmReply("lite", "cpu", 0.1))
    ]

    link.warm()
    link.warm(on_answer=lambda question: told.append(question.answer))

    assert loop.run_until(lambda: bool(told), 10)
    assert told[0].model == "lite"


def test_a_callback_that_fails_costs_the_others_nothing(daemon, ask, wait, loop, link, picture):
    def fail(question):
        raise ZeroDivisionError

    link.suggest(SuggestRequest(picture.raster.image), (picture.raster.pixels,), on_answer=fail)
    asked = ask()

    with pytest.raises(ZeroDivisionError):
        wait(asked)

    assert isinstance(wait(asked), SuggestReply)


class TestCancelling:
    def test_before_anything_was_done(self, ask, wait, link, daemon):
        asked = ask()

        link.cancel(asked.question)
        link.cancel(asked.question)

        assert isinstance(wait(asked), Cancelled)
        assert suggestions(daemon) == []
        assert asked.question.request_id == ""

    def test_while_it_is_being_connected(self, ask, wait, link, daemon, run_until):
        daemon.is_mute = True
        asked = ask()
        run_until(lambda: daemon.received_bytes > 100)

        link.cancel(asked.question)

        assert isinstance(wait(asked), Cancelled)

    def test_while_the_daemon_works(self, ask, wait, link, daemon, run_until):
        daemon.reply_of["suggest"] = never
        asked = ask()
        run_until(lambda: bool(suggestions(daemon)))

        link.cancel(asked.question)

        assert isinstance(wait(asked), Cancelled)
        assert daemon.cancelled.wait(5)

    def test_when_the_answer_is_there_already(self, ask, wait, link):
        asked = ask()
        wait(asked)

        link.cancel(asked.question)

        assert isinstance(asked.answer, SuggestReply)

    def test_while_the_daemon_is_being_started(self, link_to, picture, short_path, loop, run_until):
        link = link_to(Config(short_path / "connection.json", SLEEPER))
        asked = Asked(link, picture)
        run_until(lambda: asked.stages == [LAUNCHING])

        link.cancel(asked.question)

        assert loop.run_until(lambda: bool(asked.told), 1)
        assert isinstance(asked.answer, Cancelled)
        assert not loop.run_until(lambda: False, 30)  # nothing is left that would look for it

    def test_while_pixels_are_about_to_be_sent_again(self, ask, wait, link, daemon, run_until):
        wait(ask())
        daemon.reply_of["suggest"] = never
        asked = ask()
        run_until(lambda: len(suggestions(daemon)) == 2)
        daemon.reply_of["cancel"] = lambda request: [
            protocol.encode_error(request.body.request_id, "suggest", UnknownImage("send them"))
        ]

        link.cancel(asked.question)

        assert isinstance(wait(asked), Cancelled)
        assert len(suggestions(daemon)) == 2

    def test_progress_that_was_under_way_is_not_told_any_more(
        self, ask, wait, link, daemon, run_until
    ):
        daemon.reply_of["suggest"] = lambda request: [
            protocol.encode_reply(request.id, "progress", Progress("loading"))
        ]
        asked = ask()
        first = asked.question
        run_until(lambda: bool(suggestions(daemon)))

        link.cancel(first)
        told = len(asked.stages)
        wait(asked)

        assert len(asked.stages) == told

    def test_all_at_once_by_closing(self, ask, link, loop, daemon, run_until):
        daemon.reply_of["suggest"] = never
        asked = [ask(), ask(), ask()]
        run_until(lambda: len(suggestions(daemon)) == 2)

        link.close()
        link.cancel(asked[0].question)

        assert not loop.run_until(lambda: any(one.told for one in asked), 5)


class TestTime:
    def test_runs_out_while_the_daemon_works(self, ask, wait, daemon):
        daemon.reply_of["suggest"] = never

        assert isinstance(wait(ask(timeout_s=0.2)), RequestTimeout)
        assert daemon.cancelled.wait(5)

    def test_runs_out_while_who_listens_says_nothing(self, ask, wait, daemon):
        daemon.is_mute = True

        assert isinstance(wait(ask(timeout_s=0.2)), RequestTimeout)
        assert suggestions(daemon) == []

    def test_runs_out_in_the_queue(self, ask, wait, daemon):
        daemon.reply_of["suggest"] = never
        ask()
        ask()

        assert isinstance(wait(ask(timeout_s=0.2)), RequestTimeout)

    def test_runs_out_at_the_daemon_first(self, ask, wait, daemon):
        daemon.reply_of["suggest"] = error_to(Cancelled("time is over"))

        assert isinstance(wait(ask(timeout_s=0.9)), RequestTimeout)


class TestLosingTheDaemon:
    def test_while_it_works(self, ask, wait, daemon):
        def die(request):
            daemon.hang_up()
            return []

        daemon.reply_of["suggest"] = die

        assert isinstance(wait(ask()), DaemonLost)
        assert isinstance(wait(ask()), DaemonNotRunning)

    def test_and_asking_the_next_one(self, ask, wait, daemon, short_path):
        daemon.reply_of["suggest"] = lambda request: daemon.hang_up() or []
        assert isinstance(wait(ask()), DaemonLost)
        for name in ("work", "control"):
            (short_path / name).unlink()

        other = type(daemon)(short_path)
        try:
            assert isinstance(wait(ask()), SuggestReply)
            assert suggestions(other)[0].body.image.is_inline
        finally:
            other.stop()

    def test_because_it_is_told_to_stop(self, ask, wait, daemon):
        daemon.reply_of["suggest"] = error_to(Cancelled("the daemon is stopping"))

        assert isinstance(wait(ask()), DaemonLost)

    def test_between_two_questions(self, ask, wait, daemon, short_path):
        wait(ask())
        daemon.stop()
        for name in ("work", "control"):
            (short_path / name).unlink()

        other = type(daemon)(short_path)
        try:
            assert isinstance(wait(ask()), SuggestReply)
        finally:
            other.stop()

    def test_to_another_that_the_file_names_now(self, ask, wait, daemon, tmp_path_factory):
        import shutil
        import tempfile
        from pathlib import Path

        wait(ask())
        folder = Path(tempfile.mkdtemp(prefix="cc"))
        other = type(daemon)(folder)
        try:
            write_connection_file(daemon.path, other.info)
            assert isinstance(wait(ask()), SuggestReply)
            assert len(suggestions(other)) == 1
        finally:
            other.stop()
            shutil.rmtree(str(folder))

    def test_is_not_feared_because_its_file_is_gone(self, ask, wait, daemon):
        wait(ask())
        daemon.path.unlink()

        assert isinstance(wait(ask()), SuggestReply)

    def test_is_feared_after_a_minute_of_silence(self, ask, wait, daemon, monkeypatch):
        wait(ask())
        monkeypatch.setattr(link, "MAX_SILENCE_S", 0.0)

        wait(ask())

        assert [request.kind for request in daemon.requests].count("ping") == 2

    def test_is_feared_after_a_question_without_any_answer(self, ask, wait, daemon):
        def mute(request):
            daemon.is_mute = True
            return []

        daemon.reply_of["suggest"] = mute
        daemon.reply_of["cancel"] = never
        assert isinstance(wait(ask(timeout_s=0.3)), RequestTimeout)
        daemon.is_mute = False
        del daemon.reply_of["suggest"]

        assert isinstance(wait(ask()), SuggestReply)
        assert [request.kind for request in daemon.requests].count("ping") == 2


class TestFindingTheDaemon:
    @pytest.fixture
    def info(self, daemon, short_path):
        """Writes the daemon's connection file again, with other endpoints."""

        def write(*names):
            endpoints = tuple(f"ipc://{short_path / name}" for name in names)
            write_connection_file(daemon.path, dataclasses.replace(daemon.info, work=endpoints))

        return write

    def test_fails_with_its_reason_when_there_is_no_file(self, link_to, picture, wait, short_path):
        asked = Asked(link_to(Config(short_path / "connection.json")), picture)

        assert isinstance(wait(asked), DaemonNotRunning)

    def test_fails_for_all_that_wait(self, link_to, picture, wait, short_path):
        link = link_to(Config(short_path / "connection.json"))
        asked = [Asked(link, picture) for _ in range(5)]

        wait(*asked)

        assert {type(one.answer) for one in asked} == {DaemonNotRunning}

    def test_tries_the_endpoints_in_turn(self, info, ask, wait):
        info("nobody", "work")

        assert isinstance(wait(ask()), SuggestReply)

    def test_leaves_one_that_says_nothing(self, info, ask, wait, daemon, monkeypatch, short_path):
        import socket

        monkeypatch.setattr(dialer, "HELLO_TIMEOUT_S", 0.1)
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(short_path / "mute"))
            mute.listen(1)
            info("mute", "work")

            assert isinstance(wait(ask()), SuggestReply)

    def test_tells_of_one_that_says_nothing(self, ask, wait, daemon, monkeypatch):
        monkeypatch.setattr(dialer, "HELLO_TIMEOUT_S", 0.1)
        daemon.is_mute = True

        assert isinstance(wait(ask()), RequestTimeout)

    def test_sends_nothing_to_who_has_not_the_key(self, ask, wait, daemon):
        daemon.answer_to_hello = lambda frames: sealing.seal_hello(secrets.token_bytes(32), b"x")

        assert isinstance(wait(ask()), NotAuthentic)
        assert b"the dog" not in daemon.received

    def test_knows_another_version_by_the_file(self, ask, wait, daemon):
        text = daemon.path.read_text(encoding="utf-8")
        protocol_field = '"protocol": [\n  1,'
        assert protocol_field in text
        daemon.path.write_text(text.replace(protocol_field, '"protocol": [9,'), encoding="utf-8")

        assert isinstance(wait(ask()), VersionMismatch)

    def test_knows_another_version_by_the_answer(self, ask, wait, daemon):
        daemon.answer_to_hello = lambda frames: [b"CCW\x07"]

        assert isinstance(wait(ask()), VersionMismatch)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
    def test_trusts_no_file_that_others_can_read(self, ask, wait, daemon):
        daemon.path.chmod(0o644)

        assert isinstance(wait(ask()), BadConnectionFile)

    def test_takes_no_damaged_file(self, ask, wait, daemon):
        daemon.path.write_bytes(b"{")

        assert isinstance(wait(ask()), BadConnectionFile)

    def test_passes_on_what_the_daemon_declines(self, ask, wait, daemon):
        daemon.declines_hello = Unavailable("the daemon is stopping")

        assert isinstance(wait(ask()), Unavailable)

    def test_passes_on_a_bug_with_the_id_of_the_request(self, ask, wait, daemon):
        daemon.reply_of["suggest"] = error_to(InternalError("internal error"))
        asked = ask()

        assert isinstance(wait(asked), InternalError)
        assert asked.question.request_id == suggestions(daemon)[0].id

    def test_takes_no_nonsense_for_an_answer(self, ask, wait, daemon):
        daemon.frames_of["suggest"] = lambda channel, request: channel.seal(b"\xc1")

        assert isinstance(wait(ask()), MalformedMessage)
        daemon.frames_of.clear()
        assert isinstance(wait(ask()), SuggestReply)


class TestStartingTheDaemon:
    def test_when_it_is_needed(self, link_to, short_path, picture, wait, program_that_serves):
        link = link_to(Config(short_path / "connection.json", program_that_serves))
        first, second = Asked(link, picture), Asked(link, picture, "the cat")

        wait(first, second, seconds=20)

        assert isinstance(first.answer, SuggestReply)
        assert isinstance(second.answer, SuggestReply)
        assert first.stages == second.stages == [LAUNCHING]

    def test_after_one_that_left_its_file_behind(
        self, daemon, link_to, short_path, picture, wait, program_that_serves
    ):
        daemon.stop()
        for name in ("work", "control"):
            (short_path / name).unlink()
        link = link_to(Config(daemon.path, program_that_serves))

        assert isinstance(wait(Asked(link, picture), seconds=20), SuggestReply)

    def test_over_a_damaged_file(self, link_to, short_path, picture, wait, program_that_serves):
        path = short_path / "connection.json"
        path.write_bytes(b"")
        path.chmod(0o600)
        link = link_to(Config(path, program_that_serves))

        assert isinstance(wait(Asked(link, picture), seconds=20), SuggestReply)

    def test_with_a_program_that_is_not_there(self, link_to, short_path, picture, wait):
        link = link_to(Config(short_path / "connection.json", ("/no/such/program",)))

        assert isinstance(wait(Asked(link, picture)), NotStarted)
        assert isinstance(wait(Asked(link, picture)), NotStarted)

    def test_with_a_program_that_fails(self, link_to, short_path, picture, wait):
        fails = (sys.executable, "-c", "raise SystemExit(1)")
        link = link_to(Config(short_path / "connection.json", fails))

        assert isinstance(wait(Asked(link, picture)), NotStarted)

    def test_with_a_program_that_never_listens(
        self, link_to, short_path, picture, wait, monkeypatch
    ):
        monkeypatch.setattr(dialer, "LAUNCH_TIMEOUT_S", 0.3)
        link = link_to(Config(short_path / "connection.json", SLEEPER))
        asked = Asked(link, picture)

        assert isinstance(wait(asked), NotStarted)
        assert asked.stages == [LAUNCHING]

    def test_within_the_time_of_the_question(self, link_to, short_path, picture, wait):
        link = link_to(Config(short_path / "connection.json", SLEEPER))

        assert isinstance(wait(Asked(link, picture, timeout_s=0.3)), RequestTimeout)

    def test_that_runs_and_binds_anew_because_its_sockets_were_deleted(
        self, daemon, link_to, short_path, picture, wait, run_until
    ):
        gone = dataclasses.replace(daemon.info, work=(f"ipc://{short_path}/gone",))
        write_connection_file(daemon.path, gone)
        link = link_to(Config(daemon.path, SLEEPER))
        asked = Asked(link, picture)
        run_until(lambda: asked.stages == [LAUNCHING])

        write_connection_file(daemon.path, daemon.info)

        assert isinstance(wait(asked), SuggestReply)

    def test_and_finding_a_squatter_there(
        self, daemon, link_to, short_path, picture, wait, run_until
    ):
        info = daemon.path.read_bytes()
        daemon.path.unlink()
        daemon.answer_to_hello = lambda frames: sealing.seal_hello(secrets.token_bytes(32), b"x")
        link = link_to(Config(daemon.path, SLEEPER))
        asked = Asked(link, picture)
        run_until(lambda: asked.stages == [LAUNCHING])

        daemon.path.write_bytes(info)
        daemon.path.chmod(0o600)

        assert isinstance(wait(asked), NotAuthentic)
