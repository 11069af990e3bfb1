from __future__ import annotations

import threading
import time

import pytest

from clipcrop_wire import protocol, sealing
from clipcrop_wire.connection import Connection
from clipcrop_wire.errors import (
    Cancelled,
    DaemonNotRunning,
    MalformedMessage,
    NotAuthentic,
    RequestTimeout,
)
from clipcrop_wire.messages import PingReply, PingRequest, SuggestRequest


def pump_until_done(connection, call):
    while not call.is_done:
        connection.wait(connection.seconds_to_deadline())
        connection.pump()


def test_a_main_loop_is_served_without_waiting(daemon, tiny_image):
    image, pixels = tiny_image
    answers = []
    connection = Connection(daemon.info, "work", daemon.info.work[0])

    connection.start(SuggestRequest(image), [pixels], timeout_s=5, on_done=answers.append)
    deadline = time.monotonic() + 5
    while not answers and time.monotonic() < deadline:
        assert connection.fileno() >= 0
        connection.wait(connection.seconds_to_deadline())
        connection.pump()
    connection.close()

    assert answers[0].result().model == "lite"
    assert connection.fileno() == -1


def test_an_error_in_a_callback_does_not_cost_the_connection(daemon):
    def fail(call):
        raise RequestTimeout("of the caller's own making")

    connection = Connection(daemon.info, "work", daemon.info.work[0])
    call = connection.start(PingRequest(), timeout_s=5, on_done=fail)

    with pytest.raises(RequestTimeout, match="own making"):
        pump_until_done(connection, call)

    assert connection.is_open
    connection.close()


def test_a_call_that_is_cancelled_before_it_was_sent_is_told_at_the_next_pump(daemon):
    answers = []
    connection = Connection(daemon.info, "work", daemon.info.work[0])
    call = connection.start(PingRequest(), timeout_s=5, on_done=answers.append)

    connection.cancel(call)
    assert connection.seconds_to_deadline() == 0
    connection.pump()

    assert answers == [call]
    with pytest.raises(Cancelled):
        call.result()
    connection.close()


def test_an_answer_that_comes_too_late_is_let_go(daemon):
    connection = Connection(daemon.info, "control", daemon.info.control[0])
    warm_up = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, warm_up)
    released = threading.Event()

    def be_late(request):
        released.wait(120)
        return [protocol.encode_reply(request.id, "ping", PingReply())]

    daemon.reply_of["ping"] = be_late
    late = connection.start(PingRequest(), timeout_s=0.02)
    with pytest.raises(RequestTimeout, match="no answer yet"):
        late.result()
    pump_until_done(connection, late)
    daemon.reply_of.clear()
    released.set()
    good = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, good)

    with pytest.raises(RequestTimeout, match="no answer in time"):
        late.result()
    assert good.result() == PingReply()
    connection.cancel(good)  # over already: nothing happens
    assert not good.is_cancelled
    connection.close()
    connection.close()


def test_closing_ends_the_waiting_requests(daemon):
    answers = []
    connection = Connection(daemon.info, "control", daemon.info.control[0])
    connection.start(PingRequest(), timeout_s=5, on_done=answers.append)

    connection.close()

    with pytest.raises(DaemonNotRunning):
        answers[0].result()
    assert connection.seconds_to_deadline() is None


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda frames: [frames[0][:-1] + b"?", frames[1]], id="a wrong seal"),
        pytest.param(lambda frames: sealing.refusal_frames(), id="the daemon knows it no more"),
    ],
)
def test_a_reply_that_does_not_verify_ends_the_connection(daemon, spoil):
    connection = Connection(daemon.info, "control", daemon.info.control[0])
    first = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, first)
    daemon.frames_of["ping"] = lambda channel, request: spoil(
        channel.seal(protocol.encode_reply(request.id, "ping", PingReply()))
    )
    second = connection.start(PingRequest(), timeout_s=5)
    pump_until_done(connection, second)

    assert first.result() == PingReply()
    with pytest.raises(NotAuthentic):
        second.result()
    assert connection.is_closed
    with pytest.raises(DaemonNotRunning):
        connection.start(PingRequest(), timeout_s=5)


def test_a_closed_connection_has_nothing_to_do(daemon):
    connection = Connection(daemon.info, "control", daemon.info.control[0])
    connection.close()

    connection.pump()

    assert connection.is_closed
    assert not connection.is_open


def test_without_proof_of_the_key_it_ends_however_patient_the_caller_is(daemon, monkeypatch):
    monkeypatch.setattr("clipcrop_wire.connection.HELLO_TIMEOUT_S", 0.1)
    daemon.is_mute = True
    connection = Connection(daemon.info, "work", daemon.info.work[0])
    call = connection.start(PingRequest(), timeout_s=60)

    pump_until_done(connection, call)

    with pytest.raises(RequestTimeout, match="no proof of the key"):
        call.result()
    assert connection.is_closed


def test_a_proof_that_answers_something_else_ends_the_connection(daemon):
    def answer_a_ping(frames):
        hello = protocol.decode_request(sealing.open_hello(daemon.key, frames)).body
        header = protocol.encode_reply("hello", "ping", PingReply())
        return sealing.seal_welcome(daemon.key, hello.nonce, header)

    daemon.answer_to_hello = answer_a_ping
    connection = Connection(daemon.info, "work", daemon.info.work[0])
    call = connection.start(PingRequest(), timeout_s=5)

    pump_until_done(connection, call)

    with pytest.raises(MalformedMessage, match="no reply to a hello"):
        call.result()
