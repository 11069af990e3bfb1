from __future__ import annotations

import threading
import time

import pytest

from clipcrop_wire.client import CancelToken
from clipcrop_wire.errors import Cancelled, RequestTimeout


def test_a_cancel_from_another_thread_ends_the_call(client, daemon, tiny_image):
    token = CancelToken()
    arrived = threading.Event()

    def be_slow(request):
        arrived.set()
        return []

    daemon.reply_of["suggest"] = be_slow
    threading.Thread(target=lambda: (arrived.wait(120), token.cancel())).start()

    with token, pytest.raises(Cancelled):
        client.suggest(*tiny_image, "x", cancel=token)

    assert daemon.cancelled.wait(120)


def test_a_cancel_that_comes_first_sends_nothing(client, daemon, tiny_image):
    with CancelToken() as token:
        token.cancel()

        with pytest.raises(Cancelled):
            client.suggest(*tiny_image, "x", cancel=token)

    assert daemon.requests == []


def test_a_cancel_that_the_daemon_does_not_hear_ends_the_call_too(
    client, daemon, tiny_image, monkeypatch
):
    monkeypatch.setattr("clipcrop_wire.connection.CANCEL_GRACE_S", 0.05)
    token = CancelToken()
    daemon.reply_of["cancel"] = lambda request: []
    daemon.reply_of["suggest"] = lambda request: token.cancel() or []

    with token, pytest.raises(Cancelled, match="has not confirmed"):
        client.suggest(*tiny_image, "x", cancel=token)


def test_a_request_may_be_cancelled_twice_and_when_it_is_over(client, tiny_image):
    token = CancelToken()
    client.suggest(*tiny_image, cancel=token)

    token.cancel()
    token.cancel()
    assert token.is_set
    token.close()
    CancelToken.cancel(token)


def test_no_answer_is_an_error_at_the_deadline_and_the_work_is_called_off(
    client, daemon, tiny_image
):
    daemon.reply_of["suggest"] = lambda request: []
    started = time.monotonic()

    with pytest.raises(RequestTimeout):
        client.suggest(*tiny_image, "x", timeout_s=0.3)

    assert 0.25 < time.monotonic() - started < 20
    assert daemon.cancelled.wait(120)
    daemon.reply_of.clear()
    assert client.suggest(*tiny_image, "x").model == "lite"


def test_a_call_that_has_no_time_left_asks_nothing(client, daemon):
    client.ping()
    num_asked = len(daemon.requests)

    with pytest.raises(RequestTimeout, match="no time was left"):
        client.ping(timeout_s=0.0)
    client.ping()

    assert len(daemon.requests) == num_asked + 1
